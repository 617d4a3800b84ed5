"""Proofs: what a reset or an abort cuts off has no effect later."""

from amaranth import Assert, Assume, Module, Signal
from amaranth.hdl import Cat, Elaboratable
from formal.prove import inputs, prove

from hwsim.arch import Arch
from hwsim_rtl.core.addresses import TapAddresses

STAGES = 4  # cycles from a tap to the accumulators that it meets


class NoTapIsMadeUp(Elaboratable):
    """An accumulator is met by a tap that came as many cycles ago, after the last reset; the configuration
    changes while no tap is under way, or in a reset."""

    def __init__(self, device: TapAddresses) -> None:
        self.device = device

    def elaborate(self, platform):
        m = Module()
        m.submodules.device = device = self.device
        came, began = Signal(STAGES), Signal()
        config = Signal.like(device.config.as_value())
        m.d.sync += [came.eq(Cat(device.taps.valid, came)), began.eq(1), config.eq(device.config)]
        moves = device.taps.valid | came.any()
        m.d.comb += Assume(~began | ~moves | (config == device.config.as_value()))
        for access in device.accesses:
            m.d.comb += Assert(~access.valid | came[-1])
        return m


def test_no_tap_from_before_a_reset_meets_an_accumulator():
    addresses = TapAddresses(Arch(columns=2, accumulators=64))
    prove(NoTapIsMadeUp(addresses), inputs(addresses), "taps_after_reset", mode="bmc", depth=9)
