"""Measured beside simulated: the records of ``hwsim measure``, joined to a result, as tables have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hwsim.machine.totals import added, ratio
from hwsim.report import text
from hwsim.report.tables import Column

if TYPE_CHECKING:
    from hwsim.machine.result import Result
    from hwsim.measure.record import KernelInfo, Measured

DEVICES = {"cpu": "CPU", "cuda": "GPU"}
_SIDES = ("dense", "sparse")
PRECISION = "fp32"  # of the kernels compared: the one that every device has, dense and sparse
MEANING = (
    "A measured speedup is the median time of the fastest dense kernel by that of the fastest sparse one, "
    f"{PRECISION}, on the same device, every map in the kernel's own format before the clock starts. "
    "With conversion, the time to bring the map there from a dense array is added."
)


def measured_rows(result: Result, records: Sequence[Measured]) -> list[dict[str, Any]]:
    """One row a layer (:func:`hwsim.measure.join`); empty if there are no records.

    Raises:
        MeasureError: the measurements are of another trace, or two are of one device.
    """
    if not records:
        return []
    from hwsim.measure.join import join

    return join(result, records, PRECISION)


def measured_total(rows: Sequence[Mapping[str, Any]], total: Mapping[str, Any]) -> dict[str, Any]:
    """The row of all layers, with the keys of :func:`measured_rows` that a total has.

    A device's times are sums over the layers; None if one of them was not measured.

    Args:
        rows: from :func:`measured_rows`.
        total: of the simulation, from :meth:`hwsim.machine.result.Result.overall`.
    """
    line = {key: total[key] for key in ("layer", "kind", "density", "mac_ratio")}
    line["simulated_speedup"] = total["speedup"]
    for device in DEVICES:
        for part, column in (("", "us"), ("converted_", "converted_us")):
            dense, sparse = (added(row[f"{device}_{what}_{column}"] for row in rows) for what in _SIDES)
            line |= {f"{device}_dense_{column}": dense, f"{device}_sparse_{column}": sparse}
            line[f"{device}_{part}speedup"] = ratio(dense, sparse)
    return line


def measured_columns(devices: Sequence[str]) -> tuple[Column, ...]:
    """Columns of MAC ratio, simulated and measured speedups; of ``devices`` also the times behind them."""
    columns = [
        Column("layer", "layer", "name in the trace", text.label, 9),
        Column("mac_ratio", "MAC ratio", "valid MACs / MACs with a non-zero activation", text.factor, 8),
        Column("simulated_speedup", "simulated", "dense cycles / cycles", text.factor, 8),
        *(
            Column(f"{device}_speedup", name, "dense kernel / sparse kernel", _or_not(text.factor), 8)
            for device, name in DEVICES.items()
        ),
    ]
    for device in devices:
        name = DEVICES[device]
        columns += [
            Column(
                f"{device}_{side}_us", f"{name} {side}", f"fastest {side} kernel", _or_not(text.duration), 5
            )
            for side in _SIDES
        ]
        meaning = "times of conversion into the kernels' formats included"
        key = f"{device}_converted_speedup"
        columns.append(Column(key, f"{name}, with conversion", meaning, _or_not(text.factor), 4))
    return tuple(columns)


def kernel_columns(record: Measured) -> list[Column]:
    """Columns of the table of all kernels of one device."""
    return [
        Column("layer", "layer", "name in the trace", text.label),
        *(Column(k.name, _title(k), k.method, _or_not(text.duration)) for k in record.kernels),
    ]


def kernel_rows(record: Measured) -> list[dict[str, Any]]:
    """One row a layer: median time of every kernel, µs."""
    return [
        {"layer": layer.name, **{timing.kernel: timing.median_us for timing in layer.timings}}
        for layer in record.layers
    ]


def record_facts(record: Measured) -> list[tuple[str, Any]]:
    """Where, when and with what a record was made."""
    machine = record.machine
    driver = [("driver", machine.driver)] if machine.driver else []
    return [
        ("processor", machine.name),
        *driver,
        ("threads", machine.threads),
        *machine.libraries.items(),
        ("weights", record.weights),
        ("images", f"{len(record.images)}: {text.value(record.images)}"),
        ("date", record.date),
        *((kernel.name, kernel.method) for kernel in record.kernels),
        *(("note", note) for note in record.notes),
    ]


def record_document(record: Measured) -> dict[str, Any]:
    """A record as ``report.json`` has it: all but what its trace tells."""
    fields = asdict(record)
    for key in ("schema", "network", "variant", "synthetic"):
        del fields[key]
    return fields


def measured_document(
    rows: Sequence[Mapping[str, Any]], total: Mapping[str, Any], records: Sequence[Measured]
) -> dict[str, Any]:
    """What ``report.json`` and ``hwsim measure --format json`` have of it.

    Args:
        rows, total: from :func:`measured_rows` and :func:`measured_total`.
        records: behind them.
    """
    return {
        "precision": PRECISION,
        "meaning": MEANING,
        "records": {record.machine.device: record_document(record) for record in records},
        "per_layer": rows,
        "total": total,
    }


def _title(kernel: KernelInfo) -> str:
    return f"{kernel.name}, {'sparse' if kernel.sparse else 'dense'}"


def _or_not(show: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: text.NOT_MEASURED if value is None else show(value)
