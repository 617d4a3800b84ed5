"""A machine that copies: what is behind a MemoryPort before, and beside, the real one."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwsim.registers import MachineError
from hwsim_rtl.system.machine_control import MachineControl
from hwsim_rtl.system.memory_port import BEATS_BITS, MemoryPort


class Copier(wiring.Component):
    """Copy the first half of ``image_beats`` to the place behind it, in requests of ``piece`` beats.

    Reads are asked for as fast as they are taken; every beat that comes is offered as one that goes.

    Ports:
        control: In(MachineControl). memory: Out(MemoryPort). piece: In(beats), constant while busy;
            7 if nothing drives it.
    """

    def __init__(self) -> None:
        super().__init__(
            {"control": In(MachineControl()), "memory": Out(MemoryPort()), "piece": In(BEATS_BITS, init=7)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        control, memory = self.control, self.memory
        half = Signal.like(control.image_beats)
        m.d.comb += half.eq(control.image_beats >> 1)
        unwritten = Signal(range(1 << 20))
        for requests, offset in ((memory.reads, 0), (memory.writes, half)):
            at = Signal.like(half)
            size = Mux(half - at < self.piece, half - at, self.piece)
            m.d.comb += [
                requests.valid.eq(control.busy & (at != half)),
                requests.payload.address.eq(control.image_at + offset + at),
                requests.payload.beats.eq(size),
            ]
            with m.If(requests.valid & requests.ready):
                m.d.sync += at.eq(at + size)
            with m.If(~control.busy | control.abort):
                m.d.sync += at.eq(0)
            if offset is half:
                asked = requests.valid & requests.ready
                m.d.sync += unwritten.eq(unwritten + asked - memory.written)
                m.d.comb += control.done.eq(
                    control.busy & (((at == half) & (unwritten == 0)) | (control.error != 0))
                )
        m.d.comb += [
            memory.write_data.valid.eq(memory.read_data.valid),
            memory.write_data.payload.data.eq(memory.read_data.payload),
            memory.write_data.payload.strobes.eq(~0),
            memory.read_data.ready.eq(memory.write_data.ready),
        ]
        with m.If(control.done):
            m.d.sync += [control.busy.eq(0), unwritten.eq(0)]
        with m.If(control.start):
            m.d.sync += [control.busy.eq(1), control.error.eq(0)]
        with m.If(memory.error):
            m.d.sync += control.error.eq(MachineError.memory)
        with m.If(control.abort):
            m.d.sync += [control.busy.eq(0), control.error.eq(0), unwritten.eq(0)]
        return m
