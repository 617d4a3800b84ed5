"""The commands beside the simulator: sweep, measure, export; what they write, and what they refuse."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from traces import Tiny

SPACE = """
[machine]
cores = 2
columns = 4
[space]
dram_latency = [16, 32]
bytes_per_cycle = [2, 8]
"""


@pytest.fixture
def tiny(tmp_path) -> str:
    return str(Tiny().write(tmp_path / "tiny.zarr.zip"))


@pytest.fixture
def space(tmp_path) -> str:
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return str(path)


def test_sweep_writes_a_row_a_machine_and_names_the_fastest(hwsim, tiny, space, tmp_path):
    code, out, err = hwsim("sweep", tiny, "--space", space, "-o", tmp_path / "out", "--workers", 1)
    assert (code, err) == (0, "")
    table = pq.read_table(tmp_path / "out" / "points.parquet").to_pylist()
    assert len(table) == 4
    fastest = min(table, key=lambda row: (row["cycles"], row["energy_uj"]))
    first = next(line for line in out.splitlines() if line.split()[:1] == [str(fastest["point"])])
    titles = next(line for line in out.splitlines() if line.startswith("point")).split()
    shown = dict(zip(titles, first.split(), strict=False))
    assert (shown["dram_latency"], shown["bytes_per_cycle"]) == (
        str(fastest["dram_latency"]),
        str(fastest["bytes_per_cycle"]),
    )
    assert "4 machines, 4 of them feasible" in out


def test_a_sweep_prints_all_feasible_machines_as_csv_and_markdown_and_its_summary_as_json(
    hwsim, tiny, space, tmp_path
):
    where = ("--space", space, "-o", tmp_path / "out", "--workers", 1)
    code, out, err = hwsim("sweep", tiny, *where, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err) == (0, "")
    table = {row["point"]: row for row in pq.read_table(tmp_path / "out" / "points.parquet").to_pylist()}
    assert [int(row["machine"]) for row in rows] == sorted(
        table, key=lambda at: (table[at]["cycles"], table[at]["energy_uj"])
    )
    for row in rows:
        assert float(row["cycles"]) == table[int(row["machine"])]["cycles"]
    code, out, err = hwsim("sweep-report", tmp_path / "out", "--format", "md")
    assert (code, err, len(out.splitlines())) == (0, "", 2 + len(rows))
    document = json.loads(hwsim("sweep-report", tmp_path / "out", "--json")[1])
    assert document == json.loads((tmp_path / "out" / "summary.json").read_text())


def test_a_sweep_without_a_feasible_machine_prints_a_header_as_csv(hwsim, tiny, space, tmp_path):
    Path(space).write_text(SPACE + "[constraints]\nluts = { max = 1 }\n")
    where = ("--space", space, "-o", tmp_path / "out", "--workers", 1)
    code, out, err = hwsim("sweep", tiny, *where, "--format", "csv")
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert set(out.strip().split(",")) >= {"machine", "dram_latency", "bytes_per_cycle", "cycles", "luts"}


def test_sweep_over_another_one_is_refused_in_one_line(hwsim, tiny, space, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sweep.json").write_text("{}")
    code, out, err = hwsim("sweep", tiny, "--space", space, "-o", tmp_path / "out")
    assert (code, out) == (1, "")
    assert "--resume" in err
    assert err.count("\n") == 1


def test_measure_writes_a_record_that_names_the_device_and_its_kernels(hwsim, tiny, tmp_path):
    record = tmp_path / "measured.json"
    code, out, err = hwsim("measure", tiny, "--repeats", 3, "-o", record)
    assert (code, err) == (0, "")
    document = json.loads(record.read_text())
    assert [layer["name"] for layer in document["layers"]] == ["conv", "fc"]
    assert "conv" in out
    assert str(record.name) in out


def test_measured_times_come_as_csv_and_json(hwsim, tiny):
    code, out, err = hwsim("measure", tiny, "--repeats", 3, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err) == (0, "")
    assert [row["layer"] for row in rows] == ["conv", "fc"]
    document = json.loads(hwsim("measure", tiny, "--repeats", 3, "--format", "json")[1])
    assert [row["mac_ratio"] for row in document["per_layer"]] == [float(row["mac_ratio"]) for row in rows]
    assert document["records"]["cpu"]["layers"][0]["name"] == "conv"


@pytest.mark.parametrize("arguments", [("--device", "tpu"), ("--repeats", "1"), ("--images", "9")])
def test_measure_refuses_what_is_not_there_in_one_line(hwsim, tiny, arguments):
    code, out, err = hwsim("measure", tiny, *arguments)
    assert code in (1, 2)
    assert out == ""
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("scalesim", "Layer name"),
        ("ramulator2", "LD 0x"),
        ("dramsim3", "0x"),
        ("timeline", "{"),
    ],
)
def test_export_writes_the_file_of_each_tool(hwsim, tiny, tmp_path, name, first):
    code, out, err = hwsim("export", tiny, name, "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    assert (tmp_path / "out").read_text().startswith(first)
    assert name in out


def test_export_for_accelergy_writes_its_three_files(hwsim, tiny, tmp_path):
    assert hwsim("export", tiny, "accelergy", "-o", tmp_path / "out", "--layer", "conv", "-q")[0] == 0
    files = {path.name for path in Path(tmp_path / "out").iterdir()}
    assert files == {"architecture.yaml", "ERT.yaml", "action_counts.yaml"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("verilog", "-o", "x"), 2, "scalesim"),
        (("scalesim", "-o", "x", "--layer", "conv"), 2, "--layer is for accelergy and timeline"),
        (("timeline", "-o", "x", "--layer", "conv9"), 1, "no layer conv9"),
        (("timeline", "-o", "/nowhere/x"), 1, "/nowhere/x"),
        (("timeline", "-o", "x", "--image", "7"), 1, "no image 7"),
    ],
)
def test_export_refuses_in_one_line(hwsim, tiny, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    found, out, err = hwsim("export", tiny, *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1
