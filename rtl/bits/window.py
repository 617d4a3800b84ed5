"""The decoder's view of the bits to come."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import WINDOW_WORDS, WORD_BITS
from rtl.codec.symbol import Word

WORD_SHIFT = 6  # a word has 2^6 bits
CHUNK_BITS = 16
MAX_BITS = WORD_BITS - CHUNK_BITS + 1  # of a take: they and the offset in their first chunk fill a word


class Window(wiring.Component):
    """Four words, of which the next bits are shown left-aligned and consumed in any number.

    Word i enters at E(i) = max(A(i), E(i-1) + 1, X(i-4) + 1), where A(i) is the first cycle in which it is
    valid and X(j) the cycle in which word j leaves (docs/architecture.md). Bits show from E + 1 on.
    One ``take`` a cycle.

    Args:
        max_bits: most bits of a ``take``, 1 .. 49.
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
        if not 1 <= max_bits <= MAX_BITS:
            raise ValueError(f"max_bits must be 1 .. {MAX_BITS}, not {max_bits}")
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
        # Where the next bit is in the ring of words, and the first bit after `bits`.
        position = Signal(range(WINDOW_WORDS * WORD_BITS))
        after = Signal.like(position, init=width)
        head = position[WORD_SHIFT:]
        m.d.comb += self.offset.eq(position[:WORD_SHIFT])
        tail = Signal(range(WINDOW_WORDS))
        level = Signal(range(WINDOW_WORDS + 1))
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

        # From here on, words are those of after this cycle: the slot at the tail shows the word that comes
        # in, there or not, because a slot without a word does not matter.
        ahead_last = [Signal(name=f"ahead_last{i}") for i in range(3)]
        for i, last in enumerate(ahead_last):
            slot = _slot(head + i)
            m.d.comb += last.eq(
                Mux((slot == tail) & room, self.words.payload.last, lasts.bit_select(slot, 1))
            )
        m.d.comb += self.last.eq(lasts.bit_select(head, 1))
        m.d.comb += self.next_last.eq(lasts.bit_select(_slot(head + 1), 1))

        # `bits` is a register. While a symbol may start, the bits that follow it are fetched, so that only
        # the shift by `length` comes after `length`; else `bits` itself is fetched. The words lie in banks of
        # 16 bits, so that the 64 bits that hold a fetch are one read of each bank.
        fetch = Signal.like(position)
        m.d.comb += fetch.eq(Mux(self.ready, after, position))
        fine, chunk, first_slot = fetch[:4], fetch[4:WORD_SHIFT], fetch[WORD_SHIFT:]
        next_slot = _slot(head + 2 - self.last)
        fetched, upcoming = [], []
        for i in range(WORD_BITS // CHUNK_BITS):
            bank = memory.Memory(shape=CHUNK_BITS, depth=WINDOW_WORDS, init=[])
            m.submodules[f"bank{i}"] = bank
            entering = self.words.payload.data[WORD_BITS - CHUNK_BITS * (i + 1) :][:CHUNK_BITS]
            write = bank.write_port()
            m.d.comb += [write.addr.eq(tail), write.data.eq(entering), write.en.eq(pushed)]
            for slot, chunks in ((_slot(first_slot + (chunk > i)), fetched), (next_slot, upcoming)):
                read = bank.read_port(domain="comb")
                shown = Signal(CHUNK_BITS, name=f"shown{i}")
                m.d.comb += read.addr.eq(slot)
                m.d.comb += shown.eq(Mux((read.addr == tail) & room, entering, read.data))
                chunks.insert(0, shown)
        turned = Signal(WORD_BITS)
        with m.Switch(chunk):
            for i in range(WORD_BITS // CHUNK_BITS):
                with m.Case(i):
                    m.d.comb += turned.eq(Cat(fetched).rotate_left(CHUNK_BITS * i))
        following = Signal(width)
        m.d.comb += following.eq((turned << fine)[WORD_BITS - width : WORD_BITS])
        shifted = Signal(2 * width + self._taken_bits)
        m.d.comb += shifted.eq(Cat(following, self.bits) << self.length)
        next_segment = Cat(upcoming)[WORD_BITS - width :]
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
                m.d.sync += position.eq(Cat(Const(0, WORD_SHIFT), next_slot))
                m.d.sync += after.eq(Cat(Const(width, WORD_SHIFT), next_slot))
            with m.Else():
                m.d.comb += popped.eq(end[-1])
                m.d.sync += position.eq(position + self.length)
                m.d.sync += after.eq(after + self.length)
        left = level + pushed
        with m.Switch(popped):
            for count in range(3):
                with m.Case(count):
                    alone = (left == count + 1) & ahead_last[count]
                    m.d.sync += self.ready.eq((left >= count + 2) | alone)
        m.d.sync += level.eq(left - popped)

        with m.If(self.clear):
            m.d.sync += [position.eq(0), after.eq(width), tail.eq(0), level.eq(0), self.ready.eq(0)]
            m.d.sync += self.bits.eq(-1)
        return m


def _slot(number: Value) -> Value:
    """The slot of a word, modulo the number of slots."""
    return number[: (WINDOW_WORDS - 1).bit_length()]
