"""The decoder's view of the bits to come."""

from __future__ import annotations

from amaranth import Array, Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import WINDOW_WORDS, WORD_BITS
from rtl.codec.symbol import Word


class Window(wiring.Component):
    """Four words, of which the next bits are shown left-aligned and consumed in any number.

    Word i enters at E(i) = max(A(i), E(i-1) + 1, X(i-4) + 1), where A(i) is the first cycle in which it is
    valid and X(j) the cycle in which word j leaves (docs/architecture.md). Bits show from E + 1 on.
    One ``take`` a cycle.

    Args:
        max_bits: most bits of a ``take``, 1 .. 64.
        taken_bits: width of ``taken``, 1 .. max_bits.

    Ports:
        words: In(stream of Word).
        bits: Out(max_bits), the next bits, first one most significant; what lies beyond the words that
            are in is undefined.
        ready: Out(1), a symbol may start: its word is here, and the next one unless that word is the last.
        offset: Out(6), bits of the word at the head that are gone.
        last, next_last: Out(1), ``last`` of the word at the head and of the one after it.
        take: In(1), consume in this cycle; only while ``ready``.
        length: In, bits to consume, 0 .. max_bits.
        rest: In(1), consume the rest of the segment instead: all words up to the next ``last``.
        taken: Out(taken_bits), the last bits consumed, valid in the cycle after a ``take``.
        clear: In(1), drop all words; no word enters in this cycle.
    """

    def __init__(self, max_bits: int, taken_bits: int) -> None:
        if not 1 <= max_bits <= WORD_BITS:
            raise ValueError(f"max_bits must be 1 .. {WORD_BITS}, not {max_bits}")
        if not 1 <= taken_bits <= max_bits:
            raise ValueError(f"taken_bits must be 1 .. {max_bits}, not {taken_bits}")
        self._max_bits = max_bits
        super().__init__(
            {
                "words": In(stream.Signature(Word)),
                "bits": Out(max_bits),
                "ready": Out(1),
                "offset": Out(range(WORD_BITS)),
                "last": Out(1),
                "next_last": Out(1),
                "take": In(1),
                "length": In(range(max_bits + 1)),
                "rest": In(1),
                "taken": Out(taken_bits),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slots = Array(Signal(Word, name=f"slot{i}") for i in range(WINDOW_WORDS))
        head = Signal(range(WINDOW_WORDS))
        tail = Signal(range(WINDOW_WORDS))
        level = Signal(range(WINDOW_WORDS + 1))
        pushed = Signal()
        popped = Signal(range(3))
        end = Signal(range(2 * WORD_BITS))

        # Words in.
        m.d.comb += self.words.ready.eq((level < WINDOW_WORDS) & ~self.clear)
        m.d.comb += pushed.eq(self.words.valid & self.words.ready)
        with m.If(pushed):
            m.d.sync += slots[tail].eq(self.words.payload)
            m.d.sync += tail.eq(tail + 1)

        # The next bits.
        first, second = Word(slots[head]), Word(slots[(head + 1)[:2]])
        pair = Cat(second.data, first.data)
        m.d.comb += [
            self.bits.eq((pair << self.offset)[2 * WORD_BITS - self._max_bits : 2 * WORD_BITS]),
            self.last.eq(first.last),
            self.next_last.eq(second.last),
            self.ready.eq((level >= 2) | ((level == 1) & self.last)),
        ]

        # Bits out.
        m.d.comb += end.eq(self.offset + self.length)
        m.d.sync += self.taken.eq((self.bits << self.length)[self._max_bits :])
        with m.If(self.take):
            with m.If(self.rest):
                m.d.comb += popped.eq(2 - self.last)
                m.d.sync += self.offset.eq(0)
            with m.Else():
                m.d.comb += popped.eq(end // WORD_BITS)
                m.d.sync += self.offset.eq(end % WORD_BITS)
        m.d.sync += head.eq(head + popped)
        m.d.sync += level.eq(level + pushed - popped)
        with m.If(self.clear):
            m.d.sync += [head.eq(0), tail.eq(0), level.eq(0), self.offset.eq(0)]
        return m
