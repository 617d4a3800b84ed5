"""One core: words in, words out."""

from itertools import pairwise

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.hdl import Elaboratable
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.codec.decoder import SegDecoder
from hwsim_rtl.codec.encoder import SegEncoder
from hwsim_rtl.codec.symbol import OutputValue
from hwsim_rtl.core.adder_tree import AdderTree
from hwsim_rtl.core.addresses import TapAddresses
from hwsim_rtl.core.bank import AccumulatorBank
from hwsim_rtl.core.columns import ValidColumns
from hwsim_rtl.core.credit_fifo import CreditFifo
from hwsim_rtl.core.drain_control import DrainControl
from hwsim_rtl.core.multiply import Multipliers
from hwsim_rtl.core.payloads import ChannelScale, DrainRead, Item, PassConfig, RowDescriptor, weight_load
from hwsim_rtl.core.position import PositionCounter
from hwsim_rtl.core.requantize import Requantizer
from hwsim_rtl.core.scatter import Scatter
from hwsim_rtl.core.weights import WeightMemory

DRAIN_DEPTH = 32  # values between a read and the encoder; more than the cycles that lie between


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
    or entry that waits is first taken. As long as it lasts, and as long as that takes, words, rows and loads
    are taken and dropped. After an abort or a reset the core is busy until its accumulators are cleared, a
    cycle for each word of a bank; it has neither passes nor weights then.

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
        weights, scales: In(streams, always ready), loads for the next pass, see :class:`WeightMemory`.
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

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        arch = self._arch
        config = Signal(PassConfig(arch))
        with m.If(self.start):
            m.d.sync += config.eq(self.config)

        m.submodules.decoder = decoder = SegDecoder(arch)
        m.submodules.position = position = PositionCounter(arch)
        m.submodules.columns = columns = ValidColumns(arch)
        m.submodules.items = items = CreditFifo(Item(arch), arch.fifo_depth)
        m.submodules.scatter = scatter = Scatter(arch)
        m.submodules.addresses = addresses = TapAddresses(arch)
        m.submodules.weights = weights = WeightMemory(arch)
        m.submodules.multipliers = multipliers = Multipliers(arch)
        banks = [AccumulatorBank(arch) for _ in range(arch.columns)]
        m.submodules += banks
        m.submodules.drain = drain = DrainControl(arch)
        m.submodules.tree = tree = AdderTree(arch.columns)
        m.submodules.requantizer = requantizer = Requantizer(arch)
        m.submodules.values = values = CreditFifo(OutputValue(arch), DRAIN_DEPTH)
        m.submodules.encoder = encoder = SegEncoder(arch)
        for part in (position, columns, scatter, addresses, drain):
            m.d.comb += part.config.eq(config)
        for part in (decoder, drain):
            m.d.comb += part.start.eq(self.start)

        # An abort is a reset that waits for output that waits.
        waits = Cat(out.valid & ~out.ready for out in (self.coded, self.index)).any()
        aborted = Signal()  # before, and it is still waiting
        flush = Signal()
        m.d.comb += [self.aborting.eq(self.abort_pass | aborted), flush.eq(self.aborting & ~waits)]
        m.d.sync += aborted.eq(self.aborting)
        for inward, inner in ((self.words, decoder.words), (self.rows, scatter.rows)):
            m.d.comb += [
                inner.payload.eq(inward.payload),
                inner.valid.eq(inward.valid & ~self.aborting),
                inward.ready.eq(inner.ready | self.aborting),
            ]

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

        # Items to sums.
        connect(m, items.head, scatter.items)
        connect(m, scatter.taps, addresses.taps)
        connect(m, flipped(self.weights), weights.load)
        connect(m, flipped(self.scales), weights.load_scales)
        m.d.comb += [
            weights.start.eq(self.start),
            weights.gone.eq(config.pass_loads),
            weights.address.eq(addresses.weight),
            weights.read.eq(addresses.reads),
            multipliers.value.eq(addresses.value),
            multipliers.signed_input.eq(config.signed_input),
            multipliers.weights.eq(weights.word),
            scatter.row_limit.eq(drain.row_limit),
        ]
        lanes_read = Signal(arch.columns)
        address_read = Signal.like(drain.address, reset_less=True)
        with m.If(drain.clears | (drain.reads.valid & config.depthwise)):
            m.d.sync += lanes_read.eq(-1)
        with m.Elif(~drain.reads.valid):
            m.d.sync += lanes_read.eq(0)
        with m.Else():
            m.d.sync += lanes_read.eq(1 << drain.reads.payload.channel)
        m.d.sync += address_read.eq(drain.address)
        for lane, bank in enumerate(banks):
            m.d.comb += [
                bank.access.eq(addresses.accesses[lane]),
                bank.product.eq(multipliers.products[lane]),
                bank.drain.eq(Cat(lanes_read[lane], address_read)),
                tree.numbers[lane].eq(bank.drained),
            ]

        # Sums to words. What was read goes along with its sum.
        delay = 1 + AccumulatorBank.LATENCY + AdderTree.LATENCY
        read_valid = [drain.reads.valid, *(Signal(name=f"read_valid{i}") for i in range(1, delay + 1))]
        read = [drain.reads.payload, *(Signal(DrainRead(arch), name=f"read{i}") for i in range(1, delay + 1))]
        for wire in (read_valid, read):
            m.d.sync += [after.eq(before) for before, after in pairwise(wire)]
        m.d.comb += [
            drain.rows_done.eq(scatter.rows_done),
            drain.credit.eq(values.credit),
            values.spend.eq(read_valid[1]),
            weights.channel.eq(read[delay - WeightMemory.SCALE_LATENCY].channel),
            requantizer.config.eq(config.requantize),
            requantizer.scale.eq(weights.scale),
            requantizer.sums.valid.eq(read_valid[-1]),
            requantizer.sums.payload.sum.eq(tree.sum),
            requantizer.sums.payload.segment_end.eq(read[-1].segment_end),
            encoder.config.eq(config.encoder),
        ]
        connect(m, requantizer.values, values.entries)
        connect(m, values.head, encoder.values)
        connect(m, encoder.words, flipped(self.coded))
        connect(m, encoder.index, flipped(self.index))

        # The pass is over when all that was read has left, and all its words, if they were dropped, are in.
        words_due = Signal(COUNT_BITS)  # last words of segments
        entries_due = Signal(COUNT_BITS)
        segment_read = drain.reads.valid & drain.reads.payload.segment_end
        word_out = self.coded.valid & self.coded.ready & self.coded.payload.last
        m.d.sync += [
            words_due.eq(words_due + segment_read - word_out),
            entries_due.eq(entries_due + segment_read - (self.index.valid & self.index.ready)),
        ]
        at_work = Signal()
        over = at_work & drain.finished & (words_due == 0) & (entries_due == 0) & ~decoder.running
        m.d.sync += [
            self.done.eq(over & ~self.done),
            at_work.eq(self.start | (at_work & ~self.done)),
        ]
        m.d.comb += self.busy.eq(at_work | drain.clears | self.aborting)

        m.d.comb += [
            self.events.symbol.eq(decoder.symbols.valid),
            self.events.tap.eq(scatter.taps.valid),
        ]
        return ResetInserter(flush)(m)
