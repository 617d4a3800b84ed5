"""Cores side by side: each with its own passes, all on the same loads and one port of the map buffer."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import BURST_BYTES, START_LATENCY, Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.core import Core
from hwsim_rtl.core.launcher import Launcher
from hwsim_rtl.core.payloads import (
    LANES,
    LINE_BITS,
    ChannelScale,
    MapRow,
    RowDescriptor,
    SentPass,
    weight_load,
)
from hwsim_rtl.core.reader import READ_AFTER

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

    Args:
        arch: the machine.

    Members:
        passes: In(stream of SentPass), taken when a pass starts.
        map_rows, rows: In(streams), as in :class:`Core`; the first says where the map lies.
        coded, index: Out(streams), as there.
        abort_pass: In(1), as there; drops passes and this core's part of loads too.
        busy, done, encoding, error: Out(1), as there.
    """

    def __init__(self, arch: Arch) -> None:
        inward = {"passes": SentPass(arch), "map_rows": MapRow, "rows": RowDescriptor}
        super().__init__(
            {
                **{name: In(stream.Signature(payload)) for name, payload in inward.items()},
                "coded": Out(stream.Signature(Word)),
                "index": Out(stream.Signature(IndexEntry)),
                "abort_pass": In(1),
                "busy": Out(1),
                "done": Out(1),
                "encoding": Out(1),
                "error": Out(1),
            }
        )


class Cores:
    """The cores of an array, as it puts them together: loads that they share, and a launcher for each.

    Args:
        m: the array, to which they are added.
        loads: its ports ``weights`` and ``scales``, streams of Load.
        arch: the machine.
    """

    def __init__(self, m: Module, loads: Any, arch: Arch) -> None:
        self._m, self._count = m, 0
        m.submodules.weights = self._weights = LoadRegister(weight_load(arch), arch)
        m.submodules.scales = self._scales = LoadRegister(ChannelScale, arch)
        connect(m, flipped(loads.weights), self._weights.loads)
        connect(m, flipped(loads.scales), self._scales.loads)

    def add(self, core: Any, launcher: Launcher, ports: Any) -> None:
        """Put the next core behind its ports, but for its configuration and the way to its map.

        Args:
            core: see :class:`Core`.
            launcher: of its passes.
            ports: of the array, :class:`CorePorts`.
        """
        m, number = self._m, self._count
        self._count += 1
        m.submodules[f"core{number}"] = core
        m.submodules[f"launcher{number}"] = launcher
        connect(m, flipped(ports.passes), launcher.passes)
        connect(m, flipped(ports.rows), core.rows)
        connect(m, core.coded, flipped(ports.coded))
        connect(m, core.index, flipped(ports.index))
        m.d.comb += [
            core.abort_pass.eq(ports.abort_pass),
            launcher.clear.eq(core.aborting),
            core.start.eq(launcher.start),
            launcher.busy.eq(core.busy),
            launcher.done.eq(core.done),
            ports.busy.eq(core.busy),
            ports.done.eq(core.done),
            ports.encoding.eq(core.encoding),
            ports.error.eq(core.error),
        ]
        for loads, mine, last, room in (
            (self._weights, core.weights, launcher.weights_last, launcher.weights_open),
            (self._scales, core.scales, launcher.scales_last, launcher.scales_open),
        ):
            m.d.comb += [
                loads.room[number].eq(room),
                loads.dropped[number].eq(core.aborting),
                mine.valid.eq(loads.goes & loads.load.cores[number]),
                mine.payload.eq(loads.load.entry),
                last.eq(mine.valid & loads.load.last),
            ]


def load_ports(arch: Arch) -> dict[str, wiring.Member]:
    """The ports of an array by which its cores get weights and scales."""
    return {
        "weights": In(stream.Signature(Load(weight_load(arch), arch))),
        "scales": In(stream.Signature(Load(ChannelScale, arch))),
    }


