"""What a core makes, on its way into the map buffer."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import LINE_ENTRIES, LINE_WORDS
from hwsim.machine.descriptors import PLACE_BITS
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.payloads import ENTRY_BITS, ENTRY_SHIFT, LINE_BITS, LINE_SHIFT
from hwsim_rtl.system.payloads import LINE_PARTS, LineStore, MapPlaces, OutRow


class LinePiece(data.StructLayout):
    """A piece of a line: which line, where in it, and its bits."""

    def __init__(self, pieces: int) -> None:
        super().__init__(
            {"number": LINE_BITS, "position": range(pieces), "bits": 8 * LINE_PARTS * 4 // pieces}
        )


class LineCollector(wiring.Component):
    """Put pieces of a line together, until one comes of another line.

    Args:
        pieces: of a line.

    Ports:
        puts: In(stream of LinePiece). flush: In(1), what was collected is to go, while nothing comes.
        stores: Out(stream of LineStore). idle: Out(1), nothing waits.
    """

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        super().__init__(
            {
                "puts": In(stream.Signature(LinePiece(pieces))),
                "flush": In(1),
                "stores": Out(stream.Signature(LineStore)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        piece, line, collects = self.puts.payload, Signal(LineStore), Signal()
        parts = LINE_PARTS // self._pieces  # of a piece
        stays, free, moves, comes = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            stays.eq(~collects | (piece.number == line.number)),
            free.eq(~self.stores.valid | self.stores.ready),
            self.puts.ready.eq(stays | free),
            comes.eq(self.puts.valid & self.puts.ready),
            moves.eq(collects & free & Mux(self.puts.valid, ~stays, self.flush)),
            self.idle.eq(~collects & ~self.stores.valid),
        ]
        with m.If(free):
            m.d.sync += self.stores.valid.eq(moves)
        with m.If(moves):
            m.d.sync += [self.stores.payload.eq(line), line.parts.eq(0), collects.eq(0)]
        with m.If(comes):
            m.d.sync += [
                collects.eq(1),
                line.number.eq(piece.number),
                line.words.word_select(piece.position, len(piece.bits)).eq(piece.bits),
                line.parts.word_select(piece.position, parts).eq((1 << parts) - 1),
            ]
        return m


class MapWriter(wiring.Component):
    """Put words and index entries of a core into their places, row by row.

    Two rows are known ahead, so that words never wait for their addresses. A line leaves when a word of
    another line comes, or is flushed; words and entries wait while two lines of theirs do.

    Ports:
        places: In(MapPlaces), constant while anything is under way.
        rows: In(stream of OutRow). coded: In(stream of Word). index: In(stream of IndexEntry).
        flush: In(1), as of :class:`LineCollector`.
        stores: Out(stream of LineStore). idle: Out(1), no line waits, and no row is known.
        overflows: Out(1), a segment that has an index entry is longer than its place.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "places": In(MapPlaces),
                "rows": In(stream.Signature(OutRow)),
                "coded": In(stream.Signature(Word)),
                "index": In(stream.Signature(IndexEntry)),
                "flush": In(1),
                "stores": Out(stream.Signature(LineStore)),
                "idle": Out(1),
                "overflows": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = LineCollector(LINE_WORDS)
        m.submodules.entries = entries = LineCollector(LINE_ENTRIES)
        places, coded, index = self.places, self.coded, self.index

        # The next row: products in the cycle after it was taken, its first place in the one after that.
        taken, known = Signal(), Signal()
        row, in_row = Signal(PLACE_BITS), Signal(PLACE_BITS)
        before, first = Signal(ENTRY_BITS), Signal(OutRow)
        next_place, next_entry, next_segments = (
            Signal(PLACE_BITS),
            Signal(ENTRY_BITS),
            Signal.like(first.segments),
        )
        next_column = Signal.like(first.first)
        at_work, begins = Signal(), Signal()
        moves = Signal()
        m.d.comb += [moves.eq(taken & (~known | begins)), self.rows.ready.eq(~taken | moves)]
        with m.If(self.rows.ready):
            m.d.sync += taken.eq(self.rows.valid)
        with m.If(self.rows.ready & self.rows.valid):
            m.d.sync += [
                first.eq(self.rows.payload),
                row.eq(self.rows.payload.row * places.row_words),
                in_row.eq(self.rows.payload.first * places.place_words),
                before.eq(self.rows.payload.row * places.entries),
            ]
        m.d.sync += known.eq((known & ~begins) | moves)
        with m.If(moves):
            m.d.sync += [
                next_place.eq(places.first + row + in_row),
                next_entry.eq(before + first.first),
                next_segments.eq(first.segments),
                next_column.eq(first.first),
            ]

        column, room = Signal.like(first.first), Signal(PLACE_BITS)  # of the segment in its row; of its place
        place, entry, left = Signal(PLACE_BITS), Signal(ENTRY_BITS), Signal.like(next_segments)
        in_segment, ends, ready = Signal(PLACE_BITS), Signal(), Signal()
        at = Signal(PLACE_BITS)
        last = coded.payload.last
        m.d.comb += [
            room.eq(Mux(column + 1 == places.entries, places.tail_words, places.place_words)),
            self.overflows.eq(at_work & coded.valid & places.indexed & (in_segment == room)),
            begins.eq(known & (~at_work | (ends & (left == 1)))),
            at.eq(place + in_segment),
            words.puts.payload.number.eq(at[LINE_SHIFT:]),
            words.puts.payload.position.eq(at[:LINE_SHIFT]),
            words.puts.payload.bits.eq(coded.payload.data),
            entries.puts.payload.number.eq(places.index_line + entry[ENTRY_SHIFT:]),
            entries.puts.payload.position.eq(entry[:ENTRY_SHIFT]),
            entries.puts.payload.bits.eq(index.payload),
            # The last word of a segment and its entry are taken together.
            ready.eq(
                at_work & words.puts.ready & (~last | (index.valid & (~places.indexed | entries.puts.ready)))
            ),
            coded.ready.eq(ready),
            words.puts.valid.eq(coded.valid & at_work & (~last | ready)),
            ends.eq(coded.valid & ready & last),
            index.ready.eq(ends),
            entries.puts.valid.eq(ends & places.indexed),
        ]
        with m.If(coded.valid & ready):
            m.d.sync += in_segment.eq(Mux(last, 0, in_segment + 1))
        with m.If(begins):
            m.d.sync += [
                at_work.eq(1),
                place.eq(next_place),
                column.eq(next_column),
                entry.eq(next_entry),
                left.eq(next_segments),
            ]
        with m.Elif(ends):
            m.d.sync += [
                at_work.eq(left != 1),
                place.eq(place + places.place_words),
                column.eq(column + 1),
                entry.eq(entry + 1),
                left.eq(left - 1),
            ]

        # Words go first, but not before a line of entries that waits already.
        of_entries, waits = Signal(), Signal()
        m.d.sync += waits.eq(of_entries & self.stores.valid & ~self.stores.ready)
        m.d.comb += [
            words.flush.eq(self.flush),
            entries.flush.eq(self.flush),
            of_entries.eq(waits | ~words.stores.valid),
            self.stores.valid.eq(words.stores.valid | entries.stores.valid),
            self.stores.payload.eq(Mux(of_entries, entries.stores.payload, words.stores.payload)),
            words.stores.ready.eq(self.stores.ready & ~of_entries),
            entries.stores.ready.eq(self.stores.ready & of_entries),
            self.idle.eq(words.idle & entries.idle & ~at_work & ~known & ~taken),
        ]
        return m
