"""Images on a machine: load, start, wait, read what it made and counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.arch import BEAT_BYTES
from hwsim.driver.bus import Bus
from hwsim.errors import DriverError
from hwsim.program.image import HEADER_BYTES, MemoryImage
from hwsim.registers import (
    COUNTERS,
    ERRORS,
    IDENTITY,
    INTERFACE,
    MAP_LINE_BYTES,
    REGISTER_BYTES,
    REGISTERS,
    MachineError,
)

PATIENCE = 10_000  # pauses of the bus


@dataclass(frozen=True)
class RunCounts:
    """What the machine counted in a run, see :data:`hwsim.registers.COUNTERS`."""

    cycles: int
    read_beats: int
    written_beats: int
    read_waits: int


class Driver:
    """A machine behind a bus.

    Args:
        bus: reaches its registers and its memory.
        registers: address of its first register.
        memory: address of the memory that it gets, a multiple of 32, both for the bus and for the machine.
        memory_bytes: how much that is.
        patience: pauses of the bus after which a run that has not ended is given up.

    Raises:
        DriverError: there is no such machine at ``registers``.
    """

    def __init__(
        self, bus: Bus, *, registers: int, memory: int, memory_bytes: int, patience: int = PATIENCE
    ) -> None:
        if memory % BEAT_BYTES:
            raise DriverError(f"memory begins at {memory:#x}: give a multiple of {BEAT_BYTES}")
        self._bus, self._registers, self._patience = bus, registers, patience
        self._memory, self._memory_bytes = memory, memory_bytes
        found = self.read("identity")
        if found != IDENTITY:
            raise DriverError(
                f"at {registers:#x} is {found:#010x}, and no machine, which has {IDENTITY:#010x}"
            )
        if (interface := self.read("interface")) != INTERFACE:
            raise DriverError(
                f"the machine has registers of kind {interface}, this driver knows kind {INTERFACE}: "
                "use the hwsim that made the machine"
            )

    def read(self, register: str) -> int:
        """A register's value."""
        address = self._registers + REGISTERS[register].address
        return int.from_bytes(self._bus.read(address, REGISTER_BYTES), "little")

    def write(self, register: str, value: int) -> None:
        """Write a register."""
        address = self._registers + REGISTERS[register].address
        self._bus.write(address, value.to_bytes(REGISTER_BYTES, "little"))

    def field(self, register: str, field: str) -> int:
        """A field of a register."""
        return REGISTERS[register][field].of(self.read(register))

    @property
    def machine(self) -> dict[str, int]:
        """The machine's parameters, by the names of :class:`hwsim.arch.Arch`."""
        value = self.read("machine")
        return {field.name: field.of(value) for field in REGISTERS["machine"].fields} | {
            "accumulators": self.read("accumulators"),
            "weight_words": self.read("weight_words"),
            "map_buffer": self.read("map_lines") * MAP_LINE_BYTES,
        }

    def load(self, image: MemoryImage) -> None:
        """Write an image into memory, and say where it lies.

        Raises:
            DriverError: it is for another machine, or needs more memory, or the machine is at work.
        """
        for name, has in self.machine.items():
            if image.number(name) != has:
                raise DriverError(
                    f"the image is for {name} = {image.number(name)}, the machine has {has}: "
                    "compile the network for it"
                )
        length = _length(image)
        if length > self._memory_bytes:
            raise DriverError(f"the image needs {length} bytes of memory, there are {self._memory_bytes}")
        if self.field("status", "busy"):
            raise DriverError("the machine is at work: wait for it, or abort")
        self._bus.write(self._memory, image.to_bytes())
        for name, value in (("image", self._memory), ("length", length)):
            self.write(f"{name}_low", value & 0xFFFF_FFFF)
            self.write(f"{name}_high", value >> 32)

    def start(self) -> None:
        """Begin with the image that was loaded."""
        self.write("interrupt_pending", REGISTERS["interrupt_pending"]["done"].mask)
        self.write("interrupt_enable", REGISTERS["interrupt_enable"]["done"].mask)
        self.write("control", REGISTERS["control"]["start"].mask)

    def wait(self) -> None:
        """Wait until the run is over.

        Raises:
            DriverError: it ended with an error, or does not end; then it is aborted.
        """
        status = REGISTERS["status"]
        for _ in range(self._patience):
            value = self.read("status")
            if status["done"].of(value) and not status["busy"].of(value):
                break
            self._bus.pause()
        else:
            self.abort()
            raise DriverError(f"the machine was not done after {self._patience} pauses, and was aborted")
        self.write("interrupt_pending", REGISTERS["interrupt_pending"]["done"].mask)
        if error := status["error"].of(value):
            known = error in set(MachineError)
            raise DriverError(
                f"the machine stopped: {ERRORS[MachineError(error)] if known else f'error {error}'}"
            )

    def abort(self) -> None:
        """End a run; what it was to write is written in part, or not.

        Raises:
            DriverError: memory does not answer what it was asked.
        """
        self.write("control", REGISTERS["control"]["abort"].mask)
        for _ in range(self._patience):
            if not self.field("status", "busy"):
                return
            self._bus.pause()
        raise DriverError("the machine waits for memory that does not answer: reset it")

    def counts(self) -> RunCounts:
        """What the latest run counted."""
        return RunCounts(
            **{name: self.read(f"{name}_low") | self.read(f"{name}_high") << 32 for name in COUNTERS}
        )

    def result(self, image: MemoryImage) -> np.ndarray:
        """What the last layer made, int64 (channels, rows, columns)."""
        at = self._memory + HEADER_BYTES + image.number("result_at")
        size = image.number("result_rows") * image.number("result_row")
        return result_values(image, self._bus.read(at, size))

    def run(self, image: MemoryImage) -> np.ndarray:
        """Load, start, wait, and read the result.

        Raises:
            DriverError: see :meth:`load` and :meth:`wait`.
        """
        self.load(image)
        self.start()
        self.wait()
        return self.result(image)


def _length(image: MemoryImage) -> int:
    """Bytes of memory that an image needs, in whole beats."""
    needed = HEADER_BYTES + max(image.number("memory_bytes"), len(image.memory))
    return -(-needed // BEAT_BYTES) * BEAT_BYTES


def result_values(image: MemoryImage, data: bytes) -> np.ndarray:
    """What lies in memory as a result (docs/image.md, *Result*), int64 (channels, rows, columns)."""
    channels, rows, columns = (image.number(f"result_{name}") for name in ("channels", "rows", "columns"))
    block, bits = image.number("columns"), image.number("activation_bits")
    places = np.frombuffer(data, np.uint8).reshape(rows, image.number("result_row"))
    weights = 1 << np.arange(bits, dtype=np.int64)[::-1]
    codes = np.empty((channels, rows, columns), np.int64)
    for number, first in enumerate(range(0, channels, block)):
        many = min(block, channels - first)
        segment = places[:, number * image.number("result_place") :]
        values = np.unpackbits(segment, axis=1)[:, : many * columns * bits].reshape(rows, many, columns, bits)
        codes[first : first + many] = (values @ weights).transpose(1, 0, 2)
    if not image.number("result_signed"):
        return codes
    return np.where(codes % 2, (codes + 1) // 2, -(codes // 2))
