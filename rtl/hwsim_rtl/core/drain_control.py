"""Which accumulator the drain reads, and when."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import MAC_LATENCY, SUB_BANKS, Arch
from hwsim.machine.descriptors import COUNT_BITS, sub_bank_depth
from hwsim_rtl.core.payloads import DONE_BITS, CoreConfig, DrainRead, bank_address_bits


class DrainControl(wiring.Component):
    """Read the owned rows one after the other, each channel-major, then x: one accumulator a cycle.

    The first read is MAC_LATENCY cycles after ``rows_done``, or follows the last read of the row before.
    What the configuration alone makes is in registers; it may change with ``start``, and no row is complete
    in the two cycles after that.

    From a reset on, all accumulators are cleared first, one word of all banks a cycle: what a pass that was
    cut off has left in them is in no later sum.

    Args:
        arch: widths.

    Ports:
        rows_done: In, owned rows that are complete with the tap of this cycle.
        config: In(CoreConfig).
        start: In(1), before the first row of a pass.
        credit: In(1), a value may be read in this cycle.
        reads: Out(stream of DrainRead, always ready); ``address`` goes with it.
        clears: Out(1), the accumulators of ``address`` are read in all banks, for nobody; ``start`` waits.
        row_limit: Out, owned rows below this number have a place in the ring; from two cycles after
            ``start`` on.
        finished: Out(1), all owned rows have been read.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "rows_done": In(DONE_BITS),
                "config": In(CoreConfig(arch)),
                "start": In(1),
                "credit": In(1),
                "reads": Out(stream.Signature(DrainRead(arch), always_ready=True)),
                "clears": Out(1, init=1),
                "address": Out(bank_address_bits(arch)),
                "row_limit": Out(COUNT_BITS + 1),
                "finished": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, config, read = self._arch, self.config, self.reads.payload
        waits = [self.rows_done, *(Signal(DONE_BITS, name=f"done{i}") for i in range(1, MAC_LATENCY))]
        m.d.sync += [after.eq(before) for before, after in pairwise(waits)]
        pending = Signal(DONE_BITS)  # rows that are complete and not yet read

        x = Signal(bank_address_bits(arch))
        channel = Signal(range(arch.columns))
        block_channel = Signal(range(arch.columns))
        offset = Signal(bank_address_bits(arch))  # in the row of the ring
        slot = Signal(range(SUB_BANKS))
        sub_bank = Signal(range(SUB_BANKS))
        row = Signal(COUNT_BITS)

        # Constant in a pass: the last of each.
        last_x, last_channel = Signal.like(x), Signal.like(channel)
        last_block_channel, last_slot = Signal.like(block_channel), Signal.like(slot)
        m.d.sync += [
            last_x.eq(config.out_width - 1),
            last_channel.eq(config.channels - 1),
            last_block_channel.eq(config.out_block - 1),
            last_slot.eq(config.ring - 1),
        ]

        line_end = Signal()
        row_end = Signal()
        block_end = Signal()
        row_read = Signal()
        m.d.comb += [
            self.reads.valid.eq((pending != 0) & self.credit),
            self.address.eq((sub_bank << (sub_bank_depth(arch) - 1).bit_length()) + offset),
            line_end.eq(x == last_x),
            row_end.eq(line_end & (channel == last_channel)),
            block_end.eq(line_end & (block_channel == last_block_channel)),
            row_read.eq(self.reads.valid & row_end),
            read.channel.eq(channel),
            read.segment_end.eq(row_end | block_end),
            self.finished.eq(row == config.owned),
        ]
        m.d.sync += self.row_limit.eq(row + config.ring + row_read)
        m.d.sync += pending.eq(pending + waits[-1] - row_read)
        with m.If(self.reads.valid):
            m.d.sync += [x.eq(x + 1), offset.eq(offset + 1)]
            with m.If(line_end):
                m.d.sync += [x.eq(0), offset.eq(Mux(config.depthwise, offset + 1, 0))]
                m.d.sync += [channel.eq(channel + 1), block_channel.eq(block_channel + 1)]
            with m.If(block_end):
                m.d.sync += block_channel.eq(0)
            with m.If(row_end):
                m.d.sync += [channel.eq(0), block_channel.eq(0), offset.eq(0), row.eq(row + 1)]
                m.d.sync += [slot.eq(slot + 1), sub_bank.eq(sub_bank + config.row_sub_banks)]
                with m.If(slot == last_slot):
                    m.d.sync += [slot.eq(0), sub_bank.eq(0)]
        with m.If(self.start):
            m.d.sync += [row.eq(0), slot.eq(0), sub_bank.eq(0)]
        with m.If(self.clears):
            m.d.sync += [offset.eq(offset + 1), self.clears.eq(~offset.all())]
        return m
