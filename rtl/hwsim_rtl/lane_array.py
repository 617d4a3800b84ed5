"""Cores of two lanes side by side, behind one port of the map buffer."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import BURST_BYTES, START_LATENCY, Arch
from hwsim_rtl.array import CorePorts, Cores, load_ports
from hwsim_rtl.core.lane_core import LaneCore
from hwsim_rtl.core.lane_payloads import LANES, LINE_BITS, LanePass
from hwsim_rtl.core.launcher import Launcher
from hwsim_rtl.core.reader import READ_AFTER

MakeCore = Callable[[Arch], wiring.Component]


class MapPort(wiring.Signature):
    """How an array reads the map buffer.

    Members:
        asks: Out(line), two: the lines that the lanes of the core want whose slot this cycle is.
        there: In(2), of each of them, in the same cycle: all its words that the pass reads are in the buffer.
        reads: Out(stream of line, always ready), the address READ_AFTER cycles after a slot, if it is used.
        line: In(512), what lies there, word 0 lowest, in the cycle after the address.
        spare: Out(1), the slot READ_AFTER cycles before was no core's: ``reads`` is not valid.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "asks": Out(LINE_BITS).array(LANES),
                "there": In(LANES),
                "reads": Out(stream.Signature(LINE_BITS, always_ready=True)),
                "line": In(8 * BURST_BYTES),
                "spare": Out(1),
            }
        )


class LaneArray(wiring.Component):
    """``arch.cores`` cores of two lanes, by the rules of docs/two_lanes.md (*Array*).

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

    def __init__(self, arch: Arch, core: MakeCore = LaneCore) -> None:
        self._arch, self._make_core = arch, core
        super().__init__(
            {
                **load_ports(arch),
                "align": In(1),
                "map_buffer": Out(MapPort()),
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
            core, launcher = self._make_core(arch), Launcher(LanePass(arch))
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
