"""The registers by which a host runs a machine (hwsim/registers.py)."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import ValueLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES, Arch
from hwsim.registers import (
    COUNTER_BITS,
    COUNTERS,
    IDENTITY,
    INTERFACE,
    MAP_LINE_BYTES,
    REGISTER_BYTES,
    REGISTERS,
    MachineError,
)
from hwsim_rtl.core.payloads import LANES
from hwsim_rtl.system.axi_lite import REGISTER_BITS, AxiLiteSlave, axi_lite_members
from hwsim_rtl.system.machine_control import ERROR_BITS, MachineControl

_BEAT_SHIFT = (BEAT_BYTES - 1).bit_length()
EVENTS = data.StructLayout({name: 1 for name in COUNTERS if name != "cycles"})


class ControlRegisters(wiring.Component):
    """The machine's registers behind AXI4-Lite.

    ``start`` rises in the cycle after the register was written, as does ``abort``; a run's ``cycles`` are
    those in which the machine is busy. An image that does not lie between 0 and the last address of the bus
    is an error at once, and nothing is started. Refused, and without effect, are accesses where there is no
    register, writes of what is only read, a start while busy, and other numbers for image and length while
    busy. A start with an abort is an abort. Partial writes write the bytes that they have.

    Args:
        arch: the machine.
        address_bits: of the bus on which the image lies.

    Ports:
        control: Out(MachineControl). events: In(EVENTS), which counters go on in this cycle.
        bus_idle: In(1), nothing is under way on the bus to memory.
        interrupt: Out(1), while a pending event is enabled.
        s_axi_<signal>: of AXI4-Lite.
    """

    def __init__(self, arch: Arch, address_bits: int) -> None:
        self._arch, self._most_beats = arch, 1 << (address_bits - _BEAT_SHIFT)
        super().__init__(
            {
                "control": Out(MachineControl()),
                "events": In(EVENTS),
                "bus_idle": In(1),
                "interrupt": Out(1),
                **axi_lite_members(),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bus = bus = AxiLiteSlave()
        for name in axi_lite_members():
            port, inner = getattr(self, name), getattr(bus, name)
            m.d.comb += inner.eq(port) if self.signature.members[name].flow == In else port.eq(inner)
        self._access = access = bus.access
        control, busy = self.control, Signal()
        m.d.comb += busy.eq(control.start | control.busy | control.abort | ~self.bus_idle)

        image, length = self._place(m, "image", busy), self._place(m, "length", busy)
        done, error, beyond, ends = Signal(), Signal(ERROR_BITS), Signal(), Signal()
        aborted = self._writes("control", "abort")
        started = self._writes("control", "start") & ~aborted & ~busy
        m.d.comb += [
            control.image_at.eq(image),
            control.image_beats.eq(length),
            beyond.eq((length == 0) | (image + length > self._most_beats)),
            ends.eq(((control.busy & control.done) | (started & beyond)) & ~aborted & ~control.abort),
        ]
        m.d.sync += [control.start.eq(started & ~beyond), control.abort.eq(aborted)]
        with m.If(started | aborted):
            m.d.sync += [done.eq(0), error.eq(0)]
        with m.If(ends):
            m.d.sync += [done.eq(1), error.eq(Mux(started, MachineError.image, control.error))]

        enabled, pending = Signal(), Signal()
        with m.If(self._writes("interrupt_enable")):
            m.d.sync += enabled.eq(access.data[0])
        with m.If(ends):
            m.d.sync += pending.eq(1)
        with m.Elif(self._writes("interrupt_pending", "done")):
            m.d.sync += pending.eq(0)
        m.d.comb += self.interrupt.eq(enabled & pending)

        status, machine = REGISTERS["status"], REGISTERS["machine"]
        self._value(m, "identity", IDENTITY)
        self._value(m, "interface", INTERFACE)
        numbers = self._arch.model_dump() | {"lanes": LANES}
        self._value(m, "machine", sum(int(numbers[field.name]) << field.low for field in machine.fields))
        self._value(m, "accumulators", self._arch.accumulators)
        self._value(m, "weight_words", self._arch.weight_words)
        self._value(m, "map_lines", self._arch.map_buffer // MAP_LINE_BYTES)
        self._value(m, "status", Cat(busy, done) | (error << status["error"].low))
        self._value(m, "interrupt_enable", enabled)
        self._value(m, "interrupt_pending", pending)
        self._halves(m, "image", image << _BEAT_SHIFT)
        self._halves(m, "length", length << _BEAT_SHIFT)
        for name in COUNTERS:
            count = Signal(COUNTER_BITS, name=name)
            with m.If(started):
                m.d.sync += count.eq(0)
            with m.Elif(control.busy & (1 if name == "cycles" else self.events[name])):
                m.d.sync += count.eq(count + 1)
            self._halves(m, name, count)
        self._refuse(m, busy)
        return m

    def _hit(self, register: str) -> Value:
        return self._access.place == REGISTERS[register].address // REGISTER_BYTES

    def _writes(self, register: str, field: str | None = None) -> Value:
        """The lowest byte of a register is written; with a 1 in ``field``, if one is given."""
        access = self._access
        hit = access.writes & self._hit(register) & access.strobes[0]
        return hit & access.data[REGISTERS[register][field].low] if field else hit

    def _value(self, m: Module, register: str, value: ValueLike) -> None:
        """What a register reads as."""
        with m.If(self._hit(register)):
            m.d.comb += self._access.value.eq(value)

    def _halves(self, m: Module, name: str, value: Value) -> None:
        """What a number of up to 64 bits reads as."""
        self._value(m, f"{name}_low", value[:REGISTER_BITS])
        self._value(m, f"{name}_high", value[REGISTER_BITS:])

    def _place(self, m: Module, name: str, busy: Signal) -> Value:
        """A number of beats that the host writes as 64 bits of bytes."""
        access, number = self._access, Signal(2 * REGISTER_BITS, name=name)
        for half, part in enumerate(("low", "high")):
            hit = access.writes & self._hit(f"{name}_{part}") & ~busy
            for byte in range(REGISTER_BYTES):
                with m.If(hit & access.strobes[byte]):
                    target = number.word_select(half * REGISTER_BYTES + byte, 8)
                    m.d.sync += target.eq(access.data.word_select(byte, 8))
        return number[_BEAT_SHIFT:]

    def _refuse(self, m: Module, busy: Signal) -> None:
        """Which accesses are without effect."""
        access, known = self._access, Signal()
        for name, register in REGISTERS.items():
            with m.If(self._hit(name)):
                m.d.comb += known.eq(1 if register.access != "read" else ~access.writes)
        waits = [name for name in REGISTERS if name.partition("_")[0] in ("image", "length")]
        control = REGISTERS["control"]
        starts = access.data[control["start"].low] & ~access.data[control["abort"].low] & access.strobes[0]
        not_now = access.writes & busy & (Cat(map(self._hit, waits)).any() | (self._hit("control") & starts))
        m.d.comb += access.refused.eq(~known | not_now)
