"""Files of a report: complete, equal in their numbers, and never half-written."""

import csv
import json
import os

import pytest
from deaths import deaths, tree

from hwsim.errors import OutputError
from hwsim.machine.result import CAUSES
from hwsim.report import write
from hwsim.report.comparison import Comparison
from hwsim.report.contents import jsonable
from hwsim.report.write import write_comparison, write_files, write_report

PLOTS = {"speedup", "breakdown", "waterfall", "density", "roofline", "compression", "dram", "energy"}
TABLES = {"report.json", "layers.csv", "runs.csv", "report.html"}


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "made" / "here"
    write_report(report, folder)
    return folder


@pytest.fixture(scope="module")
def document(folder):
    return json.loads((folder / "report.json").read_text())


def test_all_files_are_there_and_nothing_else(folder):
    pictures = {f"{name}.{kind}" for name in PLOTS for kind in ("png", "svg")}
    assert set(os.listdir(folder)) == TABLES | pictures


def test_the_causes_in_json_sum_to_cycles_times_cores(document):
    cores = document["arch"]["cores"]
    for layer in document["layers"]:
        for mode in ("skipping", "dense"):
            assert sum(layer[mode]["causes"][cause] for cause in CAUSES) == layer[mode]["cycles"] * cores
    for row in document["per_layer"]:
        assert sum(row[f"core_cycles_{cause}"] for cause in CAUSES) == row["cycles"] * cores


def test_json_csv_and_table_agree(folder, document, report):
    with open(folder / "layers.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    for row, line in zip(document["per_layer"], lines, strict=True):
        for key, value in row.items():
            assert line[key] == ("" if value is None else line[key])
            if isinstance(value, int | float):
                assert float(line[key]) == value
    total = report.result.overall()
    images = len(document["images"])
    assert document["totals"] == total
    assert document["sums"]["skipping"]["cycles"] / images == total["cycles"]


def test_json_names_tool_machine_and_coders(document):
    assert document["tool"]["name"] == "hwsim"
    assert document["synthetic"] is False
    assert document["metrics"] == {"accuracy": 0.9876}
    assert document["compression"]["base"] == "raw 16-bit words"
    assert document["compression"]["coders"]["seg"]["bytes_per_image"] == 2000 / 8 / 2
    assert document["compression"]["coders"]["seg"]["ratio"] == 3.2


def test_json_says_that_a_trace_is_synthetic(synthetic, report):
    assert synthetic.to_dict()["synthetic"] is True
    assert Comparison(report.result, synthetic.result).to_dict()["synthetic"] is True


def test_json_holds_no_infinities_and_no_foreign_types():
    odd = {1: float("inf"), "list": (float("nan"), {"path": os}), "plain": [1, 2.5, "x", None, True]}
    clean = json.loads(json.dumps(jsonable(odd), allow_nan=False))
    assert clean == {"1": None, "list": [None, {"path": str(os)}], "plain": [1, 2.5, "x", None, True]}


def test_hostile_names_are_written_in_utf8(hostile, tmp_path):
    write_report(hostile, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["network"] == hostile.result.network
    for name in TABLES:
        (tmp_path / name).read_text(encoding="utf-8")


def test_a_comparison_is_written_beside_a_report(report, tmp_path):
    write_report(report, tmp_path)
    before = set(os.listdir(tmp_path))
    write_comparison(Comparison(report.result, report.result), tmp_path)
    added = set(os.listdir(tmp_path)) - before
    assert {"compare.json", "compare.csv", "compare.html"} < added
    assert json.loads((tmp_path / "compare.json").read_text())["totals"]["speedup_b_over_a"] == 1
    assert before < set(os.listdir(tmp_path))


def test_a_failure_in_the_middle_leaves_the_old_files(tmp_path, monkeypatch):
    write_files(tmp_path, {"one": "old", "two": "old"})
    written, write_bytes = [], write.Path.write_bytes

    def full(self, data):
        if written:
            raise OSError(28, "No space left on device")
        written.append(data)
        write_bytes(self, data)

    monkeypatch.setattr(write.Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"No space left.*: make room"):
        write_files(tmp_path, {"one": "new", "two": "new"})
    assert {name: (tmp_path / name).read_text() for name in os.listdir(tmp_path)} == {
        "one": "old",
        "two": "old",
    }


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write into .*file.*name another folder"):
        write_files(tmp_path / place, {"one": "text"})


@pytest.mark.parametrize("torn", [False, True])
def test_a_killed_writing_leaves_no_mixture_that_looks_whole(tmp_path, torn):
    """The last file is the mark: where it is, all files are of one run."""
    old, new = ({name: f"{run} {name}" for name in ("a.csv", "b.png", "c.html")} for run in ("old", "new"))
    folder = tmp_path / "out"
    write_files(folder, old)
    (folder / "mine.txt").write_text("mine")
    for _ in deaths(lambda: write_files(folder, new), torn):
        found = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
        assert found.pop("mine.txt") == "mine"
        assert "c.html" not in found or found in (old, new)
        write_files(folder, new)
        assert tree(folder) == {name: text.encode() for name, text in {**new, "mine.txt": "mine"}.items()}
        write_files(folder, old)
