"""A point of a sweep: one machine over all traces, as rows of a table. Runs in the workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, get_type_hints

from hwsim.arch import Arch
from hwsim.errors import ArchError, SweepError
from hwsim.machine.area import area
from hwsim.machine.compiled import CompiledNetwork
from hwsim.machine.energy import accumulator_bytes
from hwsim.machine.numbers import Numbers
from hwsim.machine.runs import CAUSES, DRAM_KINDS, LayerResult
from hwsim.machine.simulation import Pair, check_widths
from hwsim.machine.totals import Account, added
from hwsim.machine.workload import Workload
from hwsim.sweep.space import Space, Value, mapping_key
from hwsim.trace import Trace, open_trace
from hwsim.trace.provenance import left_out

Row = dict[str, Any]
LAYER_KEYS = (
    "layer",
    "cycles",
    "dense_cycles",
    *(f"{prefix}dram_{kind}" for prefix in ("", "dense_") for kind in (*DRAM_KINDS, "bytes")),
    "energy_uj",
    "dense_energy_uj",
    *(f"core_cycles_{cause}" for cause in CAUSES),
)


class Point(Numbers):
    """A network on a machine: its account, and what it is of.

    ``left_out_macs`` are the MACs of an image that are in no layer of the trace, None if they are not known.
    """

    network: str
    variant: str
    synthetic: bool
    left_out: int
    left_out_macs: float | None
    images: int


@dataclass(frozen=True)
class Task:
    """Some points of a sweep, to be computed in one go.

    Attributes:
        number: of the task; its points are consecutive.
        first: number of its first point in the sweep.
        points: swept fields of every machine.
        traces: paths or URLs that the worker can open.
        images: of each trace.
    """

    number: int
    first: int
    points: tuple[dict[str, Value], ...]
    space: Space
    traces: tuple[str, ...]
    images: tuple[int, ...] | None


def run_task(task: Task) -> tuple[list[Row], list[Row]]:
    """Rows of points and rows of layers. A machine that a trace does not fit has a row that says why."""
    points: list[Row] = []
    layers: list[Row] = []
    held = None
    for number, point in enumerate(task.points, task.first):
        arch = task.space.arch(point)
        known = {"point": number, **machine_row(arch)}
        if not task.space.admits(known):
            points.append({**known, "trace": None, "feasible": False, "problem": None})
            continue
        for path in task.traces:
            trace, workloads = _workloads(path, task.images)
            if held is not None and mapping_key(point) != held:
                for workload in workloads:
                    workload.forget()
            named = {"point": number, "trace": path}
            try:
                check_widths(trace, arch)
                pair = Pair(arch)
                images = [pair.run(workload) for workload in workloads]
            except ArchError as error:
                points.append({**known, "trace": path, "feasible": False, "problem": str(error)})
                continue
            row = {**known, "trace": path, **trace_row(trace, images, arch)}
            points.append({**row, "feasible": task.space.admits(row), "problem": None})
            layers += [{**named, **row} for row in layer_rows(images, arch)]
        held = mapping_key(point)
    return points, layers


@lru_cache(maxsize=16)
def _workloads(path: str, images: tuple[int, ...] | None) -> tuple[Trace, list[Workload]]:
    trace = open_trace(path)
    network, numbers = CompiledNetwork(trace), range(trace.images) if images is None else images
    return trace, [Workload(trace, image, network) for image in numbers]


def machine_row(arch: Arch) -> Row:
    """What is known of a machine without running it.

    ``sram_bytes``: accumulators, weight memory, map buffer; ``bandwidth_gb_s``: 1e9 bytes/s;
    ``luts``, ``ffs``, ``dsps``, ``brams``: estimated cells of an ECP5 (:mod:`hwsim.machine.area`).
    """
    weights = arch.peak_macs * arch.weight_words * arch.weight_bits // 8
    return {
        **arch.model_dump(exclude={"energy"}),
        "peak_macs": arch.peak_macs,
        "sram_bytes": accumulator_bytes(arch) + weights + arch.map_buffer,
        "bandwidth_gb_s": arch.bytes_per_cycle * arch.clock_mhz / 1000,
        **asdict(area(arch)),
    }


def check_columns(space: Space) -> None:
    """Refuse bounds and objectives on what is no number of a point's row.

    Raises:
        SweepError: names the column.
    """
    numbers = [name for name, value in machine_row(Arch()).items() if not isinstance(value, str | bool)]
    numbers += [name for name, kind in get_type_hints(Point).items() if kind not in (str, bool)]
    asked = [("constraints", name) for name in space.constraints]
    if space.search.method == "pareto":
        asked += [("search.objectives", name) for name in space.search.objectives]
    for where, name in asked:
        if name not in numbers:
            raise SweepError(f"{where}: {name} is no number of the result: {', '.join(numbers)}")


def trace_row(trace: Trace, images: Sequence[Sequence[LayerResult]], arch: Arch) -> Point:
    """A network on a machine."""
    account = Account.of([layer for image in images for layer in image], arch)
    lacking = left_out(trace.provenance)
    return {
        "network": trace.network,
        "variant": trace.variant,
        "synthetic": trace.synthetic,
        "left_out": len(lacking),
        "left_out_macs": added(entry.macs for entry in lacking),
        "images": account.images,
        **account.numbers,
    }


def layer_rows(images: Sequence[Sequence[LayerResult]], arch: Arch) -> list[Row]:
    """One row a layer, means of the images."""
    accounts = Account.per_layer([layer for image in images for layer in image], arch)
    return [{key: account.row[key] for key in LAYER_KEYS} for account in accounts.values()]
