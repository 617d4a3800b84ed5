"""What every core has behind its scatter unit: taps in, words out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import connect, flipped

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS
from hwsim_rtl.codec.encoder import SegmentEncoder
from hwsim_rtl.codec.symbol import OutputValue
from hwsim_rtl.core.abort import FLUSH_CYCLES, Abort, give_or_hide
from hwsim_rtl.core.adder_tree import AdderTree
from hwsim_rtl.core.addresses import TapAddresses
from hwsim_rtl.core.bank import AccumulatorBank
from hwsim_rtl.core.credit_fifo import CreditFifo
from hwsim_rtl.core.drain_control import DrainControl
from hwsim_rtl.core.multiply import Multipliers
from hwsim_rtl.core.payloads import DrainRead
from hwsim_rtl.core.requantize import Requantizer
from hwsim_rtl.core.weights import WeightMemory

DRAIN_DEPTH = 32  # values between a read and the encoder; more than the cycles that lie between


class BackEnd:
    """The parts of a core that multiply, accumulate, drain and encode.

    ``addresses`` and ``drain`` want the configuration, ``drain`` the start too.

    Args:
        m: the core, to which the parts are added.
        arch: all widths and depths.
        abort: of the core; those of the parts that are no pipelines are reset with its last stage.
    """

    def __init__(self, m: Module, arch: Arch, abort: Abort) -> None:
        self._arch, self._abort = arch, abort
        self.addresses, self._weights = TapAddresses(arch), WeightMemory(arch)
        self._multipliers = Multipliers(arch)
        self._banks = [AccumulatorBank(arch) for _ in range(arch.columns)]
        self.drain, self._tree = DrainControl(arch), AdderTree(arch.columns)
        self._requantizer = Requantizer(arch)
        self._values = CreditFifo(OutputValue(arch), DRAIN_DEPTH)
        self._encoder = SegmentEncoder(arch)

        stage = abort.stages[-1]
        m.submodules.addresses = self.addresses
        m.submodules.weights = ResetInserter(stage)(self._weights)
        m.submodules.multipliers = self._multipliers
        m.submodules += self._banks
        m.submodules.drain = ResetInserter(stage)(self.drain)
        m.submodules.tree = self._tree
        m.submodules.requantizer = self._requantizer
        m.submodules.values = ResetInserter(stage)(self._values)
        m.submodules.encoder = ResetInserter(stage)(self._encoder)

    def connect(
        self, m: Module, core: Any, config: data.View, scatter: Any, reading: Value, row_limit: Value
    ) -> None:
        """Taps to words.

        Args:
            m: the core.
            core: its ports: ``start``, ``weights``, ``scales``, ``coded``, ``index``, ``busy``, ``done``,
                ``encoding``.
            config: a CoreConfig, of the pass at work.
            scatter: ``taps``, and ``rows_done``, owned rows that are complete with the tap of the next cycle.
            reading: words or symbols of the pass are to come.
            row_limit: is given the number below which owned rows have a place in the ring.
        """
        arch, addresses, weights, drain = self._arch, self.addresses, self._weights, self.drain
        multipliers, banks, tree = self._multipliers, self._banks, self._tree
        requantizer, values, encoder = self._requantizer, self._values, self._encoder

        connect(m, scatter.taps, addresses.taps)
        connect(m, flipped(core.weights), weights.load)
        connect(m, flipped(core.scales), weights.load_scales)
        m.d.comb += [
            weights.start.eq(core.start),
            weights.gone.eq(config.pass_loads),
            weights.address.eq(addresses.weight),
            weights.read.eq(addresses.reads),
            multipliers.value.eq(addresses.value),
            multipliers.signed_input.eq(config.signed_input),
            multipliers.columns.eq(Cat(access.valid for access in addresses.accesses)),
            multipliers.weights.eq(weights.word),
            row_limit.eq(drain.row_limit),
        ]
        banks_read, clears = Signal(arch.columns), Signal()
        address_read = Signal.like(drain.address, reset_less=True)
        with m.If(drain.clears | (drain.reads.valid & config.depthwise)):
            m.d.sync += banks_read.eq(-1)
        with m.Elif(~drain.reads.valid):
            m.d.sync += banks_read.eq(0)
        with m.Else():
            m.d.sync += banks_read.eq(1 << drain.reads.payload.channel)
        m.d.sync += [address_read.eq(drain.address), clears.eq(drain.clears)]
        for number, bank in enumerate(banks):
            m.d.comb += [
                bank.access.eq(addresses.accesses[number]),
                bank.product.eq(multipliers.products[number]),
                bank.drain.eq(Cat(banks_read[number], address_read)),
                bank.clears.eq(clears),
                tree.numbers[number].eq(bank.drained),
            ]

        # Sums to words. What was read goes along with its sum.
        delay = 1 + AccumulatorBank.LATENCY + AdderTree.LATENCY
        assert delay + Requantizer.LATENCY < FLUSH_CYCLES, "an abort ends before the drain is empty"
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
        give_or_hide(m, encoder.words, core.coded, self._abort.flushing)
        give_or_hide(m, encoder.index, core.index, self._abort.flushing)

        # The pass is over when all that was read has its form, which it keeps in the encoder whatever the
        # next pass makes, and all its words, if they were dropped, are in.
        forms_due = Signal(COUNT_BITS)  # of segments
        words_due = Signal(COUNT_BITS)  # last words of segments
        entries_due = Signal(COUNT_BITS)
        segment_read = drain.reads.valid & drain.reads.payload.segment_end
        word_out = core.coded.valid & core.coded.ready & core.coded.payload.last
        m.d.sync += [
            forms_due.eq(_counted(forms_due, segment_read, encoder.ended)),
            words_due.eq(_counted(words_due, segment_read, word_out)),
            entries_due.eq(_counted(entries_due, segment_read, core.index.valid & core.index.ready)),
        ]
        m.d.comb += core.encoding.eq((words_due != 0) | (entries_due != 0))
        at_work = Signal()
        over = at_work & drain.finished & (forms_due == 0) & ~reading
        m.d.sync += [
            core.done.eq(over & ~core.done & ~core.aborting),
            at_work.eq(core.start | (at_work & ~core.done)),
        ]
        with m.If(self._abort.stages[-1]):
            m.d.sync += [forms_due.eq(0), words_due.eq(0), entries_due.eq(0), at_work.eq(0)]
        m.d.comb += core.busy.eq(at_work | drain.clears | core.aborting)


def _counted(number: Value, more: Value, less: Value) -> Value:
    """A number of which one comes and one goes, which are known late: all that it may be is found before."""
    return Mux(more, Mux(less, number, number + 1), Mux(less, number - 1, number))
