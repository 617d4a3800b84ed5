"""What the numbers of a sweep say: which machines are worth a look, and which fields matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from hwsim.report.sweep.machines import Machines
from hwsim.sweep.space import Value

MOST_LEVELS = 12  # values of a field that are told apart; of a field with more, ranges are
RANGES = 8
_SMALLEST_RANGE = 4  # machines


def front(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Positions of the points that no other point beats in one without being worse in the other.

    Args:
        x, y: float64 (points,), both to be small; NaN is never on the front.

    Returns:
        int64, ascending in x and so descending in y; of equal points the first.
    """
    order = np.lexsort((np.arange(len(x)), y, x))
    order = order[np.isfinite(x[order]) & np.isfinite(y[order])]
    lowest = np.minimum.accumulate(np.concatenate(([np.inf], y[order])))[:-1]
    return order[y[order] < lowest]


@dataclass(frozen=True, eq=False)
class Levels:
    """A swept field's values, or ranges of them.

    Attributes:
        labels: of every level, ascending.
        of: the level of every machine, int64 (machines,).
    """

    labels: tuple[str, ...]
    of: np.ndarray


def levels(values: Sequence[Value]) -> Levels:
    """Levels of a field: its values, or up to :data:`RANGES` ranges with as many machines each."""
    if any(isinstance(value, str | bool) for value in values):
        names = sorted({str(value) for value in values})
        return Levels(tuple(names), np.array([names.index(str(value)) for value in values], np.int64))
    numbers = np.array(values, float)
    distinct, of = np.unique(numbers, return_inverse=True)
    if len(distinct) <= MOST_LEVELS:
        return Levels(tuple(map(_words, distinct)), of)
    count = max(2, min(RANGES, len(numbers) // _SMALLEST_RANGE))
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, count + 1)[1:-1]))
    of = np.unique(np.searchsorted(edges, numbers, side="right"), return_inverse=True)[1]
    members = [numbers[of == level] for level in range(of.max() + 1)]
    return Levels(tuple(_range(_words(part.min()), _words(part.max())) for part in members), of)


def explained(level: np.ndarray, values: np.ndarray) -> float | None:
    """How much of the variance of log ``values`` the means by level explain, beyond what chance would.

    Epsilon squared (Kelley, PNAS 1935): 1 - (n - 1) / (n - k) x (1 - between / all), for k levels, n values.
    On a full grid this is the first-order Sobol index, but for the small correction.

    Returns:
        0 .. 1; None if nothing varies, a value has no logarithm, or there are no two values in any level.
    """
    if not (values > 0).all():
        return None
    logs = np.log(values)
    n, k = len(logs), len(np.unique(level))
    whole = float(np.sum((logs - logs.mean()) ** 2)) if n else 0.0
    if k == n or whole <= 1e-20 * n:
        return None
    within = sum(
        float(np.sum((part - part.mean()) ** 2)) for part in (logs[level == at] for at in np.unique(level))
    )
    return max(0.0, 1 - (n - 1) / (n - k) * within / whole)


def sensitivity(machines: Machines, metrics: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Of every swept field and metric, how much of the variance over the feasible machines it explains."""
    fits = machines.feasible
    shares: dict[str, dict[str, float | None]] = {}
    for name, values in machines.fields.items():
        level = levels(_those(values, fits)).of if fits.any() else np.empty(0, np.int64)
        shares[name] = {metric: explained(level, machines.total[metric][fits]) for metric in metrics}
    if len(shares) == 1:  # then it explains all that varies
        (only,) = shares.values()
        only |= {metric: 1.0 for metric in metrics if len(np.unique(machines.total[metric][fits])) > 1}
    return shares


def tied(machines: Machines) -> list[tuple[str, str]]:
    """Pairs of swept fields of which, over the feasible machines, one tells the other.

    A constraint such as a fixed product of two fields does that. Then neither can be told from the other, and
    each is said to explain what both do.
    """
    fits = machines.feasible
    if not fits.any():
        return []
    of = {name: levels(_those(values, fits)).of for name, values in machines.fields.items()}
    varies = {name: level for name, level in of.items() if len(np.unique(level)) > 1}
    found = []
    for one, other in combinations(varies, 2):
        pairs = len(np.unique(np.stack([varies[one], varies[other]]), axis=1).T)
        alone = {len(np.unique(varies[name])) for name in (one, other)}
        if alone == {pairs} and pairs < fits.sum():
            found.append((one, other))
    return found


def by_weight(shares: dict[str, dict[str, float | None]], metric: str) -> list[str]:
    """The fields, the one that matters most first."""
    return sorted(shares, key=lambda name: -(shares[name][metric] or 0.0))


@dataclass(frozen=True, eq=False)
class HeatMap:
    """The best feasible machine for every pair of levels, whatever its other fields.

    Attributes:
        metric: what is best when small.
        x, y: the fields; y is None if only one was swept.
        x_labels, y_labels: their levels.
        best: float64 (levels of y, levels of x); NaN where no machine is feasible.
        machine: number of the machine there, -1 where there is none.
    """

    metric: str
    x: str
    y: str | None
    x_labels: tuple[str, ...]
    y_labels: tuple[str, ...]
    best: np.ndarray
    machine: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "metric": self.metric,
            "x": self.x,
            "y": self.y,
            "x_labels": list(self.x_labels),
            "y_labels": list(self.y_labels),
            "best": [[None if np.isnan(v) else float(v) for v in row] for row in self.best],
            "machine": [[None if v < 0 else int(v) for v in row] for row in self.machine],
        }


def heat_map(machines: Machines, metric: str, x: str, y: str | None) -> HeatMap:
    """The best of ``metric`` over two fields; of equal machines the first."""
    across = levels(machines.fields[x])
    down = levels(machines.fields[y]) if y else Levels(("",), np.zeros(len(machines.numbers), np.int64))
    best = np.full((len(down.labels), len(across.labels)), np.nan)
    machine = np.full(best.shape, -1, np.int64)
    values = machines.total[metric]
    for at in np.flatnonzero(machines.feasible):
        place = down.of[at], across.of[at]
        if not best[place] <= values[at]:
            best[place], machine[place] = values[at], machines.numbers[at]
    return HeatMap(metric, x, y, across.labels, down.labels, best, machine)


def _those(values: Sequence[Value], chosen: np.ndarray) -> list[Value]:
    return [value for value, there in zip(values, chosen, strict=True) if there]


def _words(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.4g}"


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
