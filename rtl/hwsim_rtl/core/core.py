"""One core: lines of the map buffer in, words out.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import BURST_BYTES, LANE_ITEMS, Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.codec.decoder import Decoder
from hwsim_rtl.core.abort import add_abort, take_or_drop
from hwsim_rtl.core.back_end import BackEnd
from hwsim_rtl.core.chooser import ItemChooser
from hwsim_rtl.core.credit_fifo import CreditFifo
from hwsim_rtl.core.payloads import (
    INDEX_LENGTHS,
    LANES,
    LINE_BITS,
    ChannelScale,
    MapRow,
    PassConfig,
    QueuedItem,
    RowDescriptor,
    weight_load,
)
from hwsim_rtl.core.position import EARLY, Positions
from hwsim_rtl.core.reader import Reader
from hwsim_rtl.core.scatter import Scatter


class Events(data.Struct):
    """What happens in a cycle, for counters: a symbol leaves the decoder, a tap is issued; items of each lane
    that are chosen; each lane was served in the slot of the cycle before."""

    symbol: 1
    tap: 1
    chosen: LANES
    served: LANES


class Core(wiring.Component):
    """A pass: read, decode in two lanes, choose, scatter, multiply, accumulate, drain, encode, with the
    timing of docs/architecture.md.

    ``start`` in cycle -2 begins a pass, whose cycle 0 must be a slot; ``done`` is high in its last cycle,
    ``cycles`` - 1, unless output words and index entries were taken so late that values found no room in the
    encoder. Words and entries of its last segments leave after that, while the next pass may be under way:
    ``start`` may come again in the cycle of ``done``.

    ``abort_pass`` ends whatever is under way, as a reset does, but keeps the rules of streams: an output word
    or entry that waits is first taken. As long as it lasts, as long as that takes, and for ABORT_CYCLES more,
    rows and loads are taken and dropped; in those, nothing leaves. After an abort or a reset the core is busy
    until its accumulators are cleared, a cycle for each word of a bank; it has neither passes nor weights
    then.

    Args:
        arch: all widths and depths.

    Ports:
        start: In(1), only while not ``busy`` or with ``done``; goes on to the next weights.
        config, lengths: In(of a SentPass), read with ``start``.
        abort_pass: In(1). aborting: Out(1), from its cycle to the end of it and of its waits.
        busy: Out(1), a pass is under way, or an abort or the clearing after one. done: Out(1), one cycle.
        encoding: Out(1), words or entries of segments that were drained are still to leave.
        error: Out(1), the words read are no legal map; the pass ends, once its last words were read.
        slot: In(1), the core may read a line of the map buffer in this cycle.
        asks, there, reads, line: as of :class:`Reader`.
        map_rows: In(stream of MapRow), one for each input row, ahead of its reading.
        rows: In(stream of RowDescriptor), one for each input row, ahead of the row's first value.
        weights, scales: In(streams, always ready), loads for the next pass, see
            :class:`hwsim_rtl.core.weights.WeightMemory`.
        coded: Out(stream of Word), the output segments. index: Out(stream of IndexEntry), one a segment.
        events: Out(Events).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "start": In(1),
                "config": In(PassConfig(arch)),
                "lengths": In(INDEX_LENGTHS),
                "abort_pass": In(1),
                "aborting": Out(1),
                "busy": Out(1),
                "done": Out(1),
                "encoding": Out(1),
                "error": Out(1),
                "slot": In(1),
                "asks": Out(LINE_BITS).array(LANES),
                "there": In(LANES),
                "reads": Out(stream.Signature(LINE_BITS, always_ready=True)),
                "line": In(8 * BURST_BYTES),
                "map_rows": In(stream.Signature(MapRow)),
                "rows": In(stream.Signature(RowDescriptor)),
                "weights": In(stream.Signature(weight_load(arch), always_ready=True)),
                "scales": In(stream.Signature(ChannelScale, always_ready=True)),
                "coded": Out(stream.Signature(Word)),
                "index": Out(stream.Signature(IndexEntry)),
                "events": Out(Events),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self._arch
        config = Signal(PassConfig(arch))
        begins = Signal()  # a cycle after the start
        m.d.sync += begins.eq(self.start)
        abort = add_abort(m, self)
        with m.If(self.start):
            m.d.sync += config.eq(self.config)
        with m.If(abort.stages[-1]):
            m.d.sync += config.core.pass_loads.eq(0)  # the weights of no pass are gone

        reader, decoder, positions = Reader(arch), Decoder(arch), Positions(arch)
        queues = [CreditFifo(QueuedItem(arch), LANE_ITEMS, EARLY) for _ in range(LANES)]
        chooser, scatter = ItemChooser(arch), Scatter(arch)
        m.submodules.reader = ResetInserter(abort.stages[0])(reader)
        m.submodules.decoder = ResetInserter(abort.stages[1])(decoder)
        m.submodules.positions = ResetInserter(abort.stages[1])(positions)
        m.submodules += [ResetInserter(abort.stages[1])(queue) for queue in queues]
        m.submodules.chooser = ResetInserter(abort.stages[2])(chooser)
        m.submodules.scatter = ResetInserter(abort.stages[2])(scatter)
        back = BackEnd(m, arch, abort)
        take_or_drop(m, self.map_rows, reader.rows, self.aborting)
        take_or_drop(m, self.rows, chooser.rows, self.aborting)

        # Lines to words. Of the configuration, the reader needs two counts with the start.
        now = Mux(self.start, self.config.as_value(), config.as_value())
        source = config.core.decoder
        m.d.comb += [
            reader.start.eq(self.start),
            reader.lengths.eq(self.lengths),
            reader.slot.eq(self.slot),
            reader.there.eq(self.there),
            reader.line.eq(self.line),
            *(
                reader.config[name].eq(PassConfig(arch)(now).core.decoder[name])
                for name in ("rows", "segments")
            ),
            *(reader.config[name].eq(source[name]) for name in ("full_values", "tail_values")),
            *(
                reader.config[name].eq(config[name])
                for name in ("place_words", "index_line", "segment_pixels")
            ),
            reader.config.segment_words.eq(config.core.segment_words),
            *(mine.eq(theirs) for mine, theirs in zip(self.asks, reader.asks, strict=True)),
        ]
        connect(m, reader.reads, flipped(self.reads))

        # Words to items.
        m.d.comb += [
            decoder.start.eq(begins),
            *(decoder.config[name].eq(source[name]) for name in ("order", "skip_zeros", "raw_bits")),
            decoder.credit.eq(Cat(queue.credit for queue in queues)),
            positions.config.eq(config.core),
            positions.makes.eq(decoder.makes),
            self.error.eq(decoder.error),
        ]
        connect(m, decoder.symbols, positions.symbols)
        for lane, queue in enumerate(queues):
            bound, segments = reader.segments[lane], decoder.segments[lane]
            connect(m, reader.words[lane], decoder.words[lane])
            m.d.comb += [
                *(segments.payload[name].eq(bound.payload[name]) for name in ("values", "raw")),
                segments.valid.eq(bound.valid),
                bound.ready.eq(segments.ready),
                positions.segments[lane].payload.eq(bound.payload),
                positions.segments[lane].valid.eq(bound.valid & bound.ready),
                queue.spend.eq(decoder.makes[lane]),
            ]
            connect(m, positions.items[lane], queue.entries)
            connect(m, queue.head, chooser.heads[lane])

        # Items to taps, and taps to words.
        m.d.comb += [
            chooser.start.eq(begins),
            chooser.pass_rows.eq(source.rows),
            chooser.segments.eq(source.segments),
            *(part.config.eq(config.core) for part in (scatter, back.addresses, back.drain)),
            back.drain.start.eq(self.start),
        ]
        connect(m, chooser.chosen, scatter.items)
        back.connect(m, self, config.core, scatter, decoder.running, row_limit=chooser.row_limit)

        m.d.comb += [
            self.events.symbol.eq(decoder.symbols.valid),
            self.events.tap.eq(scatter.taps.valid),
            self.events.chosen.eq(Cat(head.valid & head.ready for head in chooser.heads)),
            self.events.served.eq(reader.served),
        ]
        return m
