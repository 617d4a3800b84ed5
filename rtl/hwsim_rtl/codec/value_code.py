"""The code of a value: its bits, and how many they are."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwsim_rtl.bits.leading import LeadingCount
from hwsim_rtl.codec.symbol import ORDER_BITS, EncoderConfig, longest_code, significant_bits


class ValueCode(wiring.Component):
    """Find the code of a value, in SEG or raw, in the cycle after it was taken.

    Args:
        activation_bits: of a value.

    Ports:
        take: In(1), a value is given. code: In, the value. config: In(EncoderConfig), its form.
        low: Out, the last bits of the code, from its first one on. length: Out, of the whole code. Both are
            constant until the next value is taken.
    """

    def __init__(self, activation_bits: int) -> None:
        super().__init__(
            {
                "take": In(1),
                "code": In(activation_bits),
                "config": In(EncoderConfig),
                "low": Out(significant_bits(activation_bits)),
                "length": Out(range(longest_code(activation_bits) + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, low = self.config, self.low
        m.submodules.zeros = zeros = LeadingCount(len(low))
        order = Signal(ORDER_BITS)  # SEG_0 and SEG_1 are the same code
        m.d.comb += order.eq(Mux(config.order == 0, 1, config.order))

        # A zero is a single one; with L bits from the first one on, another code has 2 L - order.
        single, raw = Signal(), Signal()
        of_order, raw_bits = Signal(ORDER_BITS), Signal.like(config.raw_bits)
        with m.If(self.take):
            m.d.sync += [
                single.eq(self.code == 0),
                raw.eq(~config.compressed),
                of_order.eq(order),
                raw_bits.eq(config.raw_bits),
            ]
            with m.If(~config.compressed):
                m.d.sync += low.eq(self.code)
            with m.Elif(self.code == 0):
                m.d.sync += low.eq(1)
            with m.Else():
                m.d.sync += low.eq(self.code + ((1 << order) - 1))
        m.d.comb += zeros.bits.eq(low)
        with m.If(raw):
            m.d.comb += self.length.eq(raw_bits)
        with m.Elif(single):
            m.d.comb += self.length.eq(1)
        with m.Else():
            m.d.comb += self.length.eq(((len(low) - zeros.count) << 1) - of_order)
        return m
