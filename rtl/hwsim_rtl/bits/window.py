"""The decoder's view of the bits to come."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import WINDOW_WORDS, WORD_BITS
from hwsim_rtl.bits.ring import CHUNK_BITS, CHUNKS, FINE, Marks, marks_of
from hwsim_rtl.bits.word import Word

WORD_SHIFT = 6  # a word has 2^6 bits
MAX_BITS = WORD_BITS - CHUNK_BITS + 1  # of a take: they and what is gone of their first chunk fill a word


class Window(wiring.Component):
    """Four words, of which the next 49 bits or more are shown, and consumed in any number.

    Word i enters at E(i) = max(A(i), E(i-1) + 1, X(i-4) + 1), where A(i) is the first cycle in which it is
    valid and X(j) the cycle in which word j leaves (docs/architecture.md). Bits show from E + 1 on.
    One ``take`` a cycle.

    The bits are not moved to a fixed place: they show as a ring of one word, in which each chunk of 16 bits
    is that of the word at the head or, once it is gone, that of the word after it. So nothing is shifted, and
    all that a take changes is a position. Of each chunk the window also knows where its first 0 is, and where
    its bits first rise from 0 to 1; both are found when the word enters.

    Args:
        taken_bits: width of ``taken``, 1 .. 49.

    Ports:
        words: In(stream of Word).
        bits: Out(64), the ring; bit 0 is the first one of a word. What lies beyond the words that are in is
            undefined, in the marks too.
        zeros: Out(Marks), the first 0 of each chunk of the ring.
        rises: Out(Marks), the first 1 of each chunk that follows a 0, also one of the chunk before.
        offset: Out(6), where in the ring the next bit is: bits of the word at the head that are gone.
        ready: Out(1), a symbol may start: its word is here, and the next one unless that word is the last.
        last, next_last: Out(1), ``last`` of the word at the head and of the one after it.
        take: In(1), consume in this cycle; only while ``ready``.
        end: In(7), where the bits end that are consumed: ``offset`` and their number, at most 49.
        rest: In(1), consume the rest of the segment too: all words up to the next ``last``.
        taken: Out(taken_bits), the last bits before ``end``, valid in the cycle after a ``take``.
        clear: In(1), drop all words; no word enters in this cycle.

    Attributes:
        head, tail, level: registers: slots of the word at the head and of the next word to enter, number of
            words that are in. The proof in tests/rtl/formal speaks of them.
    """

    def __init__(self, taken_bits: int) -> None:
        if not 1 <= taken_bits <= MAX_BITS:
            raise ValueError(f"taken_bits must be 1 .. {MAX_BITS}, not {taken_bits}")
        self.head = Signal(range(WINDOW_WORDS))
        self.tail = Signal(range(WINDOW_WORDS))
        self.level = Signal(range(WINDOW_WORDS + 1))
        super().__init__(
            {
                "words": In(stream.Signature(Word)),
                "bits": Out(WORD_BITS),
                "zeros": Out(Marks),
                "rises": Out(Marks),
                "offset": Out(range(WORD_BITS)),
                "ready": Out(1),
                "last": Out(1),
                "next_last": Out(1),
                "take": In(1),
                "end": In(range(2 * WORD_BITS)),
                "rest": In(1),
                "taken": Out(taken_bits),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        head, tail, level = self.head, self.tail, self.level
        lasts = Signal(WINDOW_WORDS)

        # Words in.
        pushed = Signal()
        room = Signal()
        m.d.comb += [
            room.eq(level < WINDOW_WORDS),
            self.words.ready.eq(room & ~self.clear),
            pushed.eq(self.words.valid & self.words.ready),
        ]
        with m.If(pushed):
            m.d.sync += lasts.bit_select(tail, 1).eq(self.words.payload.last)
            m.d.sync += tail.eq(tail + 1)

        # Bits and marks: a bank for each chunk.
        bit_before = Signal()  # the last one of the word before
        slots = [Signal(range(WINDOW_WORDS), name=f"slot{i}") for i in range(CHUNKS)]
        last_bit = keep_words(m, self, bit_before, WINDOW_WORDS, tail, pushed, slots)
        with m.If(pushed):
            m.d.sync += bit_before.eq(last_bit)

        # `ready` looks at the words that stay, for each number of words that may leave. The slot at the tail
        # shows the word that comes in, there or not, because a slot without a word does not matter.
        left = level + pushed
        ready_after = [Signal(name=f"ready_after{count}") for count in range(3)]
        for count, stays in enumerate(ready_after):
            slot = _slot(head + count)
            last = Mux((slot == tail) & room, self.words.payload.last, lasts.bit_select(slot, 1))
            m.d.comb += stays.eq((left >= count + 2) | ((left == count + 1) & last))

        # What a take changes.
        next_segment = Signal.like(head)
        m.d.comb += next_segment.eq(head + 2 - self.last)
        crosses = self.end[WORD_SHIFT]
        with m.If((self.take & self.rest) | self.clear):
            m.d.sync += [signal.eq(next_segment) for signal in (head, *slots)]
            m.d.sync += [
                self.offset.eq(0),
                level.eq(left - 2 + self.last),
                self.ready.eq(Mux(self.last, ready_after[1], ready_after[2])),
            ]
        with m.Elif(self.take):
            for i, slot in enumerate(slots):  # the word that has chunk i after `end`
                m.d.sync += slot.eq(head + (self.end[FINE:] + CHUNKS - 1 - i >> WORD_SHIFT - FINE))
            m.d.sync += [
                head.eq(head + crosses),
                self.offset.eq(self.end),
                level.eq(left - crosses),
                self.ready.eq(Mux(crosses, ready_after[1], ready_after[0])),
            ]
        with m.Else():
            m.d.sync += [level.eq(left), self.ready.eq(ready_after[0])]
        m.d.comb += self.last.eq(lasts.bit_select(head, 1))
        m.d.comb += self.next_last.eq(lasts.bit_select(_slot(head + 1), 1))

        ring = Signal(WORD_BITS)
        m.d.sync += ring.eq(self.bits)
        m.d.comb += self.taken.eq(last_bits(m, ring, self.end))

        with m.If(self.clear):
            m.d.sync += [tail.eq(next_segment), level.eq(0), self.ready.eq(0)]
        return m


def keep_words(
    m: Module,
    window: wiring.Component,
    bit_before: Value,
    depth: int,
    place: Value,
    pushed: Value,
    slots: Sequence[Value],
) -> Value:
    """Keep the words of a window in memories, one for each chunk and its marks.

    Args:
        m: where the memories are put.
        window: its ``words`` enter them, its ``bits``, ``zeros`` and ``rises`` are what they show.
        bit_before: the last bit of the word before the one that enters.
        depth: words.
        place, pushed: where a word enters, and whether it does.
        slots: of each chunk, the place that shows.

    Returns:
        The last bit of the word that enters.
    """
    entering = Signal(WORD_BITS)  # first bit least significant
    rising = Signal(WORD_BITS)
    m.d.comb += [
        entering.eq(window.words.payload.data[::-1]),
        rising.eq(entering & ~Cat(bit_before, entering[:-1])),
    ]
    zeros = marks_of(m, ~entering)
    rises = marks_of(m, rising)
    for i, slot in enumerate(slots):
        held, shown = (
            Cat(bits.word_select(i, CHUNK_BITS), zero.word_select(i, FINE + 1), rise.word_select(i, FINE + 1))
            for bits, zero, rise in (
                (entering, zeros, rises),
                (window.bits, window.zeros.as_value(), window.rises.as_value()),
            )
        )
        m.submodules[f"bank{i}"] = bank = memory.Memory(shape=len(held), depth=depth, init=[])
        write = bank.write_port()
        read = bank.read_port(domain="comb")
        m.d.comb += [write.addr.eq(place), write.data.eq(held), write.en.eq(pushed)]
        m.d.comb += [read.addr.eq(slot), shown.eq(read.data)]
    return entering[-1]


def last_bits(m: Module, ring: Value, end: Value) -> Value:
    """The bits of a ring of the cycle before that end at ``end``, a place of this cycle, the last one least
    significant: the ring is turned until they end it.
    """
    stop = Signal(range(WORD_BITS))
    m.d.sync += stop.eq(end)
    turned = ring
    for bit in reversed(range(WORD_SHIFT)):
        stage = Signal(WORD_BITS, name=f"turned_{1 << bit}")
        m.d.comb += stage.eq(Mux(stop[bit], turned.rotate_right(1 << bit), turned))
        turned = stage
    return turned[::-1]


def _slot(number: Value) -> Value:
    """The slot of a word, modulo the number of slots."""
    return number[: (WINDOW_WORDS - 1).bit_length()]
