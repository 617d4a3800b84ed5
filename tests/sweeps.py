"""Sweeps made by hand: rows as points.parquet has them, every number known."""

import itertools

from hwsim.report.sweep.machines import gather
from hwsim.sweep.space import Space


def row(point: int, trace: str | None, fields: dict, **results) -> dict:
    """A machine on a trace; without ``cycles`` it was not simulated."""
    area = {"luts": 20_000, "dsps": 30, "brams": 40, "sram_bytes": 1000}
    known = {"point": point, "trace": trace, **area, "feasible": True, "problem": None, **fields}
    if "cycles" in results:
        cycles = results["cycles"]
        known |= {
            "network": "net", "variant": trace, "synthetic": False, "images": 2, "seconds": cycles / 1e9,
            "energy_uj": 5.0, "dram_bytes": 640.0, "dense_cycles": 2.0 * cycles, "macs": 1000.0,
        }  # fmt: skip
    return known | results


def grid(spaces: dict, cycles, constraints: dict | None = None, traces: tuple[str, ...] = ("a.zip",), **more):
    """A full grid whose cycles, energy ... are functions of the fields."""
    space = Space.parse({"space": spaces, "constraints": constraints or {}})
    rows = []
    for point, values in enumerate(itertools.product(*spaces.values())):
        fields = dict(zip(spaces, values, strict=True))
        for number, trace in enumerate(traces, 1):
            results = {name: number * rule(**fields) for name, rule in {"cycles": cycles, **more}.items()}
            found = row(point, trace, fields, **results)
            rows.append({**found, "feasible": space.admits(found)})
    return gather("by hand", space, traces, rows)
