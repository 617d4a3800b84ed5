"""Small images for a driver: their memory is noise, which no machine would run."""

import random

from hwsim.arch import Arch
from hwsim.program import MemoryImage

MACHINE = {"cores": 3, "columns": 8, "map_buffer": 32768, "skip_zeros": False}


def image_of_noise(result_at: int, signed: bool, seed: int = 0) -> MemoryImage:
    """An image of 4,000 bytes for MACHINE; its result has 11 channels of 2 rows and 3 columns.

    A value has 16 bits. A segment of 8 channels has 8 x 3 x 16 bits, 48 bytes, and a place of 64; the other
    one, of 3 channels, 18 bytes and a place of 32.
    """
    arch = Arch(**MACHINE)
    header: dict[str, int | bytes] = {
        "memory_bytes": 8000,
        "trace": bytes(32),
        "lanes": 2,
        **{name: int(getattr(arch, name)) for name in ARCH_FIELDS},
        **dict.fromkeys(("layers", "program_at", "program_bytes", "map_at", "index_at"), 0),
        **dict.fromkeys(("map_channels", "map_block", "map_place", "map_row", "map_signed"), 0),
        "first_program_bytes": 0,
        "result_at": result_at,
        "result_channels": 11,
        "result_rows": 2,
        "result_columns": 3,
        "result_place": 64,
        "result_row": 96,
        "result_bits": 16,
        "result_signed": int(signed),
        "unused": bytes(9),
    }
    return MemoryImage(header, random.Random(seed).randbytes(4000))


ARCH_FIELDS = (
    "cores",
    "columns",
    "accumulators",
    "weight_words",
    "map_buffer",
    "activation_bits",
    "weight_bits",
    "skip_zeros",
)


def value_at(memory: bytes, channel: int, row: int, column: int, signed: bool) -> int:
    """A value of the result of such an image, of the bytes from the result's first one on."""
    block, number = divmod(channel, 8)
    at = 96 * row + 64 * block + 2 * (3 * number + column)
    code = memory[at] * 256 + memory[at + 1]
    if not signed:
        return code
    return (code + 1) // 2 if code & 1 else -code // 2
