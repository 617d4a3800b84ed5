"""One core: words in, words out."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.codec.decoder import SegDecoder
from hwsim_rtl.core.abort import add_abort, take_or_drop
from hwsim_rtl.core.back_end import BackEnd
from hwsim_rtl.core.columns import ValidColumns
from hwsim_rtl.core.credit_fifo import CreditFifo
from hwsim_rtl.core.payloads import ChannelScale, Item, PassConfig, RowDescriptor, weight_load
from hwsim_rtl.core.position import PositionCounter
from hwsim_rtl.core.scatter import Scatter


class Events(data.Struct):
    """What happens in a cycle, for counters: a symbol leaves the decoder, a tap is issued."""

    symbol: 1
    tap: 1


class Core(wiring.Component):
    """A pass: decode, scatter, multiply, accumulate, drain, encode, with the timing of docs/architecture.md.

    ``start`` in cycle -1 begins a pass; ``done`` is high in its last cycle, ``cycles`` - 1, when output
    words and index entries are taken at once; otherwise as much later as it takes. ``start`` may come again
    in the cycle of ``done``. Words of the next pass wait for its start.

    ``abort_pass`` ends whatever is under way, as a reset does, but keeps the rules of streams: an output word
    or entry that waits is first taken. As long as it lasts, as long as that takes, and for ABORT_CYCLES more,
    words, rows and loads are taken and dropped; in those, nothing leaves. After an abort or a reset the core
    is busy until its accumulators are cleared, a cycle for each word of a bank; it has neither passes nor
    weights then.

    Args:
        arch: all widths and depths.

    Ports:
        start: In(1), only while not ``busy`` or with ``done``; goes on to the next weights.
        config: In(PassConfig), read with ``start``.
        abort_pass: In(1). aborting: Out(1), from its cycle to the end of it and of its waits.
        busy: Out(1), a pass is under way, or an abort or the clearing after one. done: Out(1), one cycle.
        error: Out(1), the words read are no legal map; the pass ends, and takes the rest of its words.
        words: In(stream of Word), the segments of the pass.
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
                "abort_pass": In(1),
                "aborting": Out(1),
                "busy": Out(1),
                "done": Out(1),
                "error": Out(1),
                "words": In(stream.Signature(Word)),
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
        abort = add_abort(m, self)
        with m.If(self.start):
            m.d.sync += config.eq(self.config)
        with m.If(abort.stages[-1]):
            m.d.sync += config.pass_loads.eq(0)  # the weights of no pass are gone

        decoder, position, columns = SegDecoder(arch), PositionCounter(arch), ValidColumns(arch)
        items, scatter = CreditFifo(Item(arch), arch.fifo_depth), Scatter(arch)
        m.submodules.decoder = ResetInserter(abort.stages[0])(decoder)
        m.submodules.places = ResetInserter(abort.stages[1])(position)
        m.submodules.columns = columns
        m.submodules.items = ResetInserter(abort.stages[1])(items)
        m.submodules.scatter = ResetInserter(abort.stages[2])(scatter)
        back = BackEnd(m, arch, abort)
        for part in (position, columns, scatter, back.addresses, back.drain):
            m.d.comb += part.config.eq(config)
        for part in (decoder, back.drain):
            m.d.comb += part.start.eq(self.start)

        take_or_drop(m, self.words, decoder.words, self.aborting)
        take_or_drop(m, self.rows, scatter.rows, self.aborting)

        # Words to items.
        connect(m, decoder.symbols, position.symbols)
        connect(m, position.items, columns.placed)
        connect(m, columns.items, items.entries)
        m.d.comb += [
            decoder.config.eq(Mux(self.start, self.config.decoder, config.decoder)),
            decoder.credit.eq(items.credit),
            items.spend.eq(position.makes_item),
            self.error.eq(decoder.error),
        ]

        # Items to taps, and taps to words.
        connect(m, items.head, scatter.items)
        back.connect(m, self, config, scatter, decoder.running, row_limit=scatter.row_limit)

        m.d.comb += [
            self.events.symbol.eq(decoder.symbols.valid),
            self.events.tap.eq(scatter.taps.valid),
        ]
        return m
