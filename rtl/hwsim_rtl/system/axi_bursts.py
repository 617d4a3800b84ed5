"""Requests to the bursts that AXI allows.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES
from hwsim_rtl.system.memory_port import ADDRESS_BITS, BEATS_BITS, MemoryRequest

BURST_BOUNDARY = 4096  # bytes; no burst of AXI crosses a multiple of it
BURST_BEATS = BURST_BOUNDARY // BEAT_BYTES  # at most, which is less than the 256 that AXI allows
LENGTH_BITS = (BURST_BEATS - 1).bit_length()


class Burst(data.Struct):
    """A burst: the number of its first beat (``address``), its beats less one (``length``), and whether it is
    the ``last`` one of its request."""

    address: unsigned(ADDRESS_BITS)
    length: unsigned(LENGTH_BITS)
    last: 1


class BurstSplitter(wiring.Component):
    """Cut requests where a multiple of 4,096 bytes lies.

    A request that is taken in cycle t gives its first burst in t + 1, and one a cycle; the next request is
    taken with the last of them.

    Ports:
        requests: In(stream of MemoryRequest). bursts: Out(stream of Burst).
        clear: In(1), what is left of a request is dropped. busy: Out(1), there are bursts to come.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "requests": In(stream.Signature(MemoryRequest)),
                "bursts": Out(stream.Signature(Burst)),
                "clear": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        address, left = Signal(ADDRESS_BITS), Signal(BEATS_BITS)
        room, size, last = Signal(LENGTH_BITS + 1), Signal(LENGTH_BITS + 1), Signal()
        goes = self.bursts.valid & self.bursts.ready
        m.d.comb += [
            self.busy.eq(left != 0),
            room.eq(BURST_BEATS - address[:LENGTH_BITS]),
            last.eq(left <= room),
            size.eq(Mux(last, left, room)),
            self.bursts.valid.eq(self.busy),
            self.bursts.payload.address.eq(address),
            self.bursts.payload.length.eq(size - 1),
            self.bursts.payload.last.eq(last),
            self.requests.ready.eq(~self.busy | (goes & last)),
        ]
        with m.If(goes):
            m.d.sync += [address.eq(address + size), left.eq(left - size)]
        with m.If(self.requests.valid & self.requests.ready):
            m.d.sync += [
                address.eq(self.requests.payload.address),
                left.eq(self.requests.payload.beats),
            ]
        with m.If(self.clear):
            m.d.sync += left.eq(0)
        return m
