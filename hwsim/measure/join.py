"""MAC ratio, simulated and measured speedup of every layer, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hwsim.errors import MeasureError
from hwsim.measure.record import Measured, MeasuredLayer

if TYPE_CHECKING:
    from hwsim.machine.result import Result

DEVICES = ("cpu", "cuda")


def join(
    result: Result, measured: Measured | Sequence[Measured], precision: str = "fp32"
) -> list[dict[str, Any]]:
    """One row a layer: what its zeros save, what is simulated and what was measured.

    A measured speedup is the time of the fastest dense kernel of ``precision`` by that of the fastest sparse
    one, on the same device, with the maps in each kernel's own format before the clock starts. A *converted*
    time has the time to bring the map there from a dense array added. None stands for "not measured".

    Args:
        result: of a simulation.
        measured: of the same trace; at most one of each device.
        precision: of the kernels compared.

    Returns:
        Rows with ``layer``, ``kind``, ``density``, ``mac_ratio``, ``simulated_speedup`` and, for ``cpu``
        and ``cuda``: ``{device}_speedup``, ``{device}_converted_speedup`` and, for ``dense`` and ``sparse``,
        ``{device}_{what}_us``, ``{device}_{what}_kernel``, ``{device}_{what}_converted_us``.

    Raises:
        MeasureError: the measurements are of another trace, or two are of one device.
    """
    records = [measured] if isinstance(measured, Measured) else list(measured)
    rows = result.per_layer()
    by_device: dict[str, Measured] = {}
    for record in records:
        _check(result, rows, record)
        if record.machine.device in by_device:
            raise MeasureError(f"two measurements of device {record.machine.device}: give one")
        by_device[record.machine.device] = record
    joined = []
    for number, row in enumerate(rows):
        line = {key: row[key] for key in ("layer", "kind", "density", "mac_ratio")}
        line["simulated_speedup"] = row["speedup"]
        for device in DEVICES:
            mine = by_device.get(device)
            line |= _columns(device, mine, mine.layers[number] if mine else None, precision)
        joined.append(line)
    return joined


def _check(result: Result, rows: Sequence[dict[str, Any]], record: Measured) -> None:
    ours: list[Any] = [result.network, result.variant, [row["layer"] for row in rows]]
    theirs: list[Any] = [record.network, record.variant, [layer.name for layer in record.layers]]
    if result.images == record.images:  # of the same maps the densities are the same, exactly
        ours.append([row["density"] for row in rows])
        theirs.append([layer.density for layer in record.layers])
    for what, one, other in zip(("network", "variant", "layers", "densities"), ours, theirs, strict=False):
        if one != other:
            raise MeasureError(f"the measurements are of another trace: {what} {other}, not {one}")


def _columns(
    device: str, record: Measured | None, layer: MeasuredLayer | None, precision: str
) -> dict[str, Any]:
    timings = zip(record.kernels, layer.timings, strict=True) if record and layer else ()
    times = [  # sparse, kernel, alone, converted
        (kernel.sparse, kernel.name, timing.median_us, timing.median_us + timing.convert_us)
        for kernel, timing in timings
        if kernel.precision == precision and timing.median_us is not None and timing.convert_us is not None
    ]
    columns: dict[str, Any] = {}
    for what, sparse in (("dense", False), ("sparse", True)):
        mine = [
            (alone, name, converted) for is_sparse, name, alone, converted in times if is_sparse == sparse
        ]
        fastest, kernel_name, _ = min(mine, default=(None, None, None))
        columns[f"{device}_{what}_us"] = fastest
        columns[f"{device}_{what}_kernel"] = kernel_name
        columns[f"{device}_{what}_converted_us"] = min((converted for *_, converted in mine), default=None)
    for name, column in (("speedup", "us"), ("converted_speedup", "converted_us")):
        dense, sparse_us = columns[f"{device}_dense_{column}"], columns[f"{device}_sparse_{column}"]
        columns[f"{device}_{name}"] = None if dense is None or sparse_us is None else dense / sparse_us
    return columns
