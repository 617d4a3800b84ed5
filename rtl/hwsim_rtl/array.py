"""What cores side by side share, and what each of them has of its own."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.lane_payloads import LanePass, MapRow
from hwsim_rtl.core.launcher import Launcher
from hwsim_rtl.core.payloads import ChannelScale, RowDescriptor, weight_load


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
        passes: In(stream of LanePass), taken when a pass starts.
        map_rows, rows: In(streams), as in :class:`LaneCore`; the first says where the map lies.
        coded, index: Out(streams), as there.
        abort_pass: In(1), as there; drops passes and this core's part of loads too.
        busy, done, error: Out(1), as there.
    """

    def __init__(self, arch: Arch) -> None:
        inward = {"passes": LanePass(arch), "map_rows": MapRow, "rows": RowDescriptor}
        super().__init__(
            {
                **{name: In(stream.Signature(payload)) for name, payload in inward.items()},
                "coded": Out(stream.Signature(Word)),
                "index": Out(stream.Signature(IndexEntry)),
                "abort_pass": In(1),
                "busy": Out(1),
                "done": Out(1),
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
            core: see :class:`LaneCore`.
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
