"""What limits each layer, and the least change of the machine that would help: found by running it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.machine.area import area
from hwsim.machine.result import Result
from hwsim.machine.totals import ratio
from hwsim.report import text
from hwsim.report.changes import Changed, Ran, doublings
from hwsim.report.least import TIMES, Least, least_changes
from hwsim.report.tables import CAUSE_MEANINGS, Column

if TYPE_CHECKING:
    from hwsim.trace import Trace

LIMITED = 0.05  # share of the core-cycles that a stall must take to be called a limit
_PERCENT = f"{LIMITED * 100:.0f} %"
HELPS = 1.02  # speedup of a layer from which a change is said to help
NOTHING_HELPS = "no single doubling"


@dataclass(frozen=True)
class Limits:
    """A result, and the same trace on machines that differ from its own.

    Attributes:
        result: of the machine as it is.
        changed: on machines of a single doubling, by its name; those that cannot be are not there.
        least: by layer that a stall limits, the least change that lifts the limit, if one does.
    """

    result: Result
    changed: dict[str, Result]
    least: dict[str, Least]

    @classmethod
    def of(cls, trace: Trace, result: Result, progress: Callable[[int, int], None] | None = None) -> Limits:
        """Run the images of a result on the machines that answer."""
        machines = Changed(trace, result, progress)
        steps = doublings(result.arch)
        found = zip(steps, machines.run(steps.values()), strict=True)
        stalls = {row["layer"]: row for row in _limited(result)}

        def lifts(layer: str, ran: Ran) -> bool:
            before, after = stalls[layer], ran.layers[layer]
            faster = before["cycles"] >= HELPS * after["cycles"]
            return faster and (after[f"cause_{before['largest_stall']}"] or 0) < LIMITED

        least = least_changes(machines, result.arch, list(stalls), lifts)
        return cls(result, {name: ran.result for name, ran in found if ran is not None}, least)

    def machine_rows(self) -> list[dict[str, Any]]:
        """One row a step, the fastest first: cycles of an image, speedup over the machine as it is, LUTs."""
        before, luts = self.result.overall()["cycles"], area(self.result.arch).luts
        rows = [
            {
                "change": name,
                "cycles": result.overall()["cycles"],
                "speedup": ratio(before, result.overall()["cycles"]),
                "more_luts": ratio(area(result.arch).luts, luts),
                "energy_ratio": ratio(result.overall()["energy_uj"], self.result.overall()["energy_uj"]),
            }
            for name, result in self.changed.items()
        ]
        return sorted(rows, key=lambda row: -(row["speedup"] or 0))

    def rows(self) -> list[dict[str, Any]]:
        """One row a layer that a stall limits: the stall, its share, a change, whether that lifts it, gains.

        The change is the least that lifts the limit or, where none does, the doubling that helps most, which
        has more cores only where nothing else helps.
        """
        others = {name: _cycles(result) for name, result in self.changed.items()}
        peak, before = self.result.arch.peak_macs, self.result.overall()["cycles"]
        alike = [change for change, result in self.changed.items() if result.arch.peak_macs == peak]
        rows = []
        result: Result | None
        for row in _limited(self.result):
            name, cycles = row["layer"], row["cycles"]
            if least := self.least.get(name):
                change, result = least.words, least.result
                gain = ratio(cycles, _cycles(least.result)[name])
            else:
                gains = {change: ratio(cycles, of[name]) or 0.0 for change, of in others.items()}
                best = _best({change: gains[change] for change in alike}) or _best(gains)
                change, gain = best or (NOTHING_HELPS, None)
                result = self.changed.get(change)
            rows.append(
                {
                    "layer": name,
                    "cycles": cycles,
                    "stall": row["largest_stall"],
                    "share": row["largest_stall_share"],
                    "change": change,
                    "lifts": least is not None,
                    "gain": gain,
                    "all_layers": result and ratio(before, result.overall()["cycles"]),
                }
            )
        return sorted(rows, key=lambda row: -row["cycles"] * row["share"])

    def words(self) -> str:
        """The answer in a sentence or two: the heaviest limits, and the change that helps all layers most."""
        rows, machines = self.rows(), self.machine_rows()
        count = len(self.result.accounts)
        limited = f"{len(rows)} of {count} layers lose {_PERCENT} or more of their core-cycles to one stall"
        named = "; ".join(_words(row) for row in rows[:3])
        best = machines[0] if machines else None
        whole = (
            f" In all, {best['change']} helps most: {text.factor(best['speedup'])}."
            if best and (best["speedup"] or 0) >= HELPS
            else " In all, no single doubling helps."
        )
        return f"{limited}{': ' if named else ''}{named}.{whole}"


def _limited(result: Result) -> list[dict[str, Any]]:
    """Rows of the layers that lose so much of their core-cycles to one stall that it is a limit."""
    return [
        row for row in result.per_layer() if row["largest_stall"] and row["largest_stall_share"] >= LIMITED
    ]


def _cycles(result: Result) -> dict[str, float]:
    return {row["layer"]: row["cycles"] for row in result.per_layer()}


def _best(gains: dict[str, float]) -> tuple[str, float] | None:
    """The change that helps most, the preferred one of those that help as much as is shown; or none."""
    most = max(gains.values(), default=0.0)
    if most < HELPS:
        return None
    return next((name, gain) for name, gain in gains.items() if gain >= most - 0.005)


def _words(row: dict[str, Any]) -> str:
    helps = f"{row['change']}: {text.factor(row['gain'])}" if row["gain"] else f"{NOTHING_HELPS} helps"
    stays = "" if row["lifts"] or not row["gain"] else ", which does not lift it"
    return f"{text.label(row['layer'], 24)}: {text.percent(row['share'])} {row['stall']}; {helps}{stays}"


def _yes_or_no(lifts: bool) -> str:
    return "yes" if lifts else "no"


def _or_nothing(gain: float | None) -> str:
    return text.NOTHING if gain is None else text.factor(gain)


LIMIT_COLUMNS = (
    Column("layer", "layer", "name in the trace", text.label, 9),
    Column("cycles", "cycles", "of an image", text.whole, 5),
    Column("share", "lost", "share of the layer's core-cycles that its largest stall takes", text.percent, 7),
    Column(
        "stall",
        "to",
        "; ".join(f"{c}: {w}" for c, w in CAUSE_MEANINGS.items() if c != "compute"),
        text.label,
        8,
    ),
    Column(
        "change",
        "change",
        f"the least that lifts the limit (under {_PERCENT}); where none does, the doubling that helps most",
        text.label,
        8,
    ),
    Column("lifts", "lifts it", "whether the stall is no limit any more", _yes_or_no, 7),
    Column(
        "gain",
        "this layer",
        "cycles of the layer / its cycles with the change",
        _or_nothing,
        8,
    ),
    Column("all_layers", "all layers", "cycles of an image / those with the change", _or_nothing, 6),
)
MACHINE_COLUMNS = (
    Column("change", "change", "of the machine, one at a time", text.label, 9),
    Column("cycles", "cycles", "of an image", text.whole, 6),
    Column("speedup", "all layers", "cycles of the machine as it is / cycles", text.factor, 8),
    Column("more_luts", "LUTs", "estimated LUTs / those of the machine as it is, on an ECP5", text.factor, 5),
    Column("energy_ratio", "energy", "energy of an image / that of the machine as it is", text.factor, 4),
)
HOW = (
    "Each change is run, not estimated: the same images on a machine that differs in that alone. A layer "
    f"is limited if one stall takes {_PERCENT} of its core-cycles or more. The change is the least of one "
    f"parameter, up to {TIMES[-1]} times, that takes the stall below that and the layer in fewer cycles, "
    "found by bisection: one step less does not. Where none does, it is the doubling that makes the layer "
    "fastest, with more cores only where nothing else helps."
)