class MapPort(wiring.Signature):
    """How an array reads the map buffer.

    Members:
        asks: Out(line), two: the lines that the lanes of the core want whose slot this cycle is.
        there: In(2), of each of them, in the same cycle: all its words that the pass reads are in the buffer.
        reads: Out(stream of line, always ready), the address READ_AFTER cycles after a slot, if it is used.
        line: In(512), what lies there, word 0 lowest, in the cycle after the address.
        spare: Out(1), the slot READ_AFTER cycles before was no core's: ``reads`` is not valid.
        unused: Out(cores), that slot was of this core, which did not use it: ``reads`` is not valid.
    """

    def __init__(self, cores: int) -> None:
        super().__init__(
            {
                "asks": Out(LINE_BITS).array(LANES),
                "there": In(LANES),
                "reads": Out(stream.Signature(LINE_BITS, always_ready=True)),
                "line": In(8 * BURST_BYTES),
                "spare": Out(1),
                "unused": Out(cores),
            }
        )


class CoreArray(wiring.Component):
    """``arch.cores`` cores, by the rules of docs/architecture.md (*The port of an array*).

    With N cores, every (N + 1)th cycle is a slot of core n: n cycles after that of core 0, the first of which
    is the cycle after a reset or after ``align``. One cycle in N + 1 is no core's. A pass starts in a slot
    of its core, START_LATENCY cycles or more after the first one in which it can be told to. Cores that work
    on the same block share its loads.

    Args:
        arch: the machine.
        core: makes a core.

    Ports:
        weights: In(stream of Load of :func:`weight_load`). scales: In(stream of Load of ChannelScale).
        align: In(1), the next cycle is a slot of core 0; while no pass is at work or about to start.
        map_buffer: Out(MapPort).
        cores: Out(CorePorts), an array.
    """

    def __init__(self, arch: Arch, core: MakeCore = Core) -> None:
        self._arch, self._make_core = arch, core
        super().__init__(
            {
                **load_ports(arch),
                "align": In(1),
                "map_buffer": Out(MapPort(arch.cores)),
                "cores": Out(CorePorts(arch)).array(arch.cores),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self._arch
        period = arch.cores + 1
        slots = Signal(period, init=1)  # whose slot this cycle is, one bit of each
        m.d.sync += slots.eq(Mux(self.align, 1, slots.rotate_left(1)))
        m.d.comb += self.map_buffer.spare.eq(slots[(arch.cores + READ_AFTER) % period])

        cores = Cores(m, self, arch)
        readers = []
        for number, ports in enumerate(self.cores):
            core, launcher = self._make_core(arch), Launcher(SentPass(arch))
            cores.add(core, launcher, ports)
            connect(m, flipped(ports.map_rows), core.map_rows)
            m.d.comb += [
                core.config.eq(launcher.started.config),
                core.lengths.eq(launcher.started.lengths),
                launcher.turn.eq(slots[(number - START_LATENCY) % period]),
                core.slot.eq(slots[number]),
                core.there.eq(self.map_buffer.there),
                core.line.eq(self.map_buffer.line),
            ]
            readers.append(core)
        m.d.comb += [
            self.map_buffer.reads.valid.eq(Cat(core.reads.valid for core in readers).any()),
            *(
                self.map_buffer.unused[number].eq(slots[(number + READ_AFTER) % period] & ~core.reads.valid)
                for number, core in enumerate(readers)
            ),
            self.map_buffer.reads.payload.eq(
                _only([(core.reads.valid, core.reads.payload) for core in readers])
            ),
            *(
                self.map_buffer.asks[lane].eq(
                    _only([(slots[number], core.asks[lane]) for number, core in enumerate(readers)])
                )
                for lane in range(LANES)
            ),
        ]
        return m


def _only(choices: list[tuple[Value, Any]]) -> Value:
    """The value whose condition holds, of which at most one does; else 0."""
    return reduce(or_, [Mux(holds, value, 0) for holds, value in choices])
