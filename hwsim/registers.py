"""What a host sees of the machine: its registers, and why it stopped.

One definition, of which the RTL (``hwsim_rtl.system.csr``), the driver (``hwsim.driver``), the C header and
the table of the documentation are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

REGISTER_BYTES = 4
REGISTER_SPACE = 4096  # bytes of addresses
IDENTITY = 0x4D535748  # "HWSM", the first letter in the lowest byte
INTERFACE = 1  # of this table; one that a driver of before would misread has another
COUNTER_BITS = 48
MAP_LINE_BYTES = 64


class MachineError(IntEnum):
    """Why a machine stopped before its result was written."""

    none = 0
    memory = 1
    image = 2
    program = 3
    map = 4


ERRORS = {
    MachineError.none: "nothing is wrong",
    MachineError.memory: "memory answered a request with an error",
    MachineError.image: "the registers point to no image for this machine, or to where no address reaches",
    MachineError.program: "a program has a number that is not allowed",
    MachineError.map: "a map that a core decoded is no legal one",
}


@dataclass(frozen=True)
class RegisterField:
    """Bits of a register, from ``low`` on; ``what`` they are."""

    name: str
    low: int
    bits: int
    what: str

    @property
    def mask(self) -> int:
        """Its bits, where they are in the register."""
        return ((1 << self.bits) - 1) << self.low

    def of(self, value: int) -> int:
        """The field of a register's value."""
        return (value & self.mask) >> self.low


@dataclass(frozen=True)
class Register:
    """A register of 32 bits.

    Attributes:
        name: of the register.
        address: in bytes.
        access: "read", "write" or "both".
        what: it is.
        fields: its parts, if it is not a number as a whole; all other bits are 0.
    """

    name: str
    address: int
    access: Literal["read", "write", "both"]
    what: str
    fields: tuple[RegisterField, ...] = ()

    def __getitem__(self, name: str) -> RegisterField:
        """A field by its name."""
        return next(field for field in self.fields if field.name == name)


COUNTERS = {
    "cycles": "cycles from start to done",
    "read_beats": "beats of 32 bytes that came from memory",
    "written_beats": "beats of 32 bytes that went to memory",
    "read_waits": "cycles in which beats were asked for and none came",
}
"""Name and meaning of every counter: 0 when a run starts, and after it as they were until the next one."""


def _pair(name: str, address: int, access: Literal["read", "both"], what: str) -> list[Register]:
    """A number of 64 bits, as two registers."""
    return [
        Register(f"{name}_low", address, access, f"{what}: bits 0 to 31"),
        Register(f"{name}_high", address + REGISTER_BYTES, access, "bits 32 to 63"),
    ]


def _registers() -> list[Register]:
    machine = (
        RegisterField("cores", 0, 11, "cores"),
        RegisterField("columns", 11, 7, "M, multipliers of a core"),
        RegisterField("activation_bits", 18, 5, "of the widest activation"),
        RegisterField("weight_bits", 23, 5, "of the widest weight"),
        RegisterField("lanes", 28, 2, "segments that a core decodes in turns"),
        RegisterField("skip_zeros", 30, 1, "zeros make no work"),
    )
    status = (
        RegisterField("busy", 0, 1, "a run, or what an abort left on the bus, is under way"),
        RegisterField("done", 1, 1, "the latest run is over, and was not aborted"),
        RegisterField("error", 8, 8, "why it stopped; 0: its result is in memory"),
    )
    found = [
        Register("identity", 0x00, "read", f"{IDENTITY:#010x}: `HWSM`, the first letter in the lowest byte"),
        Register("interface", 0x04, "read", f"{INTERFACE}: which table of registers this is"),
        Register("machine", 0x08, "read", "what images must be compiled for", machine),
        Register("accumulators", 0x0C, "read", "words of a bank"),
        Register("weight_words", 0x10, "read", "M-wide words of a core's weight memory"),
        Register("map_lines", 0x14, "read", f"lines of {MAP_LINE_BYTES} bytes of the map buffer"),
        Register(
            "control",
            0x20,
            "write",
            "a 1 does something, a 0 nothing",
            (
                RegisterField("start", 0, 1, "run the image; refused while busy"),
                RegisterField("abort", 1, 1, "end a run, and leave nothing of it"),
            ),
        ),
        Register("status", 0x24, "read", "how far it is", status),
        Register(
            "interrupt_enable",
            0x28,
            "both",
            "which events raise the interrupt",
            (RegisterField("done", 0, 1, "the end of a run"),),
        ),
        Register(
            "interrupt_pending",
            0x2C,
            "both",
            "which of them there were; writing a 1 takes one back",
            (RegisterField("done", 0, 1, "the end of a run"),),
        ),
        *_pair("image", 0x30, "both", "address of the image's file, a multiple of 32; not while busy"),
        *_pair("length", 0x38, "both", "bytes of memory from there on, a multiple of 32; not while busy"),
    ]
    for number, (name, what) in enumerate(COUNTERS.items()):
        found += _pair(name, 0x40 + 2 * REGISTER_BYTES * number, "read", what)
    return found


REGISTERS = {register.name: register for register in _registers()}
"""All registers by name."""
