"""Programs, weights and lines of a map in; words of the map that is made out."""

from __future__ import annotations

from amaranth import Cat, Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import BURST_BYTES, WORD_BITS, Arch
from hwsim_rtl.array import CoreArray, load_ports
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.system.index_fetch import IndexFetch
from hwsim_rtl.system.payloads import MapLine
from hwsim_rtl.system.sequencer import Sequencer


class ProgrammedArray(wiring.Component):
    """An array with its sequencer, and the half of the map buffer that it reads.

    The half has one port. Cores have it in their slots, and IndexFetch in those that they do not use; in the
    cycles that are none, the lines that come. All that a pass reads must be there before its program comes.

    What is made leaves as the cores make it; weights and scales come as to the array.

    Args:
        arch: the machine.

    Ports:
        lines: In(stream of MapLine), of map and index. words: In(stream of 64 bits), see :class:`Sequencer`.
        weights, scales: as of the array.
        coded, index: of every core, Out(streams of Word and IndexEntry).
        starts, done: Out(cores), START_LATENCY cycles before the first and in the last cycle of a pass.
        error: Out(cores).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "lines": In(stream.Signature(MapLine)),
                "words": In(stream.Signature(WORD_BITS)),
                **load_ports(arch),
                "coded": Out(stream.Signature(Word)).array(arch.cores),
                "index": Out(stream.Signature(IndexEntry)).array(arch.cores),
                "starts": Out(arch.cores),
                "done": Out(arch.cores),
                "error": Out(arch.cores),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self._arch
        m.submodules.sequencer = sequencer = Sequencer(arch)
        m.submodules.fetch = fetch = IndexFetch(arch)
        m.submodules.array = array = CoreArray(arch)
        half = arch.map_buffer // 2 // BURST_BYTES
        m.submodules.map = memory = Memory(shape=8 * BURST_BYTES, depth=half, init=[])
        store, load = memory.write_port(), memory.read_port()

        port = array.map_buffer
        m.d.comb += [
            load.addr.eq(Mux(port.reads.valid, port.reads.payload, fetch.reads.payload)),
            fetch.unused.eq(port.unused),
            self.lines.ready.eq(port.spare),
            store.addr.eq(self.lines.payload.number),
            store.data.eq(self.lines.payload.words),
            store.en.eq(self.lines.valid & self.lines.ready),
            port.there.eq(~0),
            port.line.eq(load.data),
            fetch.line.eq(load.data),
        ]

        connect(m, flipped(self.words), sequencer.words)
        for name in ("weights", "scales"):
            connect(m, flipped(getattr(self, name)), getattr(array, name))
        for number, core in enumerate(array.cores):
            connect(m, sequencer.passes[number], fetch.sequenced[number])
            connect(m, fetch.passes[number], core.passes)
            connect(m, sequencer.map_rows[number], core.map_rows)
            connect(m, sequencer.rows[number], core.rows)
            m.d.comb += sequencer.out_rows[number].ready.eq(1)  # who writes what is made is not here
            connect(m, core.coded, flipped(self.coded[number]))
            connect(m, core.index, flipped(self.index[number]))
        m.d.comb += [
            self.starts.eq(Cat(core.passes.valid & core.passes.ready for core in array.cores)),
            self.done.eq(Cat(core.done for core in array.cores)),
            self.error.eq(Cat(core.error for core in array.cores)),
        ]
        return m
