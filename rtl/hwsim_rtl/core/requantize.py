"""Sums to codes: the end of a layer."""

from itertools import pairwise

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.quantize import MULTIPLIER_BITS
from hwsim_rtl.codec.symbol import OutputValue
from hwsim_rtl.core.payloads import SUM_BITS, ChannelScale, RequantizeConfig

PRODUCT_BITS = SUM_BITS + MULTIPLIER_BITS


class Sum(data.Struct):
    """The sum of an output pixel, and whether it ends its output segment."""

    sum: signed(SUM_BITS)
    segment_end: 1


def code_ends(bits: Value, signed: Value, relu: Value) -> tuple[Value, Value]:
    """Least and largest integer of a code, the least of a ReLU 0: ``low`` and ``high`` without clamps."""
    most = (1 << (bits - signed)[: len(bits)]) - 1
    return Mux(signed & ~relu, -most, 0), most


class Requantizer(wiring.Component):
    """Bias, multiply, round, clamp, H.264 mapping; the arithmetic of ``hwsim.quantize.Requantize``:

    a = wrap32(sum + bias); v = (a * multiplier + 2^(shift - 1)) >> shift, clamped to low .. high; codes of
    signed values are 2v - 1 for v > 0 and -2v else. So a ReLU is a ``low`` of 0, and a ReLU6 a ``high``, too.

    Latency LATENCY = 7 cycles; one value a cycle. What the configuration alone makes is in registers, so that
    it holds from the cycle after a change on, for sums that enter then.

    Args:
        arch: ``activation_bits``, of the codes.

    Ports:
        sums: In(stream of Sum, always ready).
        scale: In(ChannelScale), of the sum's channel, in the same cycle.
        config: In(RequantizeConfig).
        values: Out(stream of OutputValue, always ready).
    """

    LATENCY = 7

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "sums": In(stream.Signature(Sum, always_ready=True)),
                "scale": In(ChannelScale),
                "config": In(RequantizeConfig),
                "values": Out(stream.Signature(OutputValue(arch), always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        valid = [self.sums.valid, *(Signal(name=f"valid{i}") for i in range(1, self.LATENCY + 1))]
        segment_end = [self.sums.payload.segment_end, *(Signal(name=f"end{i}") for i in range(self.LATENCY))]
        for wire in (valid, segment_end):
            m.d.sync += [after.eq(before) for before, after in pairwise(wire)]

        # Constant in a pass.
        shift = Signal.like(config.shift)
        m.d.sync += shift.eq(config.shift - 1)

        # a * multiplier, from its two halves.
        biased = Signal(signed(SUM_BITS), reset_less=True)
        multiplier = Signal(MULTIPLIER_BITS, reset_less=True)
        low = Signal(2 * MULTIPLIER_BITS, reset_less=True)
        high = Signal(signed(2 * MULTIPLIER_BITS), reset_less=True)
        product = Signal(signed(PRODUCT_BITS), reset_less=True)
        m.d.sync += [
            biased.eq(self.sums.payload.sum + self.scale.bias),
            multiplier.eq(self.scale.multiplier),
            low.eq(biased[:MULTIPLIER_BITS] * multiplier),
            high.eq(biased[MULTIPLIER_BITS:].as_signed() * multiplier),
            product.eq((high << MULTIPLIER_BITS) + low),
        ]

        # Rounding half up: the last bit that is shifted out is added.
        doubled = Signal(signed(PRODUCT_BITS), reset_less=True)
        rounded = Signal(signed(PRODUCT_BITS), reset_less=True)
        m.d.sync += [doubled.eq(product >> shift), rounded.eq((doubled + 1) >> 1)]

        value = Signal.like(config.high, reset_less=True)
        m.d.sync += [
            value.eq(Mux(rounded > config.high, config.high, Mux(rounded < config.low, config.low, rounded))),
            self.values.payload.code.eq(Mux(config.signed, Mux(value > 0, 2 * value - 1, -2 * value), value)),
        ]
        m.d.comb += [self.values.valid.eq(valid[-1]), self.values.payload.segment_end.eq(segment_end[-1])]
        return m
