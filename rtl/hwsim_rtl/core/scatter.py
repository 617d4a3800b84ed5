"""Items to taps."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS, MAX_KERNEL
from hwsim_rtl.core.payloads import DONE_BITS, Item, PassConfig, RowDescriptor, Tap


class Scatter(wiring.Component):
    """Issue one tap a cycle: of an item, the kernel rows that lead to an owned row times its kernel columns.

    An item is taken in the cycle of its first tap, S(i) of docs/architecture.md, when the item before is
    through and its newest row has a place in the ring. An item without a valid tap takes one cycle and
    issues nothing. Items run back to back. ``taps`` comes from registers, one cycle after the tap's own.

    Args:
        arch: widths.

    Ports:
        items: In(stream of Item).
        rows: In(stream of RowDescriptor), one for each input row. The descriptor of a row must be there when
            its first item is; it is taken with the row's last item.
        config: In(PassConfig).
        row_limit: In, owned rows below this number have a place in the ring.
        taps: Out(stream of Tap, always ready).
        rows_done: Out, owned rows that are complete with the tap of this cycle; combinational.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "items": In(stream.Signature(Item(arch))),
                "rows": In(stream.Signature(RowDescriptor)),
                "config": In(PassConfig(arch)),
                "row_limit": In(COUNT_BITS + 1),
                "taps": Out(stream.Signature(Tap(arch), always_ready=True)),
                "rows_done": Out(DONE_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, row, tap = self.config, self.rows.payload, self.taps.payload
        busy = Signal()  # with an item that was taken before, and that has taps
        held = Signal(Item(self._arch), reset_less=True)
        held_rows = Signal(MAX_KERNEL, reset_less=True)  # taps of it that are still to be issued
        held_columns = Signal(MAX_KERNEL, reset_less=True)
        held_step = Signal.like(tap.step, reset_less=True)
        at_last_step = Signal(reset_less=True)

        take = Signal()
        item = Signal(Item(self._arch))
        rows = Signal(MAX_KERNEL)
        columns = Signal(MAX_KERNEL)
        step = Signal.like(tap.step)
        useful = Signal()
        m.d.comb += [
            take.eq(~busy & self.items.valid & self.rows.valid & (row.newest < self.row_limit)),
            self.items.ready.eq(take),
            item.eq(Mux(busy, held, self.items.payload)),
            rows.eq(Mux(busy, held_rows, row.taps)),
            columns.eq(Mux(busy, held_columns, self.items.payload.columns)),
            step.eq(Mux(busy, held_step, 0)),
            useful.eq(busy | (self.items.payload.columns.any() & row.taps.any())),
        ]

        # The lowest tap goes first; then the columns after it; then the next row.
        later_rows, later_columns = Signal(MAX_KERNEL), Signal(MAX_KERNEL)
        last_step, last = Signal(), Signal()
        one_step = Signal()  # constant in a pass
        m.d.sync += one_step.eq(config.channel_words == 1)
        m.d.comb += [
            later_rows.eq(without_lowest(rows)),
            later_columns.eq(without_lowest(columns)),
            last_step.eq(Mux(busy, at_last_step, one_step)),
            last.eq(~useful | Mux(config.depthwise, last_step, ~(later_rows | later_columns).any())),
        ]
        active = Signal()
        m.d.comb += active.eq(busy | take)
        with m.If(active):
            m.d.sync += [
                busy.eq(~last),
                held.eq(item),
                held_step.eq(step + 1),
                at_last_step.eq(step + 2 == config.channel_words),
            ]
            with m.If(later_columns == 0):
                m.d.sync += [held_columns.eq(item.columns), held_rows.eq(later_rows)]
            with m.Else():
                m.d.sync += [held_columns.eq(later_columns), held_rows.eq(rows)]

        m.d.comb += self.rows.ready.eq(active & last & item.row_end)
        with m.If(self.rows.ready):
            m.d.comb += self.rows_done.eq(row.done)

        m.d.sync += [
            self.taps.valid.eq(active & useful),
            tap.value.eq(item.value),
            tap.kernel_row.eq(number_of_lowest(rows)),
            tap.kernel_column.eq(number_of_lowest(columns)),
            tap.step.eq(step),
            tap.rows.eq(row.taps),
            tap.columns.eq(item.columns),
            tap.sub_banks.eq(row.sub_banks),
            tap.column.eq(item.column),
            tap.weight.eq(item.weight),
            tap.pixel.eq(item.pixel),
        ]
        return m


def without_lowest(mask: Value) -> Value:
    """The mask less its lowest 1."""
    return (mask & (mask - 1))[: len(mask)]


def number_of_lowest(mask: Value) -> Value:
    """Number of the lowest 1 of a mask that is not 0."""
    lowest = mask & ~(mask - 1)[: len(mask)]
    bits = range((len(mask) - 1).bit_length())
    return Cat(Cat(lowest[i] for i in range(len(mask)) if i >> bit & 1).any() for bit in bits)
