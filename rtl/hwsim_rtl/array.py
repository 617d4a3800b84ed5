"""Cores side by side: each with its own map and passes, all on the same weight load."""

from __future__ import annotations

from collections.abc import Callable

from amaranth import Cat, Module
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.core import Core
from hwsim_rtl.core.launcher import Launcher
from hwsim_rtl.core.payloads import ChannelScale, PassConfig, RowDescriptor, weight_word

MakeCore = Callable[[Arch], wiring.Component]


class Load(data.StructLayout):
    """A load: ``entry``; ``cores``, mask of those that take it; ``last`` of its pass."""

    def __init__(self, entry: ShapeLike, arch: Arch) -> None:
        super().__init__({"entry": entry, "cores": arch.cores, "last": 1})


class CorePorts(wiring.Signature):
    """What a core of an array has of its own.

    Members:
        passes: In(stream of PassConfig), taken when a pass starts.
        words, rows: In(streams), as in :class:`Core`.
        coded, index: Out(streams), as there.
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
                "busy": Out(1),
                "done": Out(1),
                "error": Out(1),
            }
        )


class CoreArray(wiring.Component):
    """``arch.cores`` cores. Each starts its next pass by itself, see :class:`Launcher`.

    A load is taken when all cores that it is for have room, so that cores that work on the same block share
    it.

    Args:
        arch: the machine.
        core: makes a core.

    Ports:
        weights: In(stream of Load of weight words). scales: In(stream of Load of ChannelScale).
        cores: Out(CorePorts), an array.
    """

    def __init__(self, arch: Arch, core: MakeCore = Core) -> None:
        self._arch, self._make_core = arch, core
        super().__init__(
            {
                "weights": In(stream.Signature(Load(weight_word(arch), arch))),
                "scales": In(stream.Signature(Load(ChannelScale, arch))),
                "cores": Out(CorePorts(arch)).array(arch.cores),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        launchers = [Launcher(self._arch) for _ in self.cores]
        for number, (ports, launcher) in enumerate(zip(self.cores, launchers, strict=True)):
            core = self._make_core(self._arch)
            m.submodules[f"core{number}"] = core
            m.submodules[f"launcher{number}"] = launcher
            connect(m, flipped(ports.passes), launcher.passes)
            connect(m, flipped(ports.words), core.words)
            connect(m, flipped(ports.rows), core.rows)
            connect(m, core.coded, flipped(ports.coded))
            connect(m, core.index, flipped(ports.index))
            m.d.comb += [
                core.start.eq(launcher.start),
                core.config.eq(launcher.config),
                launcher.busy.eq(core.busy),
                launcher.done.eq(core.done),
                ports.busy.eq(core.busy),
                ports.done.eq(core.done),
                ports.error.eq(core.error),
            ]
            for loads, mine, last in (
                (self.weights, core.weights, launcher.weights_last),
                (self.scales, core.scales, launcher.scales_last),
            ):
                load = loads.payload
                m.d.comb += [
                    mine.valid.eq(loads.valid & loads.ready & load.cores[number]),
                    mine.payload.eq(load.entry),
                    last.eq(mine.valid & load.last),
                ]
        for loads, room in (
            (self.weights, Cat(launcher.weights_open for launcher in launchers)),
            (self.scales, Cat(launcher.scales_open for launcher in launchers)),
        ):
            m.d.comb += loads.ready.eq((loads.payload.cores & ~room) == 0)
        return m
