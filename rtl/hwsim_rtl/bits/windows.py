"""The view of two decoders, taking turns, of the bits to come.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import WINDOW_WORDS, WORD_BITS
from hwsim_rtl.bits.ring import CHUNK_BITS, CHUNKS, FINE, Marks, marks_of
from hwsim_rtl.bits.word import Word

WORD_SHIFT = 6  # a word has 2^6 bits
MAX_BITS = WORD_BITS - CHUNK_BITS + 1  # of a take: they and what is gone of their first chunk fill a word

SLOT_BITS = (WINDOW_WORDS - 1).bit_length()


class WindowState(data.Struct):
    """What a lane's window knows of its words.

    ``head``, ``tail``: slots of the word at the head and of the next one to enter; ``level``: words that are
    in; ``lasts``: of each slot, whether its word is the last of a segment; ``bit_before``: the last bit of
    the word that entered last; ``offset``: bits of the head that are gone; ``slots``: where each chunk of the
    ring lies.
    """

    head: SLOT_BITS
    tail: SLOT_BITS
    level: SLOT_BITS + 1
    lasts: WINDOW_WORDS
    bit_before: 1
    offset: WORD_SHIFT
    slots: data.ArrayLayout(SLOT_BITS, CHUNKS)


class Windows(wiring.Component):
    """Two windows of four words, of which one shows its bits in a cycle, and one takes.

    Each lane shows its next 49 bits or more in every second cycle, and in the next one takes those whose end
    was found meanwhile, in any number. What a lane knows goes round through two registers, so that no path
    from the bits to the next bits is longer than half of the way.

    Word i of a lane enters at E(i) = turn(max(A(i), E(i-1) + 1, X(i-4) + 1)), in a cycle in which the lane
    takes, where A(i) is the first cycle in which it is valid and X(j) the one in which word j leaves; its
    bits show from E + 1 on.

    The bits are not moved to a fixed place: they show as a ring of one word, in which each chunk of 16 bits
    is that of the word at the head or, once it is gone, that of the word after it. So nothing is shifted, and
    all that a take changes is a position. Of each chunk a window also knows where its first 0 is, and where
    its bits first rise from 0 to 1; both are found when the word enters.

    Args:
        taken_bits: width of ``taken``, 1 .. 49.

    Ports:
        turn: In(1), the lane that shows in this cycle; the other one takes. Changes in every cycle, except
            that it may stay while both lanes are empty.
        words: In(stream of Word), of the lane that takes.
        bits: Out(64), the ring of the lane that shows; bit 0 is the first one of a word. What lies beyond the
            words that are in is undefined, in the marks too.
        zeros: Out(Marks), of that lane, the first 0 of each chunk of the ring.
        rises: Out(Marks), the first 1 of each chunk that follows a 0, also one of the chunk before.
        offset: Out(6), where in the ring its next bit is: bits of the word at the head that are gone.
        ready: Out(1), of the lane that takes, a symbol may start with the bits that it showed in the cycle
            before: its word is here, and the next one unless that word is the last.
        last, next_last: Out(1), of that lane, ``last`` of the word at the head and of the one after it.
        take: In(1), consume bits of that lane in this cycle; only while ``ready``.
        end: In(7), where the bits end that are consumed: ``offset`` and their number, at most 49.
        rest: In(1), consume the rest of the segment too: all words up to the next ``last``.
        taken: Out(taken_bits), the last bits before ``end``, valid in the cycle after a ``take``.
        clear: In(1), drop all words of the lane that takes; no word enters. Two cycles clear both lanes.

    Attributes:
        shown, taking: registers, states of the lane that shows and of the lane that takes. The proof in
            tests/rtl/formal speaks of them.
    """

    def __init__(self, taken_bits: int) -> None:
        if not 1 <= taken_bits <= MAX_BITS:
            raise ValueError(f"taken_bits must be 1 .. {MAX_BITS}, not {taken_bits}")
        self.shown = Signal(WindowState)
        self.taking = Signal(WindowState)
        super().__init__(
            {
                "turn": In(1),
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
        self._show(m)
        pushed = self._enter(m)
        self._take(m, pushed)

        # The last bits taken, from the ring as it was shown.
        showed = Signal(WORD_BITS)
        ring = Signal(WORD_BITS)
        m.d.sync += [showed.eq(self.bits), ring.eq(showed)]
        m.d.comb += self.taken.eq(_last_bits(m, ring, self.end))
        return m

    def _show(self, m: Module) -> None:
        """What is known of a lane before it takes: a symbol may start if its words are here."""
        shown = self.shown
        last = shown.lasts.bit_select(shown.head, 1)
        m.d.comb += self.offset.eq(shown.offset)
        m.d.sync += [
            self.taking.eq(shown),
            self.ready.eq((shown.level >= 2) | ((shown.level == 1) & last)),
            self.last.eq(last),
            self.next_last.eq(shown.lasts.bit_select((shown.head + 1)[:SLOT_BITS], 1)),
        ]

    def _enter(self, m: Module) -> Signal:
        """A word of the lane that takes, if there is room."""
        taking, pushed = self.taking, Signal()
        m.d.comb += [
            self.words.ready.eq((taking.level < WINDOW_WORDS) & ~self.clear),
            pushed.eq(self.words.valid & self.words.ready),
        ]
        slots = [Cat(slot, self.turn) for slot in self.shown.slots]
        place = Cat(taking.tail, ~self.turn)
        _keep_words(m, self, taking.bit_before, 2 * WINDOW_WORDS, place, pushed, slots)
        return pushed

    def _take(self, m: Module, pushed: Signal) -> None:
        """The state of the lane after it took, which shows next."""
        taking, after = self.taking, Signal(WindowState)
        word = self.words.payload
        next_segment = (taking.head + 2 - self.last)[:SLOT_BITS]
        crosses = self.end[WORD_SHIFT]
        left = taking.level + pushed
        m.d.comb += [after.eq(taking), after.level.eq(left)]
        with m.If(pushed):
            m.d.comb += [
                after.lasts.bit_select(taking.tail, 1).eq(word.last),
                after.bit_before.eq(word.data[0]),
                after.tail.eq(taking.tail + 1),
            ]
        with m.If((self.take & self.rest) | self.clear):
            m.d.comb += [place.eq(next_segment) for place in (after.head, *after.slots)]
            m.d.comb += [after.offset.eq(0), after.level.eq(left - 2 + self.last)]
        with m.Elif(self.take):
            for i, slot in enumerate(after.slots):  # the word that has chunk i after `end`
                m.d.comb += slot.eq(taking.head + (self.end[FINE:] + CHUNKS - 1 - i >> WORD_SHIFT - FINE))
            m.d.comb += [
                after.head.eq(taking.head + crosses),
                after.offset.eq(self.end),
                after.level.eq(left - crosses),
            ]
        with m.If(self.clear):
            m.d.comb += [after.tail.eq(next_segment), after.level.eq(0)]
        m.d.sync += self.shown.eq(after)


def _keep_words(
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


def _last_bits(m: Module, ring: Value, end: Value) -> Value:
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
