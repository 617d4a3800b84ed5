"""``summary.json``: all that the page of a sweep shows, and what its plots are drawn from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hwsim.report.contents import jsonable, tool
from hwsim.report.sweep.analysis import HeatMap, by_weight, front, heat_map, levels, sensitivity, tied
from hwsim.report.sweep.machines import ALL_TRACES, METRICS, Machines

SCHEMA = 1
TITLES = {
    "cycles": "cycles",
    "seconds": "time",
    "energy_uj": "energy",
    "dram_bytes": "DRAM bytes",
    "luts": "LUTs",
    "dsps": "DSPs",
    "brams": "block RAMs",
    "sram_bytes": "on-chip memory",
    "speedup": "speedup over dense",
}
COSTS = ("energy_uj", "luts", "sram_bytes", "dram_bytes")  # a front each, against speed


@dataclass(frozen=True)
class Summary:
    """A sweep and what follows from it; everything is of the feasible machines, over all traces."""

    machines: Machines

    @cached_property
    def objectives(self) -> tuple[str, ...]:
        """What the sensitivity is of."""
        return (self.machines.speed, "energy_uj", "dram_bytes")

    @cached_property
    def sensitivity(self) -> dict[str, dict[str, float | None]]:
        """By field and objective: part of the variance of the logarithm that the field explains."""
        return sensitivity(self.machines, self.objectives)

    @cached_property
    def tied(self) -> list[tuple[str, str]]:
        """Pairs of fields that the feasible machines do not tell apart."""
        return tied(self.machines)

    @cached_property
    def ranking(self) -> list[str]:
        """The fields by how much they matter for speed."""
        return by_weight(self.sensitivity, self.machines.speed)

    @cached_property
    def fronts(self) -> dict[str, np.ndarray]:
        """By cost: positions of the machines on the front of speed against it, ascending in cost."""
        speed = np.where(self.machines.feasible, self.machines.total[self.machines.speed], np.nan)
        return {cost: front(self.machines.total[cost], speed) for cost in COSTS}

    @cached_property
    def best(self) -> dict[str, int]:
        """By metric: position of the machine with the least, of equal ones the fastest; empty without any."""
        fits = np.flatnonzero(self.machines.feasible)
        total = self.machines.total
        if not len(fits):
            return {}
        return {
            metric: int(fits[np.lexsort((total[self.machines.speed][fits], total[metric][fits]))[0]])
            for metric in (self.machines.speed, *COSTS)
        }

    @cached_property
    def heat_map(self) -> HeatMap | None:
        """Speed over the two fields that matter most; None if no machine is feasible."""
        if not self.machines.feasible.any():
            return None
        first, *rest = self.ranking
        return heat_map(self.machines, self.machines.speed, first, rest[0] if rest else None)

    def machine(self, position: int) -> dict[str, Any]:
        """One machine: its number, swept fields and metrics."""
        return {
            "machine": int(self.machines.numbers[position]),
            **{name: values[position] for name, values in self.machines.fields.items()},
            **{metric: float(self.machines.total[metric][position]) for metric in METRICS},
        }

    def to_dict(self) -> dict[str, Any]:
        """The document of ``summary.json``. ``machines`` has a column for each field and metric."""
        machines, numbers = self.machines, self.machines.numbers
        return jsonable(
            {
                "schema": SCHEMA,
                "tool": tool(),
                "title": machines.title,
                **machines.flags,
                "traces": [asdict(trace) for trace in machines.traces],
                "space": machines.space.model_dump(mode="json"),
                "counts": {
                    "machines": len(numbers),
                    "simulated": int(machines.simulated.sum()),
                    "feasible": int(machines.feasible.sum()),
                },
                "refused": machines.refused,
                "speed": machines.speed,
                "best": {metric: self.machine(position) for metric, position in self.best.items()},
                "fronts": {cost: [int(n) for n in numbers[at]] for cost, at in self.fronts.items()},
                "sensitivity": self.sensitivity,
                "tied": self.tied,
                "ranking": self.ranking,
                "heat_map": None if self.heat_map is None else self.heat_map.to_dict(),
                "metrics": TITLES,
                "all_traces": ALL_TRACES,
                "machines": {
                    "machine": numbers.tolist(),
                    "feasible": machines.feasible.tolist(),
                    "fields": machines.fields,
                    "levels": {name: _levels(values) for name, values in machines.fields.items()},
                    "metrics": {
                        trace: {metric: values.tolist() for metric, values in of_trace.items()}
                        for trace, of_trace in machines.metrics.items()
                    },
                },
            }
        )

    def to_json(self) -> str:
        """:meth:`to_dict` as text, a line for each of its entries."""
        lines = [f"{json.dumps(key)}: {json.dumps(v, allow_nan=False)}" for key, v in self.to_dict().items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"


def _levels(values: list[Any]) -> dict[str, Any]:
    found = levels(values)
    return {"labels": list(found.labels), "of": found.of.tolist()}
