"""Measured beside simulated: the same numbers in JSON, CSV, table, page and plot, and honest about gaps."""

import csv
import io
import json
from dataclasses import replace

import pytest

from hwsim.errors import MeasureError
from hwsim.measure.record import SCHEMA, Device, KernelInfo, KernelTiming, Machine, Measured, MeasuredLayer
from hwsim.report.contents import to_json
from hwsim.report.measured import DEVICES, kernel_rows, measured_columns, measured_rows, measured_total
from hwsim.report.report_page import report_page
from hwsim.report.tables import layers_csv
from hwsim.report.text import NOT_MEASURED
from hwsim.report.write import draw_report


def timing(kernel: str, median: float) -> KernelTiming:
    return KernelTiming(
        kernel, "", median, median / 2, median * 2, convert_us=1.0, rounds=3, input_sets=1, error=0.0
    )


def record(device: Device = "cpu", **changes) -> Measured:
    """Layer ``first``: 6 µs dense, 4 µs sparse; ``second``: 2 and 8."""
    kernels = (KernelInfo("blas", False, "fp32", "dense"), KernelInfo("csr", True, "fp32", "rows"))
    layers = [("first", 6.0, 4.0, 110 / 200), ("second", 2.0, 8.0, 20 / 200)]
    fields = {
        "schema": SCHEMA,
        "network": "little",
        "variant": "sparse",
        "synthetic": False,
        "weights": "of the trace",
        "images": (0, 3),
        "date": "2026-01-02T03:04:05+00:00",
        "machine": Machine(device, "A processor", "", {"numpy": "2"}, 1),
        "kernels": kernels,
        "layers": tuple(
            MeasuredLayer(name, "conv", density, (timing("blas", dense), timing("csr", sparse)))
            for name, dense, sparse, density in layers
        ),
        "notes": ("a quiet machine",),
    }
    return Measured(**{**fields, **changes})


@pytest.fixture(scope="module")
def joined(report):
    return replace(report, measured=(record(),))


@pytest.fixture(scope="module")
def plot(joined):
    return next(plot for plot in draw_report(joined) if plot.name == "measured")


def test_times_of_all_layers_are_sums_and_their_ratio_is_the_speedup(joined):
    total = measured_total(joined.measured_rows, joined.result.overall())
    assert (total["cpu_dense_us"], total["cpu_sparse_us"]) == (8, 12)
    assert total["cpu_speedup"] == 8 / 12
    assert total["cpu_converted_speedup"] == 10 / 14
    assert total["simulated_speedup"] == joined.result.speedup
    assert total["cuda_speedup"] is None


def test_a_layer_without_a_time_leaves_the_sum_unmeasured(joined):
    first, second = record().layers
    gap = KernelTiming("csr", not_measured="it cannot run this layer here")
    rows = measured_rows(
        joined.result, [record(layers=(first, replace(second, timings=(second.timings[0], gap))))]
    )
    total = measured_total(rows, joined.result.overall())
    assert (total["cpu_dense_us"], total["cpu_sparse_us"], total["cpu_speedup"]) == (8, None, None)


def test_json_holds_rows_total_and_the_machine(joined):
    document = json.loads(to_json(joined.to_dict()))["measured"]
    assert [row["cpu_speedup"] for row in document["per_layer"]] == [1.5, 0.25]
    assert [row["simulated_speedup"] for row in document["per_layer"]] == [
        row["speedup"] for row in joined.result.per_layer()
    ]
    assert document["records"]["cpu"]["machine"]["name"] == "A processor"
    assert document["total"]["cpu_speedup"] == 8 / 12


def test_without_records_nothing_is_said_of_measuring(report):
    assert report.to_dict()["measured"] is None
    assert NOT_MEASURED not in layers_csv(report.result)
    assert not any(plot.name == "measured" for plot in draw_report(report))


def test_csv_says_which_device_was_not_measured(joined):
    rows = list(csv.DictReader(io.StringIO(layers_csv(joined.result, joined.measured_rows))))
    assert [float(row["cpu_speedup"]) for row in rows] == [1.5, 0.25]
    assert {row["cuda_speedup"] for row in rows} == {NOT_MEASURED}
    assert [row["layer"] for row in rows] == ["first", "second"]
    assert {row["images"] for row in rows} == {"2"}


def test_the_page_shows_the_device_its_kernels_and_the_gap(joined):
    page = report_page(joined, [])
    for shown in (
        "Beside real processors",
        "A processor",
        "a quiet machine",
        "6.00 µs",
        "1.50",
        "blas, dense",
    ):
        assert shown in page
    assert page.count(f'data-value="-Infinity">{NOT_MEASURED}</td>') == 3  # two layers and all of them


def test_every_device_has_a_column_and_only_measured_ones_have_times():
    keys = [column.key for column in measured_columns(["cuda"])]
    assert {f"{device}_speedup" for device in DEVICES} <= set(keys)
    assert "cuda_dense_us" in keys
    assert "cpu_dense_us" not in keys


def test_kernels_have_a_column_each():
    assert kernel_rows(record())[0] == {"layer": "first", "blas": 6.0, "csr": 4.0}


def test_the_plot_states_every_speedup_and_the_gap(plot):
    for shown in ("1.50×", "0.25×", "1.82×", "0.67×", f"GPU: {NOT_MEASURED}", "measured, CPU"):  # noqa: RUF001
        assert shown in plot.svg


def test_two_devices_have_two_columns(report):
    both = replace(report, measured=(record(), record("cuda")))
    svg = next(plot.svg for plot in draw_report(both) if plot.name == "measured")
    assert NOT_MEASURED not in svg
    assert "measured, GPU" in svg


def test_a_synthetic_trace_is_labelled_in_the_plot(synthetic):
    made = replace(synthetic, measured=(record(variant="synthetic"),))
    svg = next(plot.svg for plot in draw_report(made) if plot.name == "measured")
    assert "Synthetic trace" in svg


@pytest.mark.parametrize(
    "records",
    [
        [record(variant="baseline")],
        [record(), record()],
        [record(layers=tuple(replace(layer, density=0.5) for layer in record().layers))],
    ],
    ids=["another variant", "a device twice", "other maps"],
)
def test_records_that_do_not_fit_are_refused(report, records):
    with pytest.raises(MeasureError):
        measured_rows(report.result, records)
