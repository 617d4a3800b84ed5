"""Machines of a sweep: sums over traces, and every reason why one is not feasible."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sweeps import grid, row

from hwsim.errors import SweepError
from hwsim.report.sweep.machines import ALL_TRACES, AREA, gather, read_machines
from hwsim.report.sweep.summary import Summary
from hwsim.sweep import Space
from hwsim.sweep.store import seal_joined

CORES = {"space": {"cores": [1, 2, 4]}}


def test_metrics_of_all_traces_are_sums_and_each_trace_keeps_its_own():
    machines = grid({"cores": [1, 2]}, lambda cores: 100.0 / cores, traces=("a.zip", "b.zip"))
    assert machines.total["cycles"].tolist() == [300, 150]
    assert machines.metrics["net, b.zip"]["cycles"].tolist() == [200, 100]
    assert machines.total["speedup"].tolist() == [2, 2]
    assert machines.total["sram_bytes"].tolist() == [1000, 1000]  # of the machine, not of its runs
    assert machines.total["luts"].tolist() == [20_000, 20_000]
    assert list(machines.metrics) == [ALL_TRACES, "net, a.zip", "net, b.zip"]


def test_one_trace_is_all_traces():
    machines = grid({"cores": [1, 2]}, lambda cores: 100.0)
    assert list(machines.metrics) == [ALL_TRACES]


def test_a_machine_must_be_feasible_on_every_trace():
    space = Space.parse(CORES)
    rows = [
        row(0, "a", {"cores": 1}, cycles=10.0), row(0, "b", {"cores": 1}, cycles=20.0),
        row(1, "a", {"cores": 2}, cycles=5.0),
        row(1, "b", {"cores": 2}, feasible=False, problem="layer x does not fit"),
        row(2, None, {"cores": 4}, feasible=False),
    ]  # fmt: skip
    machines = gather("t", space, ("a", "b"), rows)
    assert machines.feasible.tolist() == [True, False, False]
    assert machines.simulated.tolist() == [True, False, False]
    assert machines.total["cycles"][0] == 30
    assert np.isnan(machines.total["cycles"][1])  # a sum over fewer traces would look fast
    assert machines.metrics["net, a"]["cycles"].tolist()[:2] == [10, 5]
    assert machines.refused == {"layer x does not fit": 1, "not simulated": 1}


def test_a_broken_constraint_is_named_with_its_side(nothing):
    assert nothing.machines.refused == {"cycles above 10": 2, "sram_bytes below 2000": 2}
    assert nothing.machines.simulated.all()


def test_speed_is_time_where_clocks_differ():
    assert grid({"clock_mhz": [100.0, 200.0]}, lambda clock_mhz: 10.0).speed == "seconds"
    assert grid({"cores": [1, 2]}, lambda cores: 10.0).speed == "cycles"


def manifest(folder, **changes):
    document = {"space": CORES, "traces": [{"path": "a", "digest": "0"}], **changes}
    (folder / "sweep.json").write_text(json.dumps(document))


def without_area(folder):
    manifest(folder)
    pq.write_table(pa.table({"point": [0], "cores": [1], "sram_bytes": [1]}), folder / "points.parquet")
    seal_joined(folder)


def without_energy(folder):
    manifest(folder)
    columns = {"point": [0], "cores": [1], **{name: [1] for name in (*AREA, "cycles", "seconds")}}
    columns |= {"dram_bytes": [1]}
    pq.write_table(pa.table(columns), folder / "points.parquet")
    seal_joined(folder)


def no_parquet(folder):
    manifest(folder)
    (folder / "points.parquet").write_text("no")
    seal_joined(folder)


def flipped(folder):
    without_area(folder)
    data = bytearray((folder / "points.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "points.parquet").write_bytes(data)


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda folder: None, "holds no sweep"),
        (manifest, "not finished"),
        (lambda folder: (folder / "sweep.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "sweep.json").write_text("{}"), "damaged"),
        (lambda folder: (folder / "sweep.json").write_text("[" * 100_000), "damaged"),
        (no_parquet, "sweep again"),
        (flipped, "is damaged: make it again"),
        (without_area, "another version, without luts, dsps, brams: sweep again"),
        (without_energy, "another version, without energy_uj: sweep again"),
    ],
    ids=[
        *("nothing there", "not finished", "no JSON", "no space", "deep", "no Parquet", "flipped"),
        *("no area", "no time"),
    ],
)
def test_a_folder_that_holds_no_sweep_is_one_clear_error(tmp_path, break_it, told):
    break_it(tmp_path)
    with pytest.raises(SweepError, match=told):
        read_machines(tmp_path)


def test_the_summary_calls_machines_by_their_numbers(machines):
    document = Summary(replace(machines, numbers=machines.numbers + 100)).to_dict()
    assert document["fronts"]["luts"] == [104]
    assert document["best"]["cycles"]["machine"] == 104
