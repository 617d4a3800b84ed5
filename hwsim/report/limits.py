"""What limits each layer, and the least change of the machine that would help: found by running it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.arch import Arch
from hwsim.errors import ArchError
from hwsim.machine.area import area
from hwsim.machine.result import Result
from hwsim.machine.simulation import simulate_machines
from hwsim.machine.totals import ratio
from hwsim.report import text
from hwsim.report.tables import CAUSE_MEANINGS, Column

if TYPE_CHECKING:
    from hwsim.trace import Trace

LIMITED = 0.05  # share of the core-cycles that a stall must take to be called a limit
_PERCENT = f"{LIMITED * 100:.0f} %"
HELPS = 1.02  # speedup of a layer from which a change is said to help

# Steps of the machine, each a doubling, in the order in which they are preferred where they help as much.
CHANGES: dict[str, Callable[[Arch], dict[str, Any]]] = {
    "half the DRAM latency": lambda a: {"dram_latency": a.dram_latency // 2},
    "twice the item queue": lambda a: {"fifo_depth": 2 * a.fifo_depth},
    "twice the run of zeros": lambda a: {"run_max": 2 * a.run_max},
    "twice the map buffer": lambda a: {"map_buffer": 2 * a.map_buffer},
    "twice the weight memory": lambda a: {"weight_words": 2 * a.weight_words},
    "twice the accumulators": lambda a: {"accumulators": 2 * a.accumulators},
    "twice the bandwidth": lambda a: {"bytes_per_cycle": 2 * a.bytes_per_cycle},
    "twice the cores of half the columns": lambda a: {"cores": 2 * a.cores, "columns": a.columns // 2},
    "half the cores of twice the columns": lambda a: {"cores": a.cores // 2, "columns": 2 * a.columns},
    "twice the cores": lambda a: {"cores": 2 * a.cores},
}


@dataclass(frozen=True)
class Limits:
    """A result, and the same trace on machines that differ in one step each.

    Attributes:
        result: of the machine as it is.
        changed: by the name of the step; steps that no machine can take are not there.
    """

    result: Result
    changed: dict[str, Result]

    @classmethod
    def of(cls, trace: Trace, result: Result, progress: Callable[[int, int], None] | None = None) -> Limits:
        """Run the images of a result on every machine that is a step away."""
        machines = {}
        for name, change in CHANGES.items():
            try:
                machines[name] = result.arch.replace(**change(result.arch))
            except ArchError:
                continue  # beyond what a machine can be
        found = {}
        for done, (name, machine) in enumerate(machines.items()):
            if progress is not None:
                progress(done, len(machines))
            try:
                (found[name],) = simulate_machines(trace, [machine], result.images)
            except ArchError:
                continue  # it does not hold the trace
        return cls(result, found)

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
        """One row a layer that a stall limits: the stall, its share, the change that helps most, how much."""
        others = {name: {r["layer"]: r for r in result.per_layer()} for name, result in self.changed.items()}
        whole = {row["change"]: row["speedup"] for row in self.machine_rows()}
        rows = []
        for row in self.result.per_layer():
            if row["largest_stall"] is None or row["largest_stall_share"] < LIMITED:
                continue
            gains = {
                name: ratio(row["cycles"], of[row["layer"]]["cycles"]) or 0.0 for name, of in others.items()
            }
            rows.append(
                {
                    "layer": row["layer"],
                    "cycles": row["cycles"],
                    "stall": row["largest_stall"],
                    "share": row["largest_stall_share"],
                    **(best := _best(gains)),
                    "all_layers": whole.get(best["change"]),
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


def _best(gains: dict[str, float]) -> dict[str, Any]:
    """The change that helps most, the preferred one of those that help as much as is shown; or none."""
    most = max(gains.values(), default=0.0)
    if most < HELPS:
        return {"change": "no single doubling", "gain": None}
    name = next(name for name, gain in gains.items() if gain >= most - 0.005)
    return {"change": name, "gain": gains[name]}


def _words(row: dict[str, Any]) -> str:
    helps = f"{row['change']}: {text.factor(row['gain'])}" if row["gain"] else "no single doubling helps"
    return f"{text.label(row['layer'], 24)}: {text.percent(row['share'])} {row['stall']}; {helps}"


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
    Column("change", "least change", "the single doubling that makes this layer fastest", text.label, 8),
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
    f"is limited if one stall takes {_PERCENT} of its core-cycles; the change is the one that alone "
    "makes the layer fastest."
)
