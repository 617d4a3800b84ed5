"""What an image takes at the clock that a core can have on an ECP5, and what a second lane brings there.

A machine file says any clock. The one of a core's slowest part, placed alone, is what the core can have at
best on that device, and it depends on the lanes: so a machine of two lanes takes more cycles than one of one
lane, and less time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.machine.area import core_luts, core_mhz, slowest_part, whole_core_mhz
from hwsim.machine.result import Result
from hwsim.machine.simulation import simulate_machines
from hwsim.machine.totals import ratio, seconds_at
from hwsim.report import text
from hwsim.report.tables import Column

if TYPE_CHECKING:
    from hwsim.trace import Trace

LANE_NAMES = ("one lane", "Two lanes")


def core_seconds(result: Result) -> float:
    """What an image takes at the clock of its core's slowest part."""
    return seconds_at(core_mhz(result.arch), result.overall()["cycles"])


@dataclass(frozen=True)
class InTime:
    """A result at the clock of its core's slowest part.

    Attributes:
        result: of the machine.
        one_lane: the same images on the same machine with one lane; None if it has one.
    """

    result: Result
    one_lane: Result | None = None

    @classmethod
    def of(cls, trace: Trace, result: Result, progress: Callable[[int, int], None] | None = None) -> InTime:
        """Run the machine with one lane, if it has two; ``progress`` is called as by ``simulate``."""
        if result.arch.lanes == 1:
            return cls(result)
        (one_lane,) = simulate_machines(trace, [result.arch.replace(lanes=1)], result.images, progress)
        return cls(result, one_lane)

    def rows(self) -> list[dict[str, Any]]:
        """With two lanes, a row for one lane and one for two; the last two numbers are over one lane."""
        if self.one_lane is None:
            return []
        return [_row(result, self.one_lane) for result in (self.one_lane, self.result)]

    def words(self) -> str:
        """The answer in a sentence or two."""
        part, mhz = slowest_part(self.result.arch.lanes)
        words = (
            f"On an ECP5 the slowest part of a core, {part}, reaches {mhz:.1f} MHz when placed alone: "
            f"an image takes {text.seconds(core_seconds(self.result))} at that clock"
        )
        whole = whole_core_mhz(self.result.arch.lanes)
        if whole is not None and whole < mhz:
            words += f" (a whole core, placed and routed, reaches {whole:.1f} MHz so far)"
        if self.one_lane is None:
            return f"{words}."
        return f"{words}. {gain_words(self.one_lane, self.result, LANE_NAMES)}"

    def to_dict(self) -> dict[str, Any]:
        """As ``report.json`` has it."""
        return {**_at_its_clock(self.result), "lanes": self.rows()}


def gain_words(a: Result, b: Result, names: Sequence[str]) -> str:
    """B over A in cycles, and in time at the clock of each one's slowest part."""
    cycles = ratio(a.overall()["cycles"], b.overall()["cycles"])
    time = ratio(core_seconds(a), core_seconds(b))
    clocks = " and ".join(f"{core_mhz(result.arch):.1f}" for result in (a, b))
    return (
        f"{names[1]} over {names[0]}: {text.factor(cycles)} in cycles, {text.factor(time)} in "
        f"time at the clocks of their slowest parts ({clocks} MHz); DRAM is counted in cycles at both."
    )


def _at_its_clock(result: Result) -> dict[str, Any]:
    part, mhz = slowest_part(result.arch.lanes)
    return {
        "slowest_part": part,
        "ecp5_mhz": mhz,
        "ecp5_seconds": core_seconds(result),
        "dense_ecp5_seconds": seconds_at(mhz, result.overall()["dense_cycles"]),
    }


def _row(result: Result, one_lane: Result) -> dict[str, Any]:
    total = result.overall()
    return {
        "lanes": result.arch.lanes,
        "cycles": total["cycles"],
        "speedup": total["speedup"],
        **_at_its_clock(result),
        "core_luts": round(sum(core_luts(result.arch).values())),
        "over_one_lane_in_cycles": ratio(one_lane.overall()["cycles"], total["cycles"]),
        "over_one_lane_in_time": ratio(core_seconds(one_lane), core_seconds(result)),
    }


def _mhz(value: float) -> str:
    return f"{value:.1f} MHz"


IN_TIME_COLUMNS = (
    Column("lanes", "lanes", "segments that a core decodes in turns", str, 9),
    Column("cycles", "cycles", "of an image", text.whole, 8),
    Column(
        "speedup", "speedup", "over the dense baseline of as many lanes, at the same clock", text.factor, 5
    ),
    Column("slowest_part", "slowest part", "of a core, placed alone on an ECP5", text.label, 4),
    Column("ecp5_mhz", "its clock", "what a core reaches at best", _mhz, 6),
    Column("ecp5_seconds", "time", "of an image at that clock", text.seconds, 8),
    Column("dense_ecp5_seconds", "dense time", "of the dense baseline at that clock", text.seconds, 3),
    Column("core_luts", "LUTs of a core", "estimated from shipped synthesis results", text.whole, 4),
    Column("over_one_lane_in_cycles", "in cycles", "cycles of one lane / cycles", text.factor, 7),
    Column("over_one_lane_in_time", "in time", "time of one lane / time", text.factor, 8),
)
