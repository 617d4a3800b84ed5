"""The input map and its index, from memory into the map buffer."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES, BURST_BYTES, INDEX_BYTES, LINE_ENTRIES, WORD_BYTES
from hwsim_rtl.bits.word import IndexEntry
from hwsim_rtl.core.payloads import ENTRY_BITS, ENTRY_SHIFT, LINE_BITS
from hwsim_rtl.system.header_reader import ImageHeader
from hwsim_rtl.system.memory_port import BEATS_BITS, MemoryRequest
from hwsim_rtl.system.payloads import LINE_PARTS, LayerDescriptor, LineStore
from hwsim_rtl.system.read_router import BEAT_BITS, WAITING

BEAT_SHIFT = (BEAT_BYTES - 1).bit_length()
BEAT_WORDS = BEAT_BYTES // WORD_BYTES
BEAT_ENTRIES = BEAT_BYTES // INDEX_BYTES
PLACE_BEATS_BITS = LINE_BITS + 1  # of a beat of a half of the map buffer
SEGMENTS_AHEAD = WAITING  # that were asked for


class ComingSegment(data.StructLayout):
    """A segment on its way: its ``place`` and that of the ``next`` one; how many ``beats`` it has."""

    def __init__(self) -> None:
        super().__init__({"place": PLACE_BEATS_BITS, "next": PLACE_BEATS_BITS, "beats": BEATS_BITS})


def words_turned(beat: Value) -> Value:
    """A beat whose words have their highest byte first, with it last, or the other way round."""
    return Cat(
        *(beat.word_select(word * WORD_BYTES + WORD_BYTES - 1 - byte, 8)
          for word in range(BEAT_WORDS) for byte in range(WORD_BYTES))
    )  # fmt: skip


class InputReader(wiring.Component):
    """Fetch the index, and when it is there, the segments whose lengths it has, row by row.

    Ports:
        start: In(1). busy: Out(1), until all has come. asking: Out(1), until all was asked for.
        header: In(ImageHeader), layer: In(LayerDescriptor), of the first layer; constant while busy.
        requests: Out(stream of MemoryRequest). beats: In(stream of 256 bits).
        index_reads: Out(stream of line), of the map buffer; line: In(512), in the cycle after one was taken.
        stores: Out(stream of LineStore, always ready).
        index_there: Out(1). arrived: Out, beats of the map's half before which all places have come, with the
            beat of this cycle.
        wrong: Out(1), a segment has no words.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "asking": Out(1),
                "header": In(ImageHeader),
                "layer": In(LayerDescriptor()),
                "requests": Out(stream.Signature(MemoryRequest)),
                "beats": In(stream.Signature(BEAT_BITS)),
                "index_reads": Out(stream.Signature(LINE_BITS)),
                "line": In(8 * BURST_BYTES),
                "stores": Out(stream.Signature(LineStore, always_ready=True)),
                "index_there": Out(1),
                "arrived": Out(PLACE_BEATS_BITS),
                "wrong": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer, header, request = self.layer, self.header, self.requests.payload
        entries, index_beats = Signal(ENTRY_BITS + 1), Signal(BEATS_BITS)
        m.d.sync += entries.eq(layer.height * layer.map_segments)
        m.d.comb += index_beats.eq((entries + BEAT_ENTRIES - 1) // BEAT_ENTRIES)

        # Of the next segment: its entry, how many come after it in its row, its places.
        entry, left, segment_at = Signal(ENTRY_BITS + 1), Signal(16), Signal(BEATS_BITS + 16)
        row_at, place, row_place = Signal.like(segment_at), Signal(PLACE_BEATS_BITS), Signal(PLACE_BEATS_BITS)
        lengths, words = Signal(8 * BURST_BYTES), Signal(16)
        m.submodules.coming = coming = fifo.SyncFIFO(width=ComingSegment().size, depth=SEGMENTS_AHEAD)
        new, oldest = Signal(ComingSegment()), Signal(ComingSegment())
        came = Signal(BEATS_BITS)
        row_ends = left == 0
        follows = Signal.like(place)
        arrived = Signal.like(self.arrived)
        m.d.comb += [
            words.eq(IndexEntry(lengths.word_select(entry[:ENTRY_SHIFT], 8 * INDEX_BYTES)).words),
            new.place.eq(place),
            follows.eq(Mux(row_ends, row_place + layer.row_beats, place + layer.place_beats)),
            # Nothing comes into the second half of the last line, if no place begins there.
            new.next.eq(follows + (follows[0] & (entry + 1 == entries))),
            new.beats.eq((words + BEAT_WORDS - 1) // BEAT_WORDS),
            coming.w_data.eq(new),
            oldest.eq(coming.r_data),
        ]
        known = self._lengths(m, lengths, entry, coming.w_en)
        index_comes = Signal()
        with m.FSM() as fsm:
            m.d.comb += [self.busy.eq(~fsm.ongoing("IDLE")), self.asking.eq(self.busy & ~fsm.ongoing("END"))]
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [
                    self.index_there.eq(0),
                    arrived.eq(0),
                    Cat(entry, place, row_place, came).eq(0),
                    left.eq(layer.map_segments - 1),
                    segment_at.eq(header.map_at >> BEAT_SHIFT),
                    row_at.eq(header.map_at >> BEAT_SHIFT),
                ]
                m.next = "INDEX"
            with m.State("INDEX"):
                m.d.comb += [
                    self.requests.valid.eq(1),
                    request.address.eq(header.index_at >> BEAT_SHIFT),
                    request.beats.eq(index_beats),
                ]
                with m.If(self.requests.ready):
                    m.next = "INDEX COMES"
            with m.State("INDEX COMES"):
                m.d.comb += index_comes.eq(1)
                with m.If(self.beats.valid):
                    m.d.sync += came.eq(came + 1)
                    with m.If(came + 1 == index_beats):
                        m.d.sync += [came.eq(0), self.index_there.eq(1)]
                        m.next = "SEGMENT"
            with m.State("SEGMENT"):
                m.d.comb += [
                    self.requests.valid.eq(known & coming.w_rdy),
                    request.address.eq(segment_at),
                    request.beats.eq(new.beats),
                    coming.w_en.eq(self.requests.valid & self.requests.ready),
                    self.wrong.eq(known & (words == 0)),
                ]
                with m.If(coming.w_en):
                    next_row = row_at + (header.map_row >> BEAT_SHIFT)
                    m.d.sync += [
                        entry.eq(entry + 1),
                        place.eq(new.next),
                        left.eq(left - 1),
                        segment_at.eq(segment_at + (header.map_place >> BEAT_SHIFT)),
                    ]
                    with m.If(row_ends):
                        m.d.sync += [
                            left.eq(layer.map_segments - 1),
                            row_place.eq(new.next),
                            row_at.eq(next_row),
                            segment_at.eq(next_row),
                        ]
                    with m.If(entry + 1 == entries):
                        m.next = "END"
            with m.State("END"), m.If(~coming.r_rdy):
                m.next = "IDLE"

        # What comes: entries as they are, words turned round.
        store, beat = self.stores.payload, Signal(LINE_BITS + 1)
        m.d.comb += [
            self.beats.ready.eq(1),
            beat.eq(Mux(index_comes, (layer.index_line << 1) + came, oldest.place + came)),
            self.stores.valid.eq(self.beats.valid),
            store.number.eq(beat[1:]),
            store.words.eq(
                Mux(index_comes, self.beats.payload, words_turned(self.beats.payload)).replicate(2)
            ),
            store.parts.eq(Mux(beat[0], 0xFF << LINE_PARTS // 2, 0xFF)),
        ]
        m.d.comb += self.arrived.eq(arrived)
        with m.If(self.beats.valid & ~index_comes):
            m.d.comb += self.arrived.eq(beat + 1)
            m.d.sync += [came.eq(came + 1), arrived.eq(self.arrived)]
            with m.If(came + 1 == oldest.beats):
                m.d.comb += [coming.r_en.eq(1), self.arrived.eq(oldest.next)]
                m.d.sync += came.eq(0)
        return m

    def _lengths(self, m: Module, lengths: Signal, entry: Signal, goes: Value) -> Signal:
        """The line of the index that has an entry, and ahead of its time the next one.

        Args:
            m: the module.
            lengths: is driven.
            entry: the number of the entry; the next one follows when it ``goes``.

        Returns:
            Whether the line is there.
        """
        ahead, line = Signal(8 * BURST_BYTES), Signal(LINE_BITS)  # the line to be read next
        known, kept, comes, ends = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            ends.eq(goes & (entry[:ENTRY_SHIFT] == LINE_ENTRIES - 1)),
            self.index_reads.payload.eq(self.layer.index_line + line),
            self.index_reads.valid.eq(self.asking & self.index_there & ~comes & ~(known & kept)),
        ]
        takes = self.index_reads.valid & self.index_reads.ready
        m.d.sync += [comes.eq(takes), line.eq(line + takes)]
        with m.If(self.start):
            m.d.sync += Cat(line, known, kept, comes).eq(0)
        with m.Elif(~known | ends):
            m.d.sync += [
                lengths.eq(Mux(kept, ahead, self.line)),
                known.eq(kept | comes),
                kept.eq(kept & comes),
            ]
        with m.Elif(comes):
            m.d.sync += kept.eq(1)
        with m.If(comes):
            m.d.sync += ahead.eq(self.line)
        return known
