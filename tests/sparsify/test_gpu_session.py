from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tiny_networks import bars

from hwsim.errors import HwsimError
from hwsim.sparsify.folder import open_run
from hwsim.trace.shipped import shipped_traces

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import gpu_session

TINY = "tiny_networks:Tiny"
QUICK = ["--epochs", "2", "--tune-epochs", "1", "--repeats", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    place = tmp_path_factory.mktemp("data") / "bars.npz"
    parts = {name: bars(count, seed) for name, count, seed in (("train", 200, 1), ("test", 60, 2))}
    arrays = {f"x_{name}": part.images[:, 0] for name, part in parts.items()}
    np.savez(place, **arrays, **{f"y_{name}": part.labels for name, part in parts.items()})
    return place


def test_a_session_measures_trains_and_says_what_it_did(data, tmp_path, capsys):
    trace = str(shipped_traces()["lenet5_digits/sparse"])
    command = ["--data", str(data), "--out", str(tmp_path), "--train", TINY, "--traces", trace, *QUICK]
    gpu_session.main(command)
    said = capsys.readouterr().out
    about = open_run(tmp_path / "tiny_networks_Tiny").about
    assert about["finished"]
    assert set(about["history"]) == {"baseline", "control", "alpha-0.2"}
    assert all(epoch["bfloat16"] for epochs in about["history"].values() for epoch in epochs)
    assert f"control {about['variants']['control']['test']['accuracy']:.2%}" in said
    assert "lenet5_sparse" in said
    gpu_session.main(["--read", str(tmp_path)])  # its outputs are read by the same code
    assert capsys.readouterr().out == said


def test_a_session_whose_time_is_over_leaves_states_to_go_on_from(data, tmp_path, capsys):
    job = gpu_session.job(TINY, arguments(tmp_path, data))
    assert not gpu_session.side_by_side([(job, "baseline")], deadline=0.0)
    (tmp_path / "tiny_networks_Tiny" / "stages").mkdir(parents=True, exist_ok=True)
    gpu_session.main(["--read", str(tmp_path)])
    assert "test not measured" in capsys.readouterr().out
    gpu_session.train(job, "baseline")
    gpu_session.main(["--read", str(tmp_path)])
    assert "baseline 2 epochs, done" in capsys.readouterr().out


def test_a_control_before_its_baseline_is_told(data, tmp_path, capsys):
    with pytest.raises(SystemExit, match="no baseline that is done"):
        gpu_session.train(gpu_session.job(TINY, arguments(tmp_path, data)), "control")


def test_a_training_that_fails_ends_the_session(data, tmp_path):
    lost = gpu_session.job("tiny_networks:no_such", arguments(tmp_path, data))
    with pytest.raises(HwsimError, match="no_such, baseline: failed"):
        gpu_session.side_by_side([(lost, "baseline")], deadline=time.monotonic() + 300)


def test_networks_are_named_with_their_width(data, tmp_path):
    args = arguments(tmp_path, data)
    wide = gpu_session.job("resnet18:1.0", args)
    assert (wide.settings.network, wide.settings.width, wide.settings.alphas) == ("resnet18", 1.0, (0.2,))
    assert gpu_session.job(TINY, args).settings.width == 1.0


def test_no_gpu_is_no_measurement(tmp_path, capsys):
    gpu_session.main(["--read", str(tmp_path)])
    assert len(capsys.readouterr().out.splitlines()) == 2  # headings alone


def arguments(out, data):
    from argparse import Namespace

    return Namespace(out=out, data=data, device="cpu", alpha=0.2, epochs=2, tune_epochs=1)
