"""Several readers on the one read port of memory."""

from __future__ import annotations

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES
from hwsim_rtl.system.memory_port import ADDRESS_BITS, BEATS_BITS, MemoryRequest

BEAT_BITS = 8 * BEAT_BYTES
WAITING = 128  # requests that are on their way: a beat each, as many cycles of DRAM as its latency


class ReadRouter(wiring.Component):
    """Take requests of whose ``turn`` it is, and give the beats that come to who asked for them.

    A request reaches memory a cycle after it was taken. Addresses are those of an image's DRAM, the beats of
    which begin at ``base``; what is asked for beyond ``limit`` beats is not asked for, and is an error.

    Args:
        clients: how many.

    Ports:
        turn: In(range(clients)). base, limit: In(beats).
        requests, beats: of every client, In(stream of MemoryRequest), Out(stream of 256 bits).
        reads, read_data: as of :class:`hwsim_rtl.system.memory_port.MemoryPort`.
        beyond: Out(1), a request is beyond the limit.
        drop: In(1), nothing is asked for, and what comes is dropped; empty: Out(1), nothing more comes.
    """

    def __init__(self, clients: int) -> None:
        self._clients = clients
        super().__init__(
            {
                "turn": In(range(clients)),
                "base": In(ADDRESS_BITS),
                "limit": In(ADDRESS_BITS),
                "requests": In(stream.Signature(MemoryRequest)).array(clients),
                "beats": Out(stream.Signature(BEAT_BITS)).array(clients),
                "reads": Out(stream.Signature(MemoryRequest)),
                "read_data": In(stream.Signature(BEAT_BITS)),
                "beyond": Out(1),
                "drop": In(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tag = data.StructLayout({"client": range(self._clients), "beats": BEATS_BITS})
        m.submodules.waiting = waiting = fifo.SyncFIFO(width=tag.size, depth=WAITING)
        asked, new, oldest = Signal(MemoryRequest), Signal(tag), Signal(tag)
        free, offered, takes = Signal(), Signal(), Signal()
        m.d.comb += [
            asked.eq(Array(each.payload for each in self.requests)[self.turn]),
            offered.eq(Array(each.valid for each in self.requests)[self.turn]),
            free.eq((~self.reads.valid | self.reads.ready) & waiting.w_rdy & ~self.drop),
            self.empty.eq(~waiting.r_rdy),
            self.beyond.eq(
                offered & ~self.drop & ((asked.address + asked.beats > self.limit) | (asked.beats == 0))
            ),
            takes.eq(offered & free & ~self.beyond),
            *(each.ready.eq(free & (self.turn == n) & ~self.beyond) for n, each in enumerate(self.requests)),
            new.client.eq(self.turn),
            new.beats.eq(asked.beats),
            waiting.w_data.eq(new),
            waiting.w_en.eq(takes),
        ]
        with m.If(takes):
            m.d.sync += [
                self.reads.valid.eq(1),
                self.reads.payload.address.eq(self.base + asked.address),
                self.reads.payload.beats.eq(asked.beats),
            ]
        with m.Elif(self.reads.ready):
            m.d.sync += self.reads.valid.eq(0)

        came, comes = Signal(BEATS_BITS), Signal()
        m.d.comb += [
            oldest.eq(waiting.r_data),
            self.read_data.ready.eq(
                waiting.r_rdy & (self.drop | Array(each.ready for each in self.beats)[oldest.client])
            ),
            comes.eq(self.read_data.valid & self.read_data.ready),
            waiting.r_en.eq(comes & (came + 1 == oldest.beats)),
        ]
        for number, client in enumerate(self.beats):
            m.d.comb += [
                client.payload.eq(self.read_data.payload),
                client.valid.eq(
                    self.read_data.valid & waiting.r_rdy & ~self.drop & (oldest.client == number)
                ),
            ]
        with m.If(comes):
            m.d.sync += came.eq(Mux(waiting.r_en, 0, came + 1))
        return m
