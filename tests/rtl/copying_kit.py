"""The kit of a whole machine that copies (copier.py), which makes of an image what is easily said."""

import random
from pathlib import Path

from copier import Copier

from hwsim.arch import Arch
from hwsim_rtl.emit import SYSTEM_NAME, emit_system
from hwsim_rtl.kit.system_bench import system_bench

ARCH = Arch(cores=2, columns=4)
BEATS, AT = 300, 0x12_3456_7FE0


def emit_copier(folder: Path) -> list[str]:
    """Write it, with memory of ``BEATS`` beats from ``AT`` on; returns the names of its files.

    Byte 33 of what is made is not what is expected, and not compared.
    """
    half = random.Random(1).randbytes(BEATS // 2 * 32)
    wrong = bytearray(half + half)
    wrong[len(half) + 33] ^= 1
    mask = bytearray(b"\xff" * len(wrong))
    mask[len(half) + 33] = 0
    bench = system_bench(SYSTEM_NAME, half, bytes(wrong), bytes(mask), cycles=BEATS, at=AT)
    return [file.name for file in emit_system(ARCH, folder, Copier(), bench)]
