"""Cores side by side: each with its own map and passes, all on the same weight load."""

from __future__ import annotations

from collections.abc import Callable

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.core import Core
from hwsim_rtl.core.launcher import Launcher
from hwsim_rtl.core.payloads import ChannelScale, PassConfig, RowDescriptor, weight_load

MakeCore = Callable[[Arch], wiring.Component]


class Load(data.StructLayout):
    """A load: ``entry``; ``cores``, mask of those that take it; ``last`` of its pass."""

    def __init__(self, entry: ShapeLike, arch: Arch) -> None:
        super().__init__({"entry": entry, "cores": arch.cores, "last": 1})


class LoadRegister(wiring.Component):
    """A load on its way to its cores: it goes when all of them have room.

    It waits in a register, so that whether one is taken does not depend on which one it is. A load that
    is taken in cycle t goes in t + 1 at the earliest; one a cycle.

    Args:
        entry: what is loaded.
        arch: the machine.

    Ports:
        loads: In(stream of Load).
        load: Out(Load); it goes in this cycle if ``goes`` is high.
        room: In(cores), which cores have room. dropped: In(cores), which do not want it any more.
    """

    def __init__(self, entry: ShapeLike, arch: Arch) -> None:
        super().__init__(
            {
                "loads": In(stream.Signature(Load(entry, arch))),
                "load": Out(Load(entry, arch)),
                "goes": Out(1),
                "room": In(arch.cores),
                "dropped": In(arch.cores),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal()
        m.d.comb += [
            self.goes.eq(held & ((self.load.cores & ~self.room) == 0)),
            self.loads.ready.eq(self.goes | ~held),
        ]
        m.d.sync += self.load.cores.eq(self.load.cores & ~self.dropped)
        with m.If(self.loads.ready):
            m.d.sync += [
                held.eq(self.loads.valid),
                self.load.eq(self.loads.payload),
                self.load.cores.eq(self.loads.payload.cores & ~self.dropped),
            ]
        return m


class CorePorts(wiring.Signature):
    """What a core of an array has of its own.

    Members:
        passes: In(stream of PassConfig), taken when a pass starts.
        words, rows: In(streams), as in :class:`Core`.
        coded, index: Out(streams), as there.
        abort_pass: In(1), as there; drops passes and this core's part of loads too.
        busy, done, error: Out(1), as there.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "passes": In(stream.Signature(PassConfig(arch))),
                "words": In(stream.Signature(Word)),
                "rows": In(stream.Signature(RowDescriptor)),
                "coded": Out(stream.Signature(Word)),
                "index": Out(stream.Signature(IndexEntry)),
                "abort_pass": In(1),
                "busy": Out(1),
                "done": Out(1),
                "error": Out(1),
            }
        )


class CoreArray(wiring.Component):
    """``arch.cores`` cores. Each starts its next pass by itself, see :class:`Launcher`.

    Cores that work on the same block share its loads.

    Args:
        arch: the machine.
        core: makes a core.

    Ports:
        weights: In(stream of Load of :func:`weight_load`). scales: In(stream of Load of ChannelScale).
        cores: Out(CorePorts), an array.
    """

    def __init__(self, arch: Arch, core: MakeCore = Core) -> None:
        self._arch, self._make_core = arch, core
        super().__init__(
            {
                "weights": In(stream.Signature(Load(weight_load(arch), arch))),
                "scales": In(stream.Signature(Load(ChannelScale, arch))),
                "cores": Out(CorePorts(arch)).array(arch.cores),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.weights = weights = LoadRegister(weight_load(self._arch), self._arch)
        m.submodules.scales = scales = LoadRegister(ChannelScale, self._arch)
        connect(m, flipped(self.weights), weights.loads)
        connect(m, flipped(self.scales), scales.loads)
        for number, ports in enumerate(self.cores):
            m.submodules[f"core{number}"] = core = self._make_core(self._arch)
            m.submodules[f"launcher{number}"] = launcher = Launcher(self._arch)
            connect(m, flipped(ports.passes), launcher.passes)
            connect(m, flipped(ports.words), core.words)
            connect(m, flipped(ports.rows), core.rows)
            connect(m, core.coded, flipped(ports.coded))
            connect(m, core.index, flipped(ports.index))
            m.d.comb += [
                core.abort_pass.eq(ports.abort_pass),
                launcher.clear.eq(core.aborting),
                core.start.eq(launcher.start),
                core.config.eq(launcher.config),
                launcher.busy.eq(core.busy),
                launcher.done.eq(core.done),
                ports.busy.eq(core.busy),
                ports.done.eq(core.done),
                ports.error.eq(core.error),
            ]
            for loads, mine, last, room in (
                (weights, core.weights, launcher.weights_last, launcher.weights_open),
                (scales, core.scales, launcher.scales_last, launcher.scales_open),
            ):
                m.d.comb += [
                    loads.room[number].eq(room),
                    loads.dropped[number].eq(core.aborting),
                    mine.valid.eq(loads.goes & loads.load.cores[number]),
                    mine.payload.eq(loads.load.entry),
                    last.eq(mine.valid & loads.load.last),
                ]
        return m
