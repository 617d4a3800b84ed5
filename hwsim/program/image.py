"""A memory image as a file: a header, then DRAM from address 0 on (docs/image.md)."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from zlib import crc32

from hwsim.arch import LANES, Arch
from hwsim.errors import ArchError, ProgramError
from hwsim.files import plain_file, whole_file
from hwsim.machine.descriptors import check_arch
from hwsim.program.check import check_memory

MAGIC = b"HWSIMIMG"
VERSION = 4
MOST_BYTES = 1 << 32  # of a file; more is damage, not a network
CHECKED_FROM = 16  # the checksum is of all bytes from here on

HEADER = {
    "magic": "8s",
    "version": "I",
    "crc32": "I",
    "file_bytes": "Q",
    "memory_bytes": "Q",
    "trace": "32s",
    "cores": "I",
    "columns": "I",
    "accumulators": "Q",
    "weight_words": "Q",
    "map_buffer": "Q",
    "activation_bits": "B",
    "weight_bits": "B",
    "lanes": "B",
    "skip_zeros": "B",
    "layers": "I",
    "program_at": "Q",
    "program_bytes": "Q",
    "map_at": "Q",
    "index_at": "Q",
    "map_channels": "I",
    "map_block": "I",
    "map_place": "I",
    "map_row": "I",
    "result_at": "Q",
    "result_channels": "I",
    "result_rows": "I",
    "result_columns": "I",
    "result_place": "I",
    "result_row": "I",
    "result_bits": "B",
    "result_signed": "B",
    "map_signed": "B",
    "first_program_bytes": "I",
    "unused": "5s",
}
"""Of the header, in order and without gaps, little-endian: the letters are those of Python's ``struct``."""
_LAYOUT = struct.Struct("<" + "".join(HEADER.values()))
HEADER_BYTES = _LAYOUT.size
MACHINE = ("cores", "columns", "accumulators", "weight_words", "map_buffer", "activation_bits", "weight_bits")


@dataclass(frozen=True, eq=False)
class MemoryImage:
    """A network in memory, with one picture's input map.

    Attributes:
        header: all fields of :data:`HEADER` but magic, version, crc32 and file_bytes.
        memory: DRAM from address 0 on; what the machine writes lies behind.
    """

    header: dict[str, int | bytes]
    memory: bytes

    def number(self, field: str) -> int:
        """A field of the header that is a number."""
        value = self.header[field]
        assert isinstance(value, int)
        return value

    @property
    def arch(self) -> Arch:
        """The machine that it is for, as far as programs depend on it.

        Raises:
            ArchError: no machine is so.
        """
        return Arch(
            **{name: self.number(name) for name in MACHINE},
            skip_zeros=bool(self.number("skip_zeros")),
        )

    def to_bytes(self) -> bytes:
        """The file."""
        sizes = {"magic": MAGIC, "version": VERSION, "file_bytes": HEADER_BYTES + len(self.memory)}
        fields = {**self.header, **sizes, "crc32": 0}
        data = _LAYOUT.pack(*(fields[name] for name in HEADER)) + self.memory
        checked = crc32(data[CHECKED_FROM:])
        return data[: CHECKED_FROM - 4] + struct.pack("<I", checked) + data[CHECKED_FROM:]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all.

        Raises:
            ProgramError: it cannot be written.
        """
        try:
            with whole_file(path) as partial:
                partial.write_bytes(self.to_bytes())
        except OSError as error:
            raise ProgramError(f"{path}: {error.strerror}") from None


def load(path: str | os.PathLike[str]) -> MemoryImage:
    """Read an image; nothing in it is trusted before it is checked, and nothing is run.

    Raises:
        ProgramError: there is none, it is damaged, of another version, or no machine could run it.
    """
    try:
        with plain_file(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ProgramError(f"{path}: {error.strerror}: give a file that 'hwsim compile' wrote") from None
    try:
        return _parse(data)
    except (ValueError, ArchError) as error:
        raise ProgramError(f"{path}: {error}: compile the network again") from None


def _parse(data: bytes) -> MemoryImage:
    """The image of a file's bytes.

    Raises:
        ValueError, ArchError: what is wrong with it.
    """
    if not data.startswith(MAGIC):
        raise ValueError("this is no memory image")
    if len(data) < HEADER_BYTES:
        raise ValueError(f"the file ends in its header, after {len(data)} bytes")
    header = dict(zip(HEADER, _LAYOUT.unpack_from(data), strict=True))
    if header["version"] != VERSION:
        raise ValueError(f"the image has version {header['version']}, this hwsim reads {VERSION}")
    if header["file_bytes"] != len(data):
        raise ValueError(f"the file has {len(data)} bytes, its header says {header['file_bytes']}")
    if header["crc32"] != crc32(data[CHECKED_FROM:]):
        raise ValueError("the checksum differs, so the file is damaged")
    if any(header["unused"]):
        raise ValueError("unused bytes of the header are not 0")
    kept = {name: header[name] for name in HEADER if name not in ("magic", "version", "crc32", "file_bytes")}
    image = MemoryImage(kept, data[HEADER_BYTES:])
    if image.number("lanes") != LANES or image.number("skip_zeros") > 1:
        raise ValueError(f"the image is for {image.number('lanes')} lanes, programs are for {LANES}")
    arch = image.arch
    check_arch(arch)
    check_memory(arch, image.header, image.memory)
    return image
