"""Lines of the map buffer to the words of the lanes.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from dataclasses import dataclass
from itertools import pairwise

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import BURST_BYTES, INDEX_BYTES, LINE_ENTRIES, LINE_WORDS, WORD_BITS, Arch
from hwsim.machine.descriptors import COUNT_BITS
from hwsim_rtl.bits.word import Word
from hwsim_rtl.core.payloads import (
    ENTRY_LINE_BITS,
    ENTRY_SHIFT,
    INDEX_LENGTHS,
    LANES,
    LINE_BITS,
    LINE_SHIFT,
    BoundSegment,
    MapRow,
    NextSegment,
    ReaderConfig,
)
from hwsim_rtl.core.segment_order import SegmentOrder

AHEAD = LANES + 1  # segments that are known before a lane takes them
READ_AFTER = 2  # cycles from a slot to the address at the port
MEMORY_LATENCY = 1  # cycles from an address at the port to its line
LINE_BITS_READ = 8 * BURST_BYTES
END_BITS = COUNT_BITS  # of the end of a segment in words, counted from the begin of its line


@dataclass
class Candidate:
    """One of the next two segments: whether it is known, which one it is, where it ends, in words from the
    begin of its first line, whether it is raw, and, a cycle late, whether the index register has its
    entry."""

    valid: Value
    segment: data.View
    end: Value
    raw: Value
    indexed: Value


class SameLine(data.Struct):
    """What lies in the same line of the map buffer, as of the cycle before: the words that both lanes ask
    for; the first words of the next two segments; those that a lane asks for and those of the next one."""

    of_lanes: 1
    of_segments: 1
    of_lane_and_segment: LANES


class LaneReads:
    """What a lane holds of the segment for which it requests words, and of the words that it requested.

    Attributes:
        more: words of the segment were not requested, from the begin of ``line`` on, up to ``end``.
        entered, stop: in the line buffer, the next word to enter the window, the end of what was requested.
    """

    def __init__(self, lane: int) -> None:
        self.more = Signal(name=f"more{lane}")
        self.line = Signal(LINE_BITS, name=f"line{lane}")
        self.end = Signal(END_BITS, name=f"end{lane}")
        self.entered = Signal(range(LINE_WORDS + 1), name=f"entered{lane}")
        self.stop = Signal(range(LINE_WORDS + 1), name=f"stop{lane}")
        # In the cycle after a slot: the lane gets words, of a new segment.
        self.gets = Signal(name=f"gets{lane}")
        self.begins = Signal(name=f"begins{lane}")

    @property
    def free(self) -> Value:
        """Every word that was requested has entered."""
        return self.entered == self.stop


class Reader(wiring.Component):
    """Bind segments to lanes, and read their words, by the rules of docs/architecture.md (*Reading*).

    In a slot t, a cycle in which ``slot`` is high, it is decided who is served; in t + 1 what of the line
    each lane gets. ``reads`` is valid in t + 2, the line comes MEMORY_LATENCY later, and its first word is
    valid in A = t + 5. Slots are two cycles apart or more. A segment is valid two cycles before its first
    word at the latest.

    ``start`` comes two cycles before cycle 0, the first slot of the pass, with the lengths in the line of the
    index that has the entry of its first segment. If ``rows`` are late, so is what they are needed for.

    Args:
        arch: widths.

    Ports:
        start: In(1), only while all segments of the pass before have been taken and all their words.
        config: In(ReaderConfig), constant from ``start`` on.
        lengths: In(16 lengths), of the entries in that line, read with ``start``.
        slot: In(1), a line may be read.
        rows: In(stream of MapRow), one for each input row, in the order of reading.
        asks: Out(line), two, the line that a lane asks for; there: In(2), it is in the map buffer.
        reads: Out(stream of line, always ready). line: In(512), the one that was read, word 0 lowest.
        segments: two Out(stream of BoundSegment), of each lane.
        words: two Out(stream of Word), of each lane, the words of its segments.
        served: Out(2), each lane, in the cycle after a slot.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "start": In(1),
                "config": In(ReaderConfig(arch)),
                "lengths": In(INDEX_LENGTHS),
                "slot": In(1),
                "rows": In(stream.Signature(MapRow)),
                "asks": Out(LINE_BITS).array(LANES),
                "there": In(LANES),
                "reads": Out(stream.Signature(LINE_BITS, always_ready=True)),
                "line": In(LINE_BITS_READ),
                "segments": Out(stream.Signature(BoundSegment(arch))).array(LANES),
                "words": Out(stream.Signature(Word)).array(LANES),
                "served": Out(LANES),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = [LaneReads(lane) for lane in range(LANES)]
        of_index = Signal()  # in the cycle after a slot, a line of the index is requested
        self._first_indexed = Signal()  # the index register has the entry of the next segment
        self._same = Signal(SameLine)
        candidates = self._next_two(m, lanes, of_index)
        asked = self._choose(m, lanes, candidates[0], of_index)
        self._share(m, lanes, candidates, asked, of_index)
        self._deliver(m, lanes)
        return m

    def _next_two(self, m: Module, lanes: list[LaneReads], of_index: Value) -> list[Candidate]:
        """The two segments that come next, and their entries in the index register."""
        m.submodules.order = order = SegmentOrder(self._arch)
        connect(m, flipped(self.rows), order.rows)
        m.d.comb += [order.start.eq(self.start), order.config.eq(self.config)]
        known = Signal(range(AHEAD + 1))
        first, second, third = (
            Signal(NextSegment(self._arch), name=name) for name in ("first", "second", "third")
        )
        arriving, arrives = order.segments.payload, Signal()
        m.d.comb += [
            order.segments.ready.eq(known != AHEAD),
            arrives.eq(order.segments.valid & order.segments.ready),
        ]
        # How many are taken is known late; each of the cases is found before.
        one, two = lanes[0].begins | lanes[1].begins, lanes[0].begins & lanes[1].begins
        with_new = known + arrives
        none_stays = (known == 0) | ((known == 1) & one) | ((known == 2) & two)
        one_stays = (known <= 1) | ((known == 2) & one) | ((known == 3) & two)
        two_stay = (known <= 2) | one
        m.d.sync += [
            known.eq(Mux(self.start, 0, Mux(two, with_new - 2, Mux(one, with_new - 1, with_new)))),
            first.eq(Mux(none_stays, arriving, Mux(two, third, Mux(one, second, first)))),
            second.eq(Mux(one_stays, arriving, Mux(one, third, second))),
            third.eq(Mux(two_stay, arriving, third)),
        ]

        # The index register, and which line of the index it has. The number changes a cycle after the words,
        # so that these are known when it says so.
        lengths = Signal(INDEX_LENGTHS)
        line, coming_line = Signal(ENTRY_LINE_BITS), Signal(ENTRY_LINE_BITS)
        empty = Signal()  # before the first row of a pass
        coming = [of_index, *(Signal(name=f"index_coming{i}") for i in range(3 + MEMORY_LATENCY - 1))]
        m.d.sync += [after.eq(before) for before, after in pairwise(coming)]
        with m.If(self.start):
            m.d.sync += lengths.eq(self.lengths)
        with m.Elif(coming[1 + MEMORY_LATENCY]):
            entries = (self.line.word_select(i, 8 * INDEX_BYTES) for i in range(LINE_ENTRIES))
            m.d.sync += lengths.eq(Cat(entry[:COUNT_BITS] for entry in entries))
        with m.If(of_index):
            m.d.sync += coming_line.eq(first.entry[ENTRY_SHIFT:])
        with m.If(coming[2 + MEMORY_LATENCY]):
            m.d.sync += line.eq(coming_line)
        with m.If(self.start | empty):
            m.d.sync += [line.eq(self.rows.payload.entry[ENTRY_SHIFT:]), empty.eq(~self.rows.valid)]
        self._index_coming = Cat(coming[1:]).any()

        # What the cycle after a slot needs to know is found a cycle before, from what is second then. That is
        # known late, so that it is found of both that may be.
        second_arrives = known <= 1

        def found(segment: data.View) -> tuple[Value, Value, Value]:
            """Where a segment ends, whether it is raw, and whether the index register has its entry."""
            length = lengths[segment.entry[:ENTRY_SHIFT]]
            end = length.words + segment.place[:LINE_SHIFT]
            return end, length.raw, segment.entry[ENTRY_SHIFT:] == line

        candidates = []
        of_second = [Mux(second_arrives, *each) for each in zip(found(arriving), found(second), strict=True)]
        for number, (segment, early) in enumerate(((first, found(first)), (second, of_second))):
            end, raw = Signal(END_BITS, name=f"end_of{number}"), Signal(name=f"raw{number}")
            indexed = Signal(name=f"indexed{number}")
            m.d.sync += [end.eq(early[0]), raw.eq(early[1]), indexed.eq(early[2])]
            candidates.append(Candidate(known > number, segment, end, raw, indexed))
        first_line = first.place[LINE_SHIFT:]
        m.d.sync += [
            self._same.of_lanes.eq(lanes[0].line == lanes[1].line),
            self._same.of_segments.eq(
                Mux(second_arrives, *(first_line == each.place[LINE_SHIFT:] for each in (arriving, second)))
            ),
            *(
                self._same.of_lane_and_segment[number].eq(lane.line == first_line)
                for number, lane in enumerate(lanes)
            ),
        ]
        m.d.comb += self._first_indexed.eq(first.entry[ENTRY_SHIFT:] == line)
        return candidates

    def _choose(self, m: Module, lanes: list[LaneReads], first: Candidate, of_index: Value) -> list[Value]:
        """In a slot: who is served.

        Returns:
            Of each lane, in the cycle after a slot, whether it asked for words.
        """
        last = Signal(init=1)
        asks = [lane.free & (lane.more | first.valid) for lane in lanes]
        indexed = [lane.more | self._first_indexed for lane in lanes]
        may = [Signal(name=f"may{number}") for number in range(LANES)]
        for number, lane in enumerate(lanes):
            m.d.comb += [
                self.asks[number].eq(Mux(lane.more, lane.line, first.segment.place[LINE_SHIFT:])),
                may[number].eq(
                    self.slot & asks[number] & Mux(indexed[number], self.there[number], ~self._index_coming)
                ),
            ]
        lane = Mux(last, ~may[0], may[1])
        asked = [Signal(name=f"asked{number}") for number in range(LANES)]
        m.d.sync += [
            self.served.eq(Cat(may[0] & ~lane, may[1] & lane)),
            of_index.eq((may[0] | may[1]) & ~Mux(lane, indexed[1], indexed[0])),
            *(signal.eq(value) for signal, value in zip(asked, asks, strict=True)),
        ]
        with m.If(may[0] | may[1]):
            m.d.sync += last.eq(lane)
        with m.If(self.start):
            m.d.sync += last.eq(1)
        return asked

    def _share(
        self,
        m: Module,
        lanes: list[LaneReads],
        candidates: list[Candidate],
        asked: list[Value],
        of_index: Value,
    ) -> None:
        """The cycle after a slot: what each lane gets of the line.

        The lane that is served gets words; the other one, if it asked, what it has in the same line.
        """
        first, second = candidates
        arch, config, served = self._arch, self.config, self.served
        line = Signal(LINE_BITS)
        m.d.comb += line.eq(Mux(served[0], self.asks[0], self.asks[1]))
        for number, lane in enumerate(lanes):
            other = lanes[1 - number]
            after_other = served[1 - number] & ~other.more  # that one takes the next segment
            segment = NextSegment(arch)(Mux(after_other, second.segment, first.segment))
            same = Mux(
                lane.more,
                Mux(after_other, self._same.of_lane_and_segment[number], self._same.of_lanes),
                Mux(
                    after_other,
                    second.valid & second.indexed & self._same.of_segments,
                    first.valid & first.indexed & self._same.of_lane_and_segment[1 - number],
                ),
            )
            end, past = Signal(END_BITS, name=f"new_end{number}"), Signal(name=f"past{number}")
            m.d.comb += [
                lane.gets.eq(~of_index & (served[number] | (served[1 - number] & asked[number] & same))),
                lane.begins.eq(lane.gets & ~lane.more),
                end.eq(Mux(lane.more, lane.end, Mux(after_other, second.end, first.end))),
                past.eq(end > LINE_WORDS),
            ]
            with m.If(lane.gets):
                m.d.sync += [
                    lane.more.eq(past),
                    lane.line.eq(line + 1),
                    lane.end.eq(end - LINE_WORDS),
                    lane.entered.eq(Mux(lane.more, 0, segment.place[:LINE_SHIFT])),
                    lane.stop.eq(Mux(past, LINE_WORDS, end)),
                ]
            bound = self.segments[number]
            with m.If(lane.begins):
                m.d.sync += [
                    bound.payload.values.eq(Mux(segment.tail, config.tail_values, config.full_values)),
                    bound.payload.raw.eq(Mux(after_other, second.raw, first.raw)),
                    *(bound.payload[name].eq(segment[name]) for name in ("weight", "pixel", "row")),
                ]
            m.d.sync += bound.valid.eq(lane.begins | (bound.valid & ~bound.ready))
        m.d.sync += [
            self.reads.valid.eq(served.any()),
            self.reads.payload.eq(Mux(of_index, config.index_line + first.segment.entry[ENTRY_SHIFT:], line)),
        ]

    def _deliver(self, m: Module, lanes: list[LaneReads]) -> None:
        """The line into the buffers of the lanes that get words of it, and word by word out of them."""
        for number, lane in enumerate(lanes):
            comes = [lane.gets, *(Signal(name=f"comes{number}_{i}") for i in range(1 + MEMORY_LATENCY))]
            m.d.sync += [after.eq(before) for before, after in pairwise(comes)]
            buffer = Signal(LINE_BITS_READ, name=f"buffer{number}", reset_less=True)
            here = Signal(name=f"here{number}")
            at = Signal(range(LINE_WORDS + 1), name=f"at{number}")  # the next word to leave the buffer
            with m.If(comes[-1]):
                m.d.sync += [buffer.eq(self.line), here.eq(1), at.eq(lane.entered)]

            words, leaves, enters = (
                self.words[number],
                Signal(name=f"leaves{number}"),
                Signal(name=f"enters{number}"),
            )
            m.d.comb += [
                enters.eq(words.valid & words.ready),
                leaves.eq(here & (enters | ~words.valid)),
            ]
            with m.If(leaves):
                m.d.sync += [
                    words.payload.data.eq(buffer.word_select(at[:LINE_SHIFT], WORD_BITS)),
                    words.payload.last.eq((at + 1 == lane.stop) & ~lane.more),
                    at.eq(at + 1),
                    here.eq(at + 1 != lane.stop),
                ]
            with m.If(enters):
                m.d.sync += lane.entered.eq(lane.entered + 1)
            m.d.sync += words.valid.eq(leaves | (words.valid & ~enters))
