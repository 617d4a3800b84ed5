"""Rows of the machines of a sweep: what is known of each, what it did, and why it is not feasible."""

import pytest

from hwsim.arch import Arch
from hwsim.machine.workload import Workload
from hwsim.sweep import Space, evaluate
from hwsim.sweep.evaluate import Task, machine_row, run_task
from traces import Tiny


@pytest.fixture
def trace(tmp_path):
    return str(Tiny().write(tmp_path / "tiny.zarr.zip"))


def test_what_is_known_of_a_machine_without_running_it_by_hand():
    arch = Arch(cores=2, columns=4, accumulators=16, weight_words=10, map_buffer=100, bytes_per_cycle=16)
    row = machine_row(arch.replace(clock_mhz=500, energy={"mac": 1.0}))
    assert (row["cores"], row["peak_macs"], row["bandwidth_gb_s"]) == (2, 8, 8)
    # Each of 8 banks: two copies of 16 x 33 bits and of 16 x 1 bit. Each of 8 columns: 10 weights of 8 bits.
    assert row["sram_bytes"] == 8 * 2 * 16 * 34 // 8 + 80 + 100
    assert "energy" not in row


def test_constraints_on_a_machine_and_on_what_it_did_are_told_apart(trace):
    fields = {"machine": {"columns": 4}, "space": {"cores": [1, 2, 3]}}
    free, asked = Space.parse(fields), ({"cores": 1}, {"cores": 2}, {"cores": 3})
    known, of_layers = run_task(Task(0, 7, asked, free, (trace,), (1,)))
    assert [(row["point"], row["feasible"], row["problem"]) for row in known] == [
        (7, True, None),
        (8, True, None),
        (9, True, None),
    ]
    assert known[0]["cycles"] > known[1]["cycles"]
    # Three cores have too many LUTs, and are not run; one takes too long.
    most = {"luts": {"max": known[1]["luts"]}, "cycles": {"max": known[1]["cycles"]}}
    bound = Space.parse({**fields, "constraints": most})
    points, layers = run_task(Task(0, 7, asked, bound, (trace,), (1,)))
    assert points == [
        {**known[0], "feasible": False},
        known[1],
        {"point": 9, **machine_row(bound.arch(asked[2])), "trace": None, "feasible": False, "problem": None},
    ]
    assert layers == [row for row in of_layers if row["point"] < 9]


def test_what_a_mapping_gave_is_dropped_once_it_has_changed(trace, monkeypatch):
    space = Space.parse({"machine": {"cores": 2}, "space": {"columns": [4, 8], "dram_latency": [16, 32]}})
    points = tuple({"columns": columns, "dram_latency": n} for columns in (4, 4, 8, 8, 4) for n in (16, 32))
    forgotten: list[int] = []
    monkeypatch.setattr(Workload, "forget", lambda workload: forgotten.append(workload.image))
    evaluate._workloads.cache_clear()
    run_task(Task(0, 0, points, space, (trace,), None))
    # Columns change twice, at the fifth and the ninth point; the trace has two images.
    assert forgotten == [0, 1, 0, 1]


def test_a_trace_that_a_machine_does_not_fit_leaves_the_others_their_rows(trace):
    # A pass of LeNet-5's first linear layer takes 256 weight words, one of the small network 27.
    space = Space.parse({"machine": {"cores": 2, "weight_words": 64}, "space": {"columns": [4]}})
    points, layers = run_task(Task(0, 0, ({"columns": 4},), space, ("lenet5_digits/sparse", trace), None))
    assert [(row["trace"], row["feasible"]) for row in points] == [
        ("lenet5_digits/sparse", False),
        (trace, True),
    ]
    assert {row["trace"] for row in layers} == {trace}
