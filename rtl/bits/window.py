"""The decoder's view of the bits to come."""

from __future__ import annotations

from amaranth import Array, Cat, Module, Mux, Signal
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
        clear: In(1), drop all words; no word enters in this cycle. ``bits`` are ones until a word does.
    """

    def __init__(self, max_bits: int, taken_bits: int) -> None:
        if not 1 <= max_bits <= WORD_BITS:
            raise ValueError(f"max_bits must be 1 .. {WORD_BITS}, not {max_bits}")
        if not 1 <= taken_bits <= max_bits:
            raise ValueError(f"taken_bits must be 1 .. {max_bits}, not {taken_bits}")
        self._max_bits = max_bits
        self._taken_bits = taken_bits
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
        width = self._max_bits
        slots = Array(Signal(Word, name=f"slot{i}") for i in range(WINDOW_WORDS))
        head = Signal(range(WINDOW_WORDS))
        tail = Signal(range(WINDOW_WORDS))
        level = Signal(range(WINDOW_WORDS + 1))

        # Words in.
        pushed = Signal()
        m.d.comb += self.words.ready.eq((level < WINDOW_WORDS) & ~self.clear)
        m.d.comb += pushed.eq(self.words.valid & self.words.ready)
        with m.If(pushed):
            m.d.sync += slots[tail].eq(self.words.payload)
            m.d.sync += tail.eq(tail + 1)

        # The words from the head on as they are after this cycle; a slot without a word does not matter.
        ahead = [Signal(Word, name=f"ahead{i}") for i in range(3)]
        for i, word in enumerate(ahead):
            slot = (head + i)[: len(head)]
            m.d.comb += word.eq(Mux((slot == tail) & (level < WINDOW_WORDS), self.words.payload, slots[slot]))
        m.d.comb += self.last.eq(slots[head].last)
        m.d.comb += self.next_last.eq(slots[(head + 1)[: len(head)]].last)

        # `bits` is a register. While a symbol may start, the bits that follow it are fetched, so that only
        # the shift by `length` comes after `length`; else `bits` itself is fetched.
        fetch = Signal(range(2 * WORD_BITS))
        pair = Signal(2 * WORD_BITS)
        following = Signal(width)
        m.d.comb += fetch.eq(Mux(self.ready, self.offset + width, self.offset))
        with m.If(fetch[-1]):
            m.d.comb += pair.eq(Cat(ahead[2].data, ahead[1].data))
        with m.Else():
            m.d.comb += pair.eq(Cat(ahead[1].data, ahead[0].data))
        m.d.comb += following.eq((pair << fetch[:-1])[2 * WORD_BITS - width : 2 * WORD_BITS])
        shifted = Signal(2 * width + self._taken_bits)
        m.d.comb += shifted.eq(Cat(following, self.bits) << self.length)
        next_segment = Mux(self.last, ahead[1].data, ahead[2].data)[-width:]
        with m.If(self.take & ~self.rest):
            m.d.sync += self.bits.eq(shifted[width : 2 * width])
        with m.Elif(self.take | ~self.ready):
            m.d.sync += self.bits.eq(Mux(self.ready, next_segment, following))
        m.d.sync += self.taken.eq(shifted[2 * width :])

        # Bits out. `ready` looks at the words that stay, for each number of words that may leave.
        end = Signal(range(2 * WORD_BITS))
        popped = Signal(range(3))
        m.d.comb += end.eq(self.offset + self.length)
        with m.If(self.take):
            with m.If(self.rest):
                m.d.comb += popped.eq(2 - self.last)
                m.d.sync += self.offset.eq(0)
            with m.Else():
                m.d.comb += popped.eq(end[-1])
                m.d.sync += self.offset.eq(end)
        left = level + pushed
        with m.Switch(popped):
            for count in range(3):
                with m.Case(count):
                    alone = (left == count + 1) & ahead[count].last
                    m.d.sync += self.ready.eq((left >= count + 2) | alone)
        m.d.sync += head.eq(head + popped)
        m.d.sync += level.eq(left - popped)

        with m.If(self.clear):
            m.d.sync += [head.eq(0), tail.eq(0), level.eq(0), self.offset.eq(0), self.ready.eq(0)]
            m.d.sync += self.bits.eq(-1)
        return m
