"""What an image takes at the clock that a core can have on an ECP5.

A machine file says any clock. The one of a core's slowest part, placed alone, is what the core can have at
best on that device.
"""

from __future__ import annotations

from typing import Any

from hwsim.machine.area import slowest_part, whole_core_mhz
from hwsim.machine.result import Result
from hwsim.machine.totals import seconds_at
from hwsim.report import text


def in_time(result: Result) -> dict[str, Any]:
    """An image, and its dense baseline, at the clock of a core's slowest part, as ``report.json`` has it."""
    (part, mhz), total = slowest_part(), result.overall()
    return {
        "slowest_part": part,
        "ecp5_mhz": mhz,
        "ecp5_seconds": seconds_at(mhz, total["cycles"]),
        "dense_ecp5_seconds": seconds_at(mhz, total["dense_cycles"]),
    }


def in_time_words(result: Result) -> str:
    """The same in a sentence."""
    found = in_time(result)
    words = (
        f"On an ECP5 the slowest part of a core, {found['slowest_part']}, reaches "
        f"{found['ecp5_mhz']:.1f} MHz when placed alone: an image takes "
        f"{text.seconds(found['ecp5_seconds'])} at that clock"
    )
    whole = whole_core_mhz()
    if whole is not None and whole < found["ecp5_mhz"]:
        words += f" (a whole core, placed and routed, reaches {whole:.1f} MHz so far)"
    return f"{words}."
