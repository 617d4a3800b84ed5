"""The map buffer: a half that is read, a half that is written."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import BURST_BYTES, Arch
from hwsim_rtl.core.payloads import LINE_BITS
from hwsim_rtl.system.payloads import PART_BYTES, LineStore


class HalfPort(wiring.Signature):
    """What may be done with a half in a cycle.

    Members:
        reads: Out(line); reading: Out(1); line: In(512), what lies there, from the next cycle on, until
            another one is read.
        stores: Out(LineStore); storing: Out(1).
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "reads": Out(LINE_BITS),
                "reading": Out(1),
                "line": In(8 * BURST_BYTES),
                "stores": Out(LineStore),
                "storing": Out(1),
            }
        )


class MapHalves(wiring.Component):
    """Two memories of 512-bit lines, each with a port to read and one to write.

    Args:
        arch: the machine.

    Ports:
        swap: In(1), from the next cycle on the halves have each other's part.
        read, made: In(HalfPort), the half with the map that is read, and the one with the map that is made.
    """

    def __init__(self, arch: Arch) -> None:
        self._lines = arch.map_buffer // 2 // BURST_BYTES
        super().__init__({"swap": In(1), "read": In(HalfPort()), "made": In(HalfPort())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        swapped = Signal()
        m.d.sync += swapped.eq(swapped ^ self.swap)
        lines = []
        for number in range(2):
            memory = Memory(shape=8 * BURST_BYTES, depth=self._lines, init=[])
            m.submodules[f"half{number}"] = memory
            store, load = memory.write_port(granularity=8 * PART_BYTES), memory.read_port()
            of_made = swapped != (number == 1)
            read, made = self.read, self.made
            m.d.comb += [
                load.addr.eq(Mux(of_made, made.reads, read.reads)),
                load.en.eq(Mux(of_made, made.reading, read.reading)),
                store.addr.eq(Mux(of_made, made.stores.number, read.stores.number)),
                store.data.eq(Mux(of_made, made.stores.words, read.stores.words)),
                store.en.eq(
                    Mux(
                        of_made,
                        Mux(made.storing, made.stores.parts, 0),
                        Mux(read.storing, read.stores.parts, 0),
                    )
                ),
            ]
            lines.append(load.data)
        m.d.comb += [  # half 0 is read at first
            self.read.line.eq(Mux(swapped, lines[1], lines[0])),
            self.made.line.eq(Mux(swapped, lines[0], lines[1])),
        ]
        return m
