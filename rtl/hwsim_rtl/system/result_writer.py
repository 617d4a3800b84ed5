"""The result, from the map buffer to memory."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BURST_BYTES
from hwsim_rtl.core.payloads import LINE_BITS
from hwsim_rtl.system.input_reader import words_turned
from hwsim_rtl.system.memory_port import ADDRESS_BITS, BEATS_BITS, MemoryBeat, MemoryRequest
from hwsim_rtl.system.read_router import BEAT_BITS


class ResultWriter(wiring.Component):
    """Copy lines of the map buffer, from the first one on, as one request; two beats in four cycles.

    Ports:
        start: In(1). busy: Out(1), until memory has all of it.
        address: In(beats), size: In(beats), constant while busy.
        reads: Out(line), of the half; line: In(512), in the next cycle.
        writes, write_data, written: as of :class:`hwsim_rtl.system.memory_port.MemoryPort`.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "address": In(ADDRESS_BITS),
                "size": In(BEATS_BITS),
                "reads": Out(LINE_BITS),
                "line": In(8 * BURST_BYTES),
                "writes": Out(stream.Signature(MemoryRequest)),
                "write_data": Out(stream.Signature(MemoryBeat)),
                "written": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        at, line = Signal(BEATS_BITS), Signal(8 * BURST_BYTES)
        beat = self.write_data
        m.d.comb += [
            self.writes.payload.address.eq(self.address),
            self.writes.payload.beats.eq(self.size),
            self.reads.eq(at[1:]),
            beat.payload.data.eq(words_turned(line.word_select(at[0], BEAT_BITS))),
            beat.payload.strobes.eq(~0),
        ]
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += at.eq(0)
                m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.comb += self.writes.valid.eq(1)
                with m.If(self.writes.ready):
                    m.next = "READ"
            with m.State("READ"):
                m.next = "LINE"
            with m.State("LINE"):
                m.d.sync += line.eq(self.line)
                m.next = "BEAT"
            with m.State("BEAT"):
                m.d.comb += beat.valid.eq(1)
                with m.If(beat.ready):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at + 1 == self.size):
                        m.next = "WRITTEN"
                    with m.Elif(at[0]):
                        m.next = "READ"
            with m.State("WRITTEN"), m.If(self.written):
                m.next = "IDLE"
        return m
