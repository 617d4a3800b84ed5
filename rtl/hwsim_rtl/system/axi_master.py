"""A MemoryPort on one AXI4 master.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Member, Out

from hwsim.arch import BEAT_BYTES
from hwsim_rtl.system.axi_bursts import BURST_BEATS, LENGTH_BITS, Burst, BurstSplitter
from hwsim_rtl.system.memory_port import MemoryBeat, MemoryPort
from hwsim_rtl.system.skid import Skid

SIZE = (BEAT_BYTES - 1).bit_length()  # AXI's name for beats of 32 bytes
INCREMENT = 1  # AXI's name for bursts in ascending order
CACHE = 0b0011  # normal memory, not cached: writes may wait on their way
MOST_BEATS = 1024  # that are under way when they are read
MOST_BURSTS = 8  # that are under way when they are written

# Of an address channel, beside valid and ready: bits, and value where it is always the same.
_ADDRESS = {
    "id": (1, 0),
    "addr": (None, None),
    "len": (8, None),
    "size": (3, SIZE),
    "burst": (2, INCREMENT),
    "lock": (1, 0),
    "cache": (4, CACHE),
    "prot": (3, 0),
    "qos": (4, 0),
}


class WriteBeat(data.Struct):
    """A beat on the channel of data: what is written, and whether it is the ``last`` one of its burst."""

    beat: MemoryBeat
    last: 1


def axi_members(address_bits: int) -> dict[str, Member]:
    """The ports of an AXI4 master of 256 bits, by their usual names."""
    members: dict[str, Member] = {}
    for channel in ("aw", "ar"):
        members |= {
            f"m_axi_{channel}{name}": Out(address_bits if bits is None else bits)
            for name, (bits, _) in _ADDRESS.items()
        }
    for channel, flow, parts in (
        ("w", Out, {"data": 8 * BEAT_BYTES, "strb": BEAT_BYTES, "last": 1}),
        ("b", In, {"id": 1, "resp": 2}),
        ("r", In, {"id": 1, "data": 8 * BEAT_BYTES, "resp": 2, "last": 1}),
    ):
        members |= {f"m_axi_{channel}{name}": flow(bits) for name, bits in parts.items()}
    for channel, flow in (("aw", Out), ("w", Out), ("b", In), ("ar", Out), ("r", In)):
        back = In if flow is Out else Out
        members |= {f"m_axi_{channel}valid": flow(1), f"m_axi_{channel}ready": back(1)}
    return members


class AxiMaster(wiring.Component):
    """Reads and writes of a machine as bursts of AXI4: 256 bits, ascending, whole beats, ID 0.

    No burst crosses a multiple of 4,096 bytes. Up to MOST_BEATS beats that are read, and MOST_BURSTS bursts
    that are written, are under way. No output of AXI depends on an input of it in the same cycle.

    Latency, if nothing waits: a request that is taken in cycle t has its address on the bus in t + 2. Data
    that comes in cycle t is at the port in t + 1. Data is taken from two
    cycles after its request on; what is taken in t is on the bus in t + 1. An answer in t is ``written`` in
    t + 1. In each cycle a burst, a beat that is read and one that is written can go.

    An answer other than OKAY is an error; the last signal of data that is read is not looked at.

    *Abort.* What the machine offers is dropped. Bursts that are under way are brought to their end, data that
    is read is dropped, and beats that are still to be written have no strobes, so that bytes of memory are as
    they were or as the machine had them. Requests that come meanwhile wait.

    Args:
        address_bits: of AXI; bits of an address that do not fit are dropped.

    Ports:
        memory: In(MemoryPort), see there.
        abort: In(1). idle: Out(1), nothing is under way.
        waits: Out(1), beats were asked for, and none is there in this cycle.
        m_axi_<signal>: of AXI4.
    """

    def __init__(self, address_bits: int = 40) -> None:
        super().__init__(
            {
                "memory": In(MemoryPort()),
                "abort": In(1),
                "idle": Out(1),
                "waits": Out(1),
                **axi_members(address_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for channel in ("aw", "ar"):
            for name, (_, value) in _ADDRESS.items():
                if value is not None:
                    m.d.comb += getattr(self, f"m_axi_{channel}{name}").eq(value)
        draining, dropping = Signal(), Signal()
        m.d.comb += dropping.eq(self.abort | draining)
        reading, wrong_data = self._read(m, dropping)
        writing, wrong_write = self._write(m, dropping)
        m.d.sync += draining.eq(self.abort | (draining & (reading | writing)))
        m.d.comb += [
            self.idle.eq(~(reading | writing | draining)),
            self.waits.eq(reading & ~self.memory.read_data.valid),
        ]
        with m.If(dropping):
            m.d.sync += self.memory.error.eq(0)
        with m.Elif(wrong_data | wrong_write):
            m.d.sync += self.memory.error.eq(1)
        return m

    def _requests(self, m: Module, name: str, dropping: Signal) -> BurstSplitter:
        """The splitter behind the stream of requests ``name``; while things are dropped none is taken."""
        requests = getattr(self.memory, name)
        m.submodules[name] = splitter = BurstSplitter()
        m.d.comb += [
            splitter.requests.valid.eq(requests.valid & ~dropping),
            splitter.requests.payload.eq(requests.payload),
            requests.ready.eq(Mux(dropping, self.abort, splitter.requests.ready)),
            splitter.clear.eq(self.abort),
        ]
        return splitter

    def _address(self, m: Module, channel: str, burst: Skid) -> None:
        """A burst on its address channel."""
        address = getattr(self, f"m_axi_{channel}addr")
        m.d.comb += [
            getattr(self, f"m_axi_{channel}valid").eq(burst.o.valid),
            address.eq(burst.o.payload.address << SIZE),
            getattr(self, f"m_axi_{channel}len").eq(burst.o.payload.length),
            burst.o.ready.eq(getattr(self, f"m_axi_{channel}ready")),
        ]

    def _read(self, m: Module, dropping: Signal) -> tuple[Value, Value]:
        """Returns: something is under way; what comes in this cycle is an error."""
        splitter = self._requests(m, "reads", dropping)
        m.submodules.read_address = address = Skid(Burst)
        m.submodules.read_data = beats = Skid(8 * BEAT_BYTES)
        expected, more, comes = Signal(range(MOST_BEATS + 1)), Signal(LENGTH_BITS + 1), Signal()
        room = (expected <= MOST_BEATS - BURST_BEATS) & ~dropping
        self._address(m, "ar", address)
        m.d.comb += [
            address.i.valid.eq(splitter.bursts.valid & room),
            address.i.payload.eq(splitter.bursts.payload),
            splitter.bursts.ready.eq(address.i.ready & room),
            more.eq(Mux(address.i.valid & address.i.ready, splitter.bursts.payload.length + 1, 0)),
            self.m_axi_rready.eq(beats.i.ready | dropping),
            comes.eq(self.m_axi_rvalid & self.m_axi_rready),
            beats.i.valid.eq(self.m_axi_rvalid & ~dropping),
            beats.i.payload.eq(self.m_axi_rdata),
            self.memory.read_data.valid.eq(beats.o.valid & ~dropping),
            self.memory.read_data.payload.eq(beats.o.payload),
            beats.o.ready.eq(self.memory.read_data.ready | dropping),
        ]
        m.d.sync += expected.eq(expected + more - comes)
        return splitter.busy | (expected != 0) | beats.o.valid, comes & (self.m_axi_rresp != 0)

    def _write(self, m: Module, dropping: Signal) -> tuple[Value, Value]:
        """Returns: something is under way; the answer that comes in this cycle is an error."""
        splitter = self._requests(m, "writes", dropping)
        m.submodules.write_address = address = Skid(Burst)
        m.submodules.write_data = beats = Skid(WriteBeat)
        # Of bursts under way: how many beats those have that are not all sent, and, until they are answered,
        # whether they are the last of their requests.
        m.submodules.lengths = lengths = SyncFIFO(width=LENGTH_BITS, depth=MOST_BURSTS)
        m.submodules.answers = answers = SyncFIFO(width=1, depth=MOST_BURSTS)
        self._address(m, "aw", address)
        bursts, goes = splitter.bursts, Signal()
        room = address.i.ready & lengths.w_rdy & answers.w_rdy & ~dropping
        m.d.comb += [
            goes.eq(bursts.valid & room),
            bursts.ready.eq(room),
            address.i.valid.eq(goes),
            address.i.payload.eq(bursts.payload),
            lengths.w_en.eq(goes),
            lengths.w_data.eq(bursts.payload.length),
            answers.w_en.eq(goes),
            answers.w_data.eq(bursts.payload.last),
        ]

        data, number, last = self.memory.write_data, Signal(LENGTH_BITS), Signal()
        m.d.comb += [
            last.eq(number == lengths.r_data),
            beats.i.valid.eq(lengths.r_rdy & (data.valid | dropping)),
            beats.i.payload.beat.eq(data.payload),
            beats.i.payload.last.eq(last),
            data.ready.eq(Mux(dropping, self.abort, lengths.r_rdy & beats.i.ready)),
            lengths.r_en.eq(beats.i.valid & beats.i.ready & last),
            self.m_axi_wvalid.eq(beats.o.valid),
            self.m_axi_wdata.eq(beats.o.payload.beat.data),
            self.m_axi_wstrb.eq(beats.o.payload.beat.strobes),
            self.m_axi_wlast.eq(beats.o.payload.last),
            beats.o.ready.eq(self.m_axi_wready),
        ]
        with m.If(dropping):
            m.d.comb += beats.i.payload.beat.strobes.eq(0)
        with m.If(beats.i.valid & beats.i.ready):
            m.d.sync += number.eq(Mux(last, 0, number + 1))

        answered = self.m_axi_bvalid & answers.r_rdy
        m.d.comb += [self.m_axi_bready.eq(1), answers.r_en.eq(self.m_axi_bvalid)]
        m.d.sync += self.memory.written.eq(answered & answers.r_data & ~dropping)
        return splitter.busy | answers.r_rdy, answered & (self.m_axi_bresp != 0)
