"""``hwsim reproduce`` and ``hwsim accuracy`` as a user meets them."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from made_up_entries import entry

from hwsim import open_trace, simulate
from hwsim.reproduce import sources
from hwsim.reproduce.entry import read_tables, to_json
from hwsim.reproduce.paper import ROWS
from hwsim.reproduce.plots import file_names
from hwsim.reproduce.sources import DATA, Wanted, entries_of, is_run, run_entries, shipped_entries
from traces import Tiny

LENET = Path(__file__).parents[2] / "traces" / "lenet5_digits"
NETWORK = "hwsim.sparsify.networks:LeNet5"


def test_a_trace_gives_tables_as_json_markdown_and_plots(hwsim, tmp_path):
    Tiny().write(tmp_path / "tiny.zarr")
    code, out, err = hwsim("reproduce", tmp_path / "tiny.zarr", "-o", tmp_path / "out")
    assert code == 0
    assert "Density and speedup" in out
    assert "measuring" in err
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["reproduce_tiny.png", "tables.json", "tables.md"]
    (found,) = read_tables(tmp_path / "out" / "tables.json").entries
    with open_trace(tmp_path / "tiny.zarr") as trace:
        assert found.simulated.digest == trace.digest
    assert "| tiny | - | baseline |" in (tmp_path / "out" / "tables.md").read_text()


def test_the_first_table_comes_as_csv_and_the_entries_as_json(hwsim, tmp_path):
    Tiny().write(tmp_path / "tiny.zarr")
    asked = ("reproduce", tmp_path / "tiny.zarr", "-o", tmp_path / "out")
    code, out, _ = hwsim(*asked, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["network"] for row in rows] == [f"{row.network} (paper)" for row in ROWS]  # no pair here
    code, out, _ = hwsim(*asked, "--json")
    assert (code, out) == (0, (tmp_path / "out" / "tables.json").read_text())


def test_tables_made_before_complete_a_trace(hwsim, tmp_path):
    Tiny().write(tmp_path / "tiny.zarr")
    before = entry(accuracy={"8": (1, 2)})
    path = tmp_path / "before.json"
    path.write_text(to_json([before], {}).replace('"net"', '"tiny"').replace('"data": "data"', '"data": "-"'))
    assert hwsim("reproduce", tmp_path / "tiny.zarr", path, "-o", tmp_path, "--quiet")[0] == 0
    (found,) = read_tables(tmp_path / "tables.json").entries
    assert found.accuracy["8"].correct == 1
    assert found.simulated is not None


def test_more_images_than_asked_for_are_not_measured(hwsim, tmp_path):
    Tiny(images=3).write(tmp_path / "tiny.zarr")
    hwsim("reproduce", tmp_path / "tiny.zarr", "-o", tmp_path, "--images", 2, "-q")
    assert read_tables(tmp_path / "tables.json").entries[0].simulated.images == 2


def test_the_shipped_lenet5_is_measured_in_the_loop_with_the_pictures_of_a_library():
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    metrics = json.loads((LENET / "metrics.json").read_text())
    _, found = entries_of(str(LENET), Wanted(images=4))
    assert (found.network, found.data, found.variant) == ("lenet5", "digits", "sparse")
    pictures = metrics["data"]["test"]
    assert {score.pictures for score in found.accuracy.values()} == {pictures}
    assert list(found.accuracy) == ["float", "16", "12", "10", "8", "6", "4"]
    assert found.accuracy["float"].correct == metrics["variants"]["sparse"]["test"]["correct"]
    with open_trace(LENET / "sparse.zarr.zip") as trace:
        result = simulate(trace, images=range(4))
    assert sum(layer.cycles for layer in found.simulated.layers) == result.total("skipping")


def test_without_the_library_a_shipped_run_says_what_its_run_said(monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    _, found = entries_of(str(LENET), Wanted(images=1))
    assert list(found.accuracy) == ["float"]


def test_what_was_measured_before_and_is_shipped_can_be_read():
    files = sorted(DATA.glob("*.json"))
    assert files
    for path in files:
        for found in read_tables(path).entries:
            assert found.notes
            assert found.accuracy or found.simulated


def test_stored_rows_of_a_shipped_run_are_of_the_weights_that_are_shipped():
    pytest.importorskip("torch")
    stored = {row.key: row for path in DATA.glob("*.json") for row in read_tables(path).entries}
    for folder in filter(is_run, LENET.parent.iterdir()):
        for row in run_entries(folder, Wanted(images=1)):
            if row.key in stored:
                assert row.notes[0] in stored[row.key].notes, f"{row.key}: measure it again with --data"


def test_all_that_is_shipped_has_a_row(monkeypatch):
    from hwsim.reproduce import sources

    monkeypatch.setattr(sources, "trace_entry", lambda place, _: entry(f"trace {Path(place).parent.name}"))
    monkeypatch.setattr(sources, "run_entries", lambda folder, _: [entry(f"run {folder.name}")])
    rows = {found.variant for found in shipped_entries(Wanted())}
    for folder in {path.parent.name for path in LENET.parent.glob("*/*.zarr.zip")}:
        assert {f"trace {folder}", f"run {folder}"} & rows
    stored = {found.key for path in DATA.glob("*.json") for found in read_tables(path).entries}
    assert stored <= {found.key for found in shipped_entries(Wanted())}


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("none.zarr", None, "there is no trace"),
        ("some.json", lambda path: path.write_text("{}"), "holds no tables"),
        ("empty", Path.mkdir, "there is no trace"),
    ],
)
def test_what_is_no_trace_run_or_table_is_one_clear_line(hwsim, tmp_path, name, make, reason):
    if make:
        make(tmp_path / name)
    code, out, err = hwsim("reproduce", tmp_path / name, "-o", tmp_path / "out", "--quiet")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert reason in err
    assert not (tmp_path / "out").exists()


def test_synthetic_values_are_no_row_of_the_tables(hwsim, tmp_path):
    Tiny().write(tmp_path / "tiny.zarr", synthetic=True)
    code, _, err = hwsim("reproduce", tmp_path / "tiny.zarr", "-o", tmp_path / "out", "-q")
    assert code == 1
    assert "is synthetic" in err


class TestAccuracy:
    """``hwsim accuracy``."""

    @pytest.fixture
    def digits(self, tmp_path):
        pytest.importorskip("torch")
        pytest.importorskip("sklearn")
        from hwsim.sparsify.datasets import open_dataset

        test = open_dataset("digits").test
        np.save(tmp_path / "pictures.npy", test.images[:60])
        np.save(tmp_path / "labels.npy", test.labels[:60])
        return tmp_path

    def run(self, hwsim, folder, *more):
        return hwsim(
            *("accuracy", NETWORK, "--weights", LENET / "sparse.safetensors"),
            *("--images", folder / "pictures.npy", "--labels", folder / "labels.npy", *more),
        )

    def test_it_says_how_often_a_network_is_right_and_keeps_it_for_the_tables(self, hwsim, digits):
        more = ("--calibrate", 20, "--bits", "16,3", "--data", "digits", "--variant", "sparse")
        code, out, _ = self.run(hwsim, digits, *more, "-o", digits / "row.json")
        assert code == 0
        (found,) = read_tables(digits / "row.json").entries
        assert found.key == ("LeNet5", "digits", "sparse")
        assert list(found.accuracy) == ["float", "16", "3"]
        assert found.accuracy["float"].correct == found.accuracy["16"].correct == 40  # 450 of 450 are right
        assert found.accuracy["3"].pictures == 40
        assert re.search(r"floats +100.0 % +40 +40\n", out)
        assert "in integers" not in out

    def test_its_rows_and_its_document_are_for_programs_too(self, hwsim, digits):
        more = ("--calibrate", 20, "--bits", "8,3", "--integers", "-o", digits / "row.json")
        code, out, _ = self.run(hwsim, digits, *more, "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(out)))
        assert (code, [row["maps"] for row in rows]) == (0, ["floats", "8 bits", "3 bits"])
        (found,) = read_tables(digits / "row.json").entries
        correct = [str(found.accuracy[width].correct) for width in ("float", "8", "3")]
        integers = [str(found.integers[width].correct) for width in ("8", "3")]
        assert [row["correct"] for row in rows] == correct
        assert [row["in_integers"] for row in rows] == ["", *integers]
        code, out, _ = self.run(hwsim, digits, *more, "--json")
        assert (code, out) == (0, (digits / "row.json").read_text())

    def test_an_onnx_model_is_as_often_right_as_the_network_it_is_of(self, hwsim, digits):
        torch = pytest.importorskip("torch")
        pytest.importorskip("onnxruntime")
        from hwsim.capture.sources import open_network

        network, _ = open_network(NETWORK, LENET / "sparse.safetensors")
        path = digits / "lenet5.onnx"
        example = torch.zeros(1, 1, 28, 28)
        names = {"input_names": ["images"], "dynamic_axes": {"images": {0: "batch"}}}
        torch.onnx.export(network.module, (example,), str(path), dynamo=False, **names)
        scores = []
        for source in ((NETWORK, "--weights", LENET / "sparse.safetensors"), (path,)):
            more = ("--images", digits / "pictures.npy", "--labels", digits / "labels.npy", "--bits", "8,2")
            code, _, _ = hwsim("accuracy", *source, *more, "-o", digits / "row.json", "--quiet")
            assert code == 0
            scores.append(read_tables(digits / "row.json").entries[0].accuracy)
        assert scores[0] == scores[1]
        assert scores[0]["2"].correct < scores[0]["8"].correct  # few bits were in the loop

    @pytest.mark.parametrize(
        ("more", "code", "reason"),
        [
            (("--bits", "8,x"), 2, "give numbers from 2 to 16"),
            (("--bits", "17"), 2, "give numbers from 2 to 16"),
            (("--calibrate", 60), 1, "too few for 1 to measure and 60"),
            (("--count", 50), 1, "too few for 50 to measure and 16"),
            (("--mean", "a"), 2, "give numbers"),
        ],
    )
    def test_wrong_options_are_one_clear_line(self, hwsim, digits, more, code, reason):
        found, out, err = self.run(hwsim, digits, *more)
        assert (found, out, err.count("\n")) == (code, "", 1)
        assert reason in err


def test_no_two_plots_have_one_name_and_none_is_too_long_for_a_file():
    names = file_names([("net", "a b"), ("net", "a-b"), ("net", "a_b_2"), ("net", "数"), ("net", "9" * 5000)])
    assert names == [
        "reproduce_net_a_b",
        "reproduce_net_a_b_2",
        "reproduce_net_a_b_2_2",
        "reproduce_net",
        f"reproduce_net_{'9' * 96}",
    ]
