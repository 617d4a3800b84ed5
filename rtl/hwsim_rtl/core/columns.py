"""Which kernel columns a value meets."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import MAX_KERNEL
from hwsim_rtl.core.payloads import COLUMN_BITS, OFFSET_BITS, STRIDE_BITS, CoreConfig, Item, Placed


class ValidColumns(wiring.Component):
    """Find the kernel columns that lead from a value to a column of the output.

    One item a cycle. ``columns`` of an item come a cycle after the rest of it, from a register between the
    remainder and them; all else is combinational.

    Args:
        arch: widths.

    Ports:
        placed: In(stream of Placed, always ready).
        config: In(CoreConfig).
        items: Out(stream of Item, always ready).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "placed": In(stream.Signature(Placed(arch), always_ready=True)),
                "config": In(CoreConfig(arch)),
                "items": Out(stream.Signature(Item(arch), always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, placed, item = self.config, self.placed.payload, self.items.payload
        stride, column = config.column.stride, placed.column
        # In so few bits a product is shorter as a sum than in a multiplier.
        multiple = sum((Mux(bit, column << i, 0) for i, bit in enumerate(stride)), start=Const(0))
        remainder = Signal(STRIDE_BITS + 1)
        beyond = Signal(signed(COLUMN_BITS + 1))  # offsets up to it lead beyond the last column
        present = Signal()
        shown = Signal(signed(COLUMN_BITS))
        m.d.sync += [
            remainder.eq(Mux(stride == 0, 0, placed.x - multiple)),
            beyond.eq(column - config.out_width),
            shown.eq(column),
            present.eq(placed.present),
        ]
        right, right_of_all = shown[:OFFSET_BITS], (shown >> OFFSET_BITS) > 0
        left, left_of_all = beyond[:OFFSET_BITS], beyond < 0
        columns = Cat(
            (number < config.kernel_width)
            & (kernel_column.remainder == remainder)
            & (right_of_all | ((shown >= 0) & (kernel_column.offset <= right)))
            & (left_of_all | (((beyond >> OFFSET_BITS) == 0) & (kernel_column.offset > left)))
            for number, kernel_column in enumerate(config.kernel_columns)
        )
        m.d.comb += [
            self.items.valid.eq(self.placed.valid),
            item.value.eq(placed.value),
            item.columns.eq(columns & present.replicate(MAX_KERNEL)),
            item.column.eq(column),
            item.weight.eq(placed.weight),
            item.pixel.eq(placed.pixel),
            item.mark.eq(placed.mark),
        ]
        return m
