"""An AXI4-Lite slave in front of registers."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwsim.registers import REGISTER_BYTES, REGISTER_SPACE

REGISTER_BITS = 8 * REGISTER_BYTES
PLACE_BITS = (REGISTER_SPACE // REGISTER_BYTES - 1).bit_length()  # of a register's number
_BYTE_SHIFT = (REGISTER_BYTES - 1).bit_length()
SLAVE_ERROR = 0b10  # AXI's SLVERR


class RegisterAccess(wiring.Signature):
    """An access to registers, as the one who asks sees it. All is done, and answered, in one cycle.

    Members:
        reads, writes: Out(1), which one it is, if any; never both.
        place: Out(10), the number of the register. data, strobes: Out(32) and Out(4), what is written, and
            which bytes of it.
        value: In(32), what is read. refused: In(1), there is no such register, or not now.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "reads": Out(1),
                "writes": Out(1),
                "place": Out(PLACE_BITS),
                "data": Out(REGISTER_BITS),
                "strobes": Out(REGISTER_BYTES),
                "value": In(REGISTER_BITS),
                "refused": In(1),
            }
        )


def axi_lite_members() -> dict[str, wiring.Member]:
    """The ports of an AXI4-Lite slave of 32 bits, by their usual names."""
    members: dict[str, wiring.Member] = {}
    for channel, flow, parts in (
        ("aw", In, {"addr": PLACE_BITS + _BYTE_SHIFT, "prot": 3}),
        ("w", In, {"data": REGISTER_BITS, "strb": REGISTER_BYTES}),
        ("b", Out, {"resp": 2}),
        ("ar", In, {"addr": PLACE_BITS + _BYTE_SHIFT, "prot": 3}),
        ("r", Out, {"data": REGISTER_BITS, "resp": 2}),
    ):
        back = In if flow is Out else Out
        members |= {f"s_axi_{channel}{name}": flow(bits) for name, bits in parts.items()}
        members |= {f"s_axi_{channel}valid": flow(1), f"s_axi_{channel}ready": back(1)}
    return members


class AxiLiteSlave(wiring.Component):
    """AXI4-Lite to accesses, one at a time; a write goes before a read that waits with it.

    An address and, of a write, its data are taken as they come, in any order; the access is in the cycle
    after the last of them at the earliest, the answer on the bus in the cycle after that. What is refused is
    answered with SLVERR. No output of AXI depends on an input of it in the same cycle.

    Ports:
        access: Out(RegisterAccess).
        s_axi_<signal>: of AXI4-Lite.
    """

    def __init__(self) -> None:
        super().__init__({"access": Out(RegisterAccess()), **axi_lite_members()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        access = self.access
        response = Mux(access.refused, SLAVE_ERROR, 0)
        to_write, has_data, to_read = Signal(), Signal(), Signal()
        write_place, read_place = Signal(PLACE_BITS), Signal(PLACE_BITS)
        m.d.comb += [
            self.s_axi_awready.eq(~to_write),
            self.s_axi_wready.eq(~has_data),
            self.s_axi_arready.eq(~to_read),
            access.writes.eq(to_write & has_data & ~self.s_axi_bvalid),
            access.reads.eq(to_read & ~self.s_axi_rvalid & ~access.writes),
            access.place.eq(Mux(access.writes, write_place, read_place)),
        ]
        with m.If(self.s_axi_awvalid & self.s_axi_awready):
            m.d.sync += [to_write.eq(1), write_place.eq(self.s_axi_awaddr >> _BYTE_SHIFT)]
        with m.If(self.s_axi_wvalid & self.s_axi_wready):
            m.d.sync += [
                has_data.eq(1),
                access.data.eq(self.s_axi_wdata),
                access.strobes.eq(self.s_axi_wstrb),
            ]
        with m.If(self.s_axi_bready):
            m.d.sync += self.s_axi_bvalid.eq(0)
        with m.If(access.writes):
            m.d.sync += [
                to_write.eq(0),
                has_data.eq(0),
                self.s_axi_bvalid.eq(1),
                self.s_axi_bresp.eq(response),
            ]
        with m.If(self.s_axi_arvalid & self.s_axi_arready):
            m.d.sync += [to_read.eq(1), read_place.eq(self.s_axi_araddr >> _BYTE_SHIFT)]
        with m.If(self.s_axi_rready):
            m.d.sync += self.s_axi_rvalid.eq(0)
        with m.If(access.reads):
            m.d.sync += [
                to_read.eq(0),
                self.s_axi_rvalid.eq(1),
                self.s_axi_rdata.eq(Mux(access.refused, 0, access.value)),
                self.s_axi_rresp.eq(response),
            ]
        return m
