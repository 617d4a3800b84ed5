"""Where the next 1 is, in a word that is read as a ring of chunks."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import WORD_BITS
from hwsim_rtl.bits.leading import LeadingCount

FINE = 4  # a chunk has 2^4 bits
CHUNK_BITS = 1 << FINE
CHUNKS = WORD_BITS // CHUNK_BITS

Marks = data.ArrayLayout(FINE + 1, CHUNKS)  # of each chunk of a word, bits before its first 1, or 16


def marks_of(m: Module, bits: Value) -> Value:
    """The marks of a word, bit 0 first."""
    counts = []
    for number in range(CHUNKS):
        count = LeadingCount(CHUNK_BITS)
        m.submodules += count
        m.d.comb += count.bits.eq(bits.word_select(number, CHUNK_BITS)[::-1])
        counts.append(count.count)
    return Cat(counts)


class RingFirst(wiring.Component):
    """Find the first 1 in the chunk at the head, or in the three that follow it round the ring.

    Combinational. Only the head is searched here; the other chunks bring their marks.

    Ports:
        head: In(16), the chunk at the head, first bit least significant.
        chunk: In(2), its number.
        marks: In(Marks); that of the head is ignored.
        first: Out(7), number of the bit, plus 64 if it lies before ``chunk``; without any 1, 64 more than the
            begin of ``chunk``.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "head": In(CHUNK_BITS),
                "chunk": In(range(CHUNKS)),
                "marks": In(Marks),
                "first": Out(range(2 * WORD_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.count = count = LeadingCount(CHUNK_BITS)
        m.d.comb += count.bits.eq(self.head[::-1])

        # Of the other chunks, the first one that is not empty.
        empty = [self.marks[number][-1] for number in range(CHUNKS)]
        found = []
        for number in range(CHUNKS):
            distance = Signal(range(CHUNKS), name=f"distance{number}")
            m.d.comb += distance.eq(number - self.chunk)
            between = [empty[number - back] | (distance <= back) for back in range(1, CHUNKS)]
            chosen = Signal(name=f"chosen{number}")
            m.d.comb += chosen.eq((distance != 0) & ~empty[number] & Cat(between).all())
            place = Signal.like(self.first, name=f"place{number}")
            with m.If(chosen):
                m.d.comb += place.eq(Cat(self.marks[number][:FINE], Const(number, 2), self.chunk > number))
            found.append(place)
        others_empty = Cat(empty[number] | (self.chunk == number) for number in range(CHUNKS)).all()
        elsewhere = Signal.like(self.first)
        m.d.comb += elsewhere.eq(reduce(or_, found))
        with m.If(others_empty):
            m.d.comb += elsewhere.eq(Cat(Const(0, FINE), self.chunk, 1))
        m.d.comb += self.first.eq(Mux(count.count[-1], elsewhere, Cat(count.count[:FINE], self.chunk)))
        return m
