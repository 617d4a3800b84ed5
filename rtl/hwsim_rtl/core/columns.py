"""Which kernel columns a value meets."""

from __future__ import annotations

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS, MAX_KERNEL
from hwsim_rtl.core.payloads import Item, PassConfig, Placed


class ValidColumns(wiring.Component):
    """Find the kernel columns kx for which (x + padding - kx) / stride is an output column.

    Combinational; one item a cycle.

    Args:
        arch: widths.

    Ports:
        placed: In(stream of Placed, always ready).
        config: In(PassConfig).
        items: Out(stream of Item, always ready).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "placed": In(stream.Signature(Placed(arch), always_ready=True)),
                "config": In(PassConfig(arch)),
                "items": Out(stream.Signature(Item(arch), always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, placed, item = self.config, self.placed.payload, self.items.payload
        beyond = Signal(signed(COUNT_BITS + 1))  # columns below it meet an output beyond the last one
        m.d.comb += beyond.eq(placed.x - config.column_limit)
        columns = Cat(
            (column <= placed.x)
            & (column >= beyond)
            & (column < config.kernel_width)
            & (~config.stride_two | (placed.x[0] == column % 2))
            for column in range(MAX_KERNEL)
        )
        m.d.comb += [
            self.items.valid.eq(self.placed.valid),
            item.value.eq(placed.value),
            item.columns.eq(columns & placed.present.replicate(MAX_KERNEL)),
            item.x.eq(placed.x),
            item.weight.eq(placed.weight),
            item.pixel.eq(placed.pixel),
            item.row_end.eq(placed.row_end),
        ]
        return m
