"""Registers, images and programs for readers who have no Python: a table, and a header for C."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from hwsim.arch import BEAT_BYTES, CLAMP_BYTES, LAYER_BYTES, PASS_BYTES, POOL_BYTES
from hwsim.machine.descriptors import POOL_FIELDS
from hwsim.machine.programs import CLAMP_FIELDS, LAYER_FIELDS, PASS_FIELDS
from hwsim.program.image import HEADER, HEADER_BYTES, MAGIC, VERSION
from hwsim.registers import ERRORS, IDENTITY, INTERFACE, REGISTERS

_FUNCTION = """/* A field of up to 64 bits from bit `low` on; bit 0 is the lowest one of the first byte. */
static inline uint64_t hwsim_bits(const uint8_t *bytes, unsigned low, unsigned bits)
{
    uint64_t value = 0;
    unsigned i;
    for (i = 0; i < bits; i++)
        value |= (uint64_t)(bytes[(low + i) / 8] >> (low + i) % 8 & 1) << i;
    return value;
}
"""


def register_table() -> str:
    """All registers as Markdown: a row for each register, and one for each of its fields."""
    rows = ["| address | bits | register | access | what it is |", "|---|---|---|---|---|"]
    for register in REGISTERS.values():
        access = {"both": "read, write"}.get(register.access, register.access)
        rows.append(f"| {register.address:#04x} | 0-31 | `{register.name}` | {access} | {register.what} |")
        for field in register.fields:
            last = f"-{field.low + field.bits - 1}" if field.bits > 1 else ""
            rows.append(f"| | {field.low}{last} | `{register.name}.{field.name}` | | {field.what} |")
    return "\n".join(rows) + "\n"


def error_table() -> str:
    """All codes of errors as Markdown."""
    rows = ["| code | error | what it says |", "|---:|---|---|"]
    rows += [f"| {error.value} | `{error.name}` | {what} |" for error, what in ERRORS.items()]
    return "\n".join(rows) + "\n"


def c_header() -> str:
    """Registers, the header of an image, descriptors, passes and pools, for C99 and C++."""
    sections = {
        "Registers: addresses in bytes; fields of a register as the lowest bit and a mask.": _registers(),
        "Why the machine stopped: status.error.": _errors(),
        "The header of an image: where a field begins, and its bytes, little-endian.": _image(),
        "The descriptor of a layer: the lowest bit of a field, and its bits.": _bit_fields(
            "LAYER", LAYER_FIELDS, LAYER_BYTES
        ),
        "Clamps of a layer that has some of its own, likewise; two's complement.": _bit_fields(
            "CLAMP", CLAMP_FIELDS, CLAMP_BYTES
        ),
        "A pass, likewise.": _bit_fields("PASS", PASS_FIELDS, PASS_BYTES),
        "A pool that has a word, likewise.": _bit_fields("POOL", POOL_FIELDS, POOL_BYTES),
    }
    text = "/* hwsim: the machine's registers and its memory image. Written by hwsim; do not edit. */\n"
    text += "#ifndef HWSIM_H\n#define HWSIM_H\n\n#include <stdint.h>\n"
    for title, defined in sections.items():
        text += f"\n/* {title} */\n"
        text += "".join(f"#define HWSIM_{name.upper()} {value}\n" for name, value in defined)
    return f"{text}\n{_FUNCTION}\n#endif\n"


def _registers() -> Iterator[tuple[str, str]]:
    yield "IDENTITY", f"{IDENTITY:#010x}u"
    yield "INTERFACE", f"{INTERFACE}u"
    yield "BEAT_BYTES", f"{BEAT_BYTES}u"
    for register in REGISTERS.values():
        yield f"REG_{register.name}", f"{register.address:#05x}u"
        for field in register.fields:
            yield f"{register.name}_{field.name}_LOW", f"{field.low}u"
            yield f"{register.name}_{field.name}_MASK", f"{field.mask:#010x}u"


def _errors() -> Iterator[tuple[str, str]]:
    for error in ERRORS:
        yield f"ERROR_{error.name}", f"{error.value}u"


def _image() -> Iterator[tuple[str, str]]:
    yield "IMAGE_MAGIC_TEXT", f'"{MAGIC.decode()}"'
    yield "IMAGE_VERSION_KNOWN", f"{VERSION}u"
    yield "IMAGE_HEADER_BYTES", f"{HEADER_BYTES}u"
    at = 0
    for name, letters in HEADER.items():
        size = struct.calcsize(f"<{letters}")
        yield f"IMAGE_{name}_AT", f"{at}u"
        yield f"IMAGE_{name}_BYTES", f"{size}u"
        at += size


def _bit_fields(kind: str, fields: Mapping[str, int], size: int) -> Iterator[tuple[str, str]]:
    yield f"{kind}_BYTES", f"{size}u"
    low = 0
    for name, bits in fields.items():
        yield f"{kind}_{name}_LOW", f"{low}u"
        yield f"{kind}_{name}_BITS", f"{bits}u"
        low += bits
