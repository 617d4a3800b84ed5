"""The machines of a sweep, read back from its folder: what was swept, what came out, what was refused."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.errors import SweepError
from hwsim.files import read_text
from hwsim.machine.marks import marks
from hwsim.machine.totals import added, ratio
from hwsim.report import text
from hwsim.sweep.space import Space, Value
from hwsim.sweep.store import read_joined, read_table

SUMS = ("cycles", "seconds", "energy_uj", "dram_bytes")  # of the traces of a machine
AREA = ("luts", "dsps", "brams", "sram_bytes")  # of a machine, whatever runs on it
METRICS = (*SUMS, *AREA, "speedup")
ALL_TRACES = "all traces"
_DENSE = "dense_cycles"


@dataclass(frozen=True)
class TraceFacts:
    """A trace of the sweep; ``images`` of it were run (None: it was run on no machine).

    It has ``macs`` MACs an image, and lacks ``left_out_macs`` in ``left_out`` layers; None if not known.
    """

    path: str
    network: str | None
    variant: str | None
    synthetic: bool
    images: int | None
    left_out: int = 0
    left_out_macs: float | None = 0
    macs: float = 0

    @property
    def label(self) -> str:
        """Network and variant, or the file where nothing is known of them."""
        return ", ".join(filter(None, (self.network, self.variant))) or Path(self.path).name


@dataclass(frozen=True, eq=False)
class Machines:
    """All machines of a sweep, in the order of their numbers.

    Attributes:
        title: of the sweep, the name of its folder.
        space: what was swept.
        traces: over which traces.
        numbers: int64 (machines,).
        fields: of every swept field, its value in every machine.
        feasible: bool (machines,); simulated on all traces and within the constraints on each.
        metrics: by trace, :data:`ALL_TRACES` first, then by name of :data:`METRICS`: float64 (machines,),
            NaN where not simulated. Of all traces, :data:`SUMS` are summed; a speedup is that of the sums.
        refused: why machines are not feasible, and how many.
    """

    title: str
    space: Space
    traces: tuple[TraceFacts, ...]
    numbers: np.ndarray
    fields: dict[str, list[Value]]
    feasible: np.ndarray
    metrics: dict[str, dict[str, np.ndarray]]
    refused: dict[str, int]

    @property
    def synthetic(self) -> bool:
        """Whether any trace is made up."""
        return any(trace.synthetic for trace in self.traces)

    @property
    def marks(self) -> tuple[str, ...]:
        """Of all traces together (hwsim.machine.marks)."""
        lost = added(trace.left_out_macs for trace in self.traces)
        share = None if lost is None else ratio(lost, lost + sum(trace.macs for trace in self.traces))
        return marks(**self.flags, share=share)

    @property
    def flags(self) -> dict[str, Any]:
        """As :attr:`hwsim.machine.result.Result.flags`, of all traces together."""
        return {"synthetic": self.synthetic, "left_out": sum(trace.left_out for trace in self.traces)}

    @property
    def total(self) -> dict[str, np.ndarray]:
        """The metrics of all traces together."""
        return self.metrics[ALL_TRACES]

    @property
    def simulated(self) -> np.ndarray:
        """Machines that ran on all traces, bool (machines,)."""
        return np.isfinite(self.total["cycles"])

    @property
    def speed(self) -> str:
        """The metric that tells how fast a machine is: time where clocks differ, else cycles."""
        return "seconds" if "clock_mhz" in self.fields else "cycles"


def read_machines(folder: str | os.PathLike[str]) -> Machines:
    """Read ``sweep.json`` and ``points.parquet`` of a finished sweep.

    Raises:
        SweepError: the folder holds none, or one that is not finished; or there is no pyarrow.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise SweepError("results of sweeps are Parquet: pip install 'hwsim[dse]'") from None
    place = Path(folder)
    try:
        manifest = json.loads(read_text(place / "sweep.json"))
        space = Space.parse(manifest["space"], str(place / "sweep.json"))
        paths = [trace["path"] for trace in manifest["traces"]]
    except OSError:
        raise SweepError(f"{folder} holds no sweep: give the folder that 'hwsim sweep -o' wrote") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SweepError(f"{place / 'sweep.json'} is damaged ({error!r}): sweep again") from None
    try:
        rows = read_table(read_joined(place)).to_pylist()
    except FileNotFoundError:
        raise SweepError(
            f"{folder}: the sweep is not finished, or of another version: go on with 'hwsim sweep --resume', "
            "or sweep again"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise SweepError(f"{place / 'points.parquet'}: {error}: sweep again") from None
    known = rows[0] if rows else {}
    needed = (*(SUMS if "cycles" in known else ()), *AREA)  # without a machine that ran there are no sums
    lacking = [name for name in needed if rows and name not in known]
    if lacking:
        raise SweepError(f"{folder} is a sweep of another version, without {', '.join(lacking)}: sweep again")
    return gather(place.resolve().name, space, paths, rows)


def gather(title: str, space: Space, paths: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Machines:
    """Machines from the rows of ``points.parquet``: one a machine and trace, or one of a refused machine."""
    by_machine: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_machine.setdefault(row["point"], []).append(row)
    numbers = sorted(by_machine)
    groups = [by_machine[number] for number in numbers]
    runs = [{row["trace"]: row for row in group if row.get("cycles") is not None} for group in groups]
    complete = [all(path in run for path in paths) for run in runs]
    area = {name: np.array([float(group[0][name]) for group in groups]) for name in AREA}
    facts = [_facts(path, next((run[path] for run in runs if path in run), None)) for path in paths]
    metrics = {
        ALL_TRACES: _metrics(
            [list(run.values()) if whole else [] for run, whole in zip(runs, complete, strict=True)]
        )
    }
    if len(paths) > 1:
        for path, label in zip(paths, _labels(facts), strict=True):
            metrics[label] = _metrics([[run[path]] if path in run else [] for run in runs])
    for of_trace in metrics.values():
        ran = np.isfinite(of_trace["cycles"])
        of_trace |= {name: np.where(ran, of_machine, np.nan) for name, of_machine in area.items()}
    feasible = [
        whole and all(row["feasible"] for row in group) for whole, group in zip(complete, groups, strict=True)
    ]
    return Machines(
        title=title,
        space=space,
        traces=tuple(facts),
        numbers=np.array(numbers, np.int64),
        fields={name: [group[0][name] for group in groups] for name in space.space},
        feasible=np.array(feasible, bool),
        metrics=metrics,
        refused=_refused(space, [group for group, fits in zip(groups, feasible, strict=True) if not fits]),
    )


def _metrics(runs: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, np.ndarray]:
    """Sums over the runs of every machine; NaN for a machine without any."""
    sums = {
        name: np.array(
            [sum(run[name] for run in of_machine) if of_machine else np.nan for of_machine in runs], float
        )
        for name in (*SUMS, _DENSE)
    }
    return {**sums, "speedup": sums.pop(_DENSE) / sums["cycles"]}


def _facts(path: str, run: Mapping[str, Any] | None) -> TraceFacts:
    if run is None:
        return TraceFacts(path, None, None, False, None)
    lacking = run.get("left_out", 0)
    return TraceFacts(
        path,
        run["network"],
        run["variant"],
        run["synthetic"],
        run["images"],
        lacking,
        run.get("left_out_macs") if lacking else 0,
        run["macs"],
    )


def _labels(facts: Sequence[TraceFacts]) -> list[str]:
    """Names that tell the traces apart."""
    times = Counter(trace.label for trace in facts)
    return [
        text.label(trace.label) if times[trace.label] == 1 else f"{n}: {text.label(Path(trace.path).name)}"
        for n, trace in enumerate(facts, 1)
    ]


def _refused(space: Space, groups: Iterable[Sequence[Mapping[str, Any]]]) -> dict[str, int]:
    """Reasons, the most frequent first; a machine counts once for each of its reasons."""
    reasons: Counter[str] = Counter()
    for group in groups:
        found = {row["problem"] for row in group if row["problem"]}
        for name, bound in space.constraints.items():
            values = [row[name] for row in group if row.get(name) is not None]
            found |= {f"{name} {_side(bound, v)}" for v in values if not bound.holds(v)}
        reasons.update(found or {"not simulated"})
    return dict(reasons.most_common())


def _side(bound: Any, value: float) -> str:
    below = bound.min is not None and value < bound.min
    return f"below {bound.min:g}" if below else f"above {bound.max:g}"
