"""Proofs: what the machine's ports offer stays until it is taken, in any order of all that can happen."""

from amaranth import Assert, Module, Signal
from amaranth.hdl import Cat, Elaboratable
from amaranth.lib import wiring
from formal.prove import inputs, prove

from hwsim_rtl.system.axi_master import AxiMaster


class PinsHold(Elaboratable):
    """On channels of AXI: while valid is high and ready is not, valid and all that goes with it stay.

    Args:
        device: has the pins.
        channels: name of the signals up to ``valid`` and ``ready`` -> those that go with them.
    """

    def __init__(self, device: wiring.Component, **channels: tuple[str, ...]) -> None:
        self.device, self.channels = device, channels

    def elaborate(self, platform):
        m = Module()
        m.submodules.device = self.device
        for channel, names in self.channels.items():
            pins = [getattr(self.device, f"{channel}{name}") for name in names]
            valid, ready = (getattr(self.device, f"{channel}{name}") for name in ("valid", "ready"))
            waiting, before = Signal(), Signal(sum(map(len, pins)))
            m.d.sync += [waiting.eq(valid & ~ready), before.eq(Cat(pins))]
            with m.If(waiting):
                m.d.comb += [Assert(valid), Assert(Cat(pins) == before)]
        return m


class BurstsAreLegal(Elaboratable):
    """No burst crosses a multiple of 4,096 bytes, if no request goes beyond the last address."""

    def __init__(self, device: AxiMaster) -> None:
        self.device = device

    def elaborate(self, platform):
        m = Module()
        m.submodules.device = device = self.device
        for channel in ("ar", "aw"):
            valid, address, length = (
                getattr(device, f"m_axi_{channel}{name}") for name in ("valid", "addr", "len")
            )
            with m.If(valid):
                m.d.comb += [Assert((address[5:12] + length) < 128), Assert(address[:5] == 0)]
        return m


ADDRESS = ("addr", "len", "size", "burst")


def test_what_the_master_offers_stays_until_it_is_taken():
    master = AxiMaster(32)
    harness = PinsHold(master, m_axi_ar=ADDRESS, m_axi_aw=ADDRESS, m_axi_w=("data", "strb", "last"))
    prove(harness, inputs(master), "axi_master_streams", mode="prove", depth=2)


def test_no_burst_crosses_a_boundary():
    master = AxiMaster(32)
    prove(BurstsAreLegal(master), inputs(master), "axi_master_bursts", mode="bmc", depth=8)
