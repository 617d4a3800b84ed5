"""Rows of a run of ``hwsim sparsify``: what it says, what its traces say, what is measured in the loop."""

import json
import sys
from hashlib import sha256

import numpy as np
import pytest

from hwsim.capture.record import capture
from hwsim.errors import HwsimError
from hwsim.reproduce.sources import Labelled, Wanted, entries_of, is_run

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from hwsim.capture.torch_network import TorchNetwork  # noqa: E402
from hwsim.sparsify.datasets import open_dataset  # noqa: E402
from hwsim.sparsify.folder import open_run  # noqa: E402
from hwsim.sparsify.networks import make_network  # noqa: E402

TEST, RIGHT = 12, 9


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    parts = {}
    for part, count in (("train", 100), ("test", TEST)):
        parts[f"x_{part}"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        parts[f"y_{part}"] = rng.integers(0, 10, count)
    np.savez(tmp_path / "noise.npz", **parts)
    return tmp_path / "noise.npz"


@pytest.fixture
def run(tmp_path, data):
    folder = tmp_path / "run"
    folder.mkdir()
    variants = {}
    for seed, name in enumerate(("baseline", "l1")):
        torch.manual_seed(seed)
        network = make_network("lenet5", 10, 1.0)
        safetensors.save_file(network.state_dict(), folder / f"{name}.safetensors")
        variants[name] = {
            "checkpoint": f"{name}.safetensors",
            "epochs": 3 + seed,
            "test": {"images": TEST, "correct": RIGHT + seed},
        }
    about = {
        "format": "hwsim sparsify run",
        "version": 1,
        "finished": True,
        "network": "lenet5",
        "width": 1.0,
        "classes": 10,
        "preprocessing": {"mean": [0.0], "std": [1.0]},
        "data": {
            "name": "noise",
            "split_seed": 3,
            "validation_share": 0.2,
            "sha256": open_dataset(data, seed=3).digest(),
        },
        "machine": "1 CPU core",
        "training_seconds": 12.3,
        "variants": variants,
    }
    (folder / "run.json").write_text(json.dumps(about))
    return folder


def test_a_run_is_known_by_its_file_alone(run, tmp_path):
    assert is_run(run)
    assert not is_run(tmp_path)
    (run / "run.json").rename(run / "metrics.json")
    assert is_run(run)


def test_without_pictures_a_row_says_what_the_run_says(run):
    baseline, sparse = entries_of(str(run), Wanted())
    assert [row.variant for row in (baseline, sparse)] == ["baseline", "l1"]
    assert (baseline.network, baseline.data) == ("lenet5", "noise")
    assert (sparse.accuracy["float"].correct, sparse.accuracy["float"].pictures) == (RIGHT + 1, TEST)
    assert list(sparse.accuracy) == ["float"]
    assert sparse.simulated is None
    assert "Trained 4 epochs on 1 CPU core" in sparse.notes[0]
    digest = sha256((run / "l1.safetensors").read_bytes()).hexdigest()
    assert f"SHA-256 {digest[:12]}" in sparse.notes[0]


def test_what_a_run_says_takes_no_torch(run, data, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("hwsim.sparsify", "hwsim.capture"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert [row.variant for row in entries_of(str(run), Wanted())] == ["baseline", "l1"]
    with pytest.raises(HwsimError, match="torch, which is not installed: pip install"):
        entries_of(str(run), Wanted(data=data))


def test_with_pictures_a_row_is_measured_in_the_loop_and_from_a_trace(run, data):
    wanted = Wanted(images=2, data=data, pictures=10)
    baseline, _ = entries_of(str(run), wanted)
    parts = open_dataset(data, seed=3)
    torch.manual_seed(0)
    module = make_network("lenet5", 10, 1.0).eval()
    with torch.no_grad():
        answers = module(torch.from_numpy(parts.test.images[:10].astype(np.float32) / 255)).argmax(1)
    right = int((answers.numpy() == parts.test.labels[:10]).sum())
    assert (baseline.accuracy["float"].correct, baseline.accuracy["float"].pictures) == (right, 10)
    assert list(baseline.accuracy) == ["float", "16", "12", "10", "8", "6", "4"]
    assert (baseline.simulated.images, baseline.simulated.bits) == (2, 16)
    assert "In the loop: 10 pictures" in baseline.notes[1]


def test_few_pictures_are_spread_over_the_test_part(run, data):
    """A data set may be sorted by class."""
    parts = open_dataset(data, seed=3)
    chosen = Labelled.of_run(open_run(run), data, 4)
    assert chosen.labels.tolist() == parts.test.labels[[0, 3, 6, 9]].tolist()
    for number, place in enumerate((0, 3, 6, 9)):
        expected = parts.test.images[place].astype(np.float32) / 255
        np.testing.assert_allclose(chosen.test[number], expected, atol=1e-6)


def test_a_trace_in_the_folder_is_taken_as_it_is(run):
    images = [np.random.default_rng(seed).random((1, 28, 28), np.float32) for seed in range(3)]
    network = TorchNetwork(make_network("lenet5", 10, 1.0).eval(), "lenet5")
    capture(network, images[:2], images[2:], run / "l1.zarr.zip", bits=12, variant="l1")
    baseline, sparse = entries_of(str(run), Wanted(images=1))
    assert baseline.simulated is None
    assert (sparse.simulated.trace, sparse.simulated.images, sparse.simulated.bits) == ("l1.zarr.zip", 1, 12)


def test_a_width_is_part_of_the_networks_name(run):
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text.replace('"width": 1.0', '"width": 0.25'))
    assert entries_of(str(run), Wanted())[0].network == "lenet5, width 0.25"


def test_other_pictures_than_those_of_the_run_are_refused(run, tmp_path):
    pictures = np.zeros((100, 28, 28), np.uint8)
    labels = np.arange(100) % 10
    np.savez(tmp_path / "x.npz", x_train=pictures, y_train=labels, x_test=pictures, y_test=labels)
    with pytest.raises(HwsimError, match="is not the data set noise of the run"):
        entries_of(str(run), Wanted(data=tmp_path / "x.npz"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda about: about.pop("version"), "cannot be read"),
        (lambda about: about.update(finished=False), "is not finished: go on with 'hwsim sparsify --resume'"),
        (lambda about: about["variants"]["l1"].pop("test"), "is damaged (KeyError: 'test')"),
        (lambda about: about["variants"]["l1"]["test"].update(correct=99), "99 right of 12 pictures"),
        (lambda about: about.update(variants={"l1": None}), "is damaged (TypeError"),
        (lambda about: about["variants"]["l1"].update(checkpoint="none"), "No such file"),
    ],
)
def test_an_unfinished_or_damaged_run_is_one_clear_line(hwsim, run, tmp_path, change, reason):
    about = json.loads((run / "run.json").read_text())
    change(about)
    (run / "run.json").write_text(json.dumps(about))
    code, _, err = hwsim("reproduce", run, "-o", tmp_path / "out", "-q")
    assert (code, err.count("\n")) == (1, 1)
    assert reason in err
