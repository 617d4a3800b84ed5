"""The recipe of the shipped traces: from a run of hwsim sparsify to a folder of traces."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tiny_networks import bars_data

from hwsim import open_trace
from hwsim.errors import HwsimError
from hwsim.reference import run_network
from hwsim.sparsify.folder import open_run
from hwsim.sparsify.run import sparsify
from hwsim.sparsify.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[2] / "traces"))
import sparsified

SETTINGS = Settings("tiny_networks:Tiny", method="l1", epochs=2, tune_epochs=1, alphas=(1.0,))


@pytest.fixture(scope="module")
def data():
    return bars_data(noise=180)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    sparsify(SETTINGS, data, folder, tell=lambda _: None)
    return open_run(folder)


def test_the_recipe_makes_the_same_bytes_in_every_run(data, run, tmp_path):
    for name in ("one", "two"):
        sparsified.make(run, data, 12, None, False, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {"baseline.zarr.zip", "l1.zarr.zip", "l1.safetensors", "metrics.json"} < set(files)
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_variant_gets_another_name_wherever_it_is_named(data, run, tmp_path):
    sparsified.make(run, data, 3, "sparse", False, tmp_path)
    shipped = open_run(tmp_path)
    assert shipped.variants == ("baseline", "sparse")
    assert shipped.checkpoint("sparse").read_bytes() == run.checkpoint("l1").read_bytes()
    assert set(shipped.about["judged"]["test"]) == {"baseline", "control", "sparse"}
    assert "l1" not in json.dumps([shipped.about["variants"], shipped.about["judged"]])
    with open_trace(tmp_path / "sparse.zarr.zip") as trace, np.load(tmp_path / "per_picture.npz") as pictures:
        assert trace.variant == "sparse"
        assert trace.provenance["weights"] == "sparse.safetensors, trained by hwsim sparsify"
        assert pictures["test/sparse/right"].sum() == run.about["variants"]["l1"]["test"]["correct"]
        assert len(pictures) == 2 * 3 * 2  # parts, variants, answers and losses


def test_pictures_are_taken_from_every_class_in_turn(data):
    labels = data.test.labels
    chosen = sparsified.spread(data.test, 25)
    classes = np.unique(labels)
    assert labels[chosen].tolist() == np.resize(classes, 25).tolist()
    for label in classes:
        places = [place for place in chosen if labels[place] == label]
        assert places == np.flatnonzero(labels == label)[: len(places)].tolist()


def test_a_run_without_a_sparse_network_is_refused(data, run, tmp_path):
    run.about["finished"] = False
    try:
        with pytest.raises(HwsimError, match="is not finished"):
            sparsified.make(run, data, 3, None, False, tmp_path)
    finally:
        run.about["finished"] = True


def test_maps_are_made_in_integers_if_asked_for(data, run, tmp_path):
    sparsified.make(run, data, 3, None, True, tmp_path / "exact")
    sparsified.make(run, data, 3, None, False, tmp_path / "captured")
    with (
        open_trace(tmp_path / "exact" / "l1.zarr.zip") as exact,
        open_trace(tmp_path / "captured" / "l1.zarr.zip") as captured,
    ):
        exact.check()
        differ = 0
        for number in range(3):
            made = run_network(exact, number)
            for name in exact.maps:
                np.testing.assert_array_equal(exact.map(name, number), made[name])
                differ += not np.array_equal(exact.map(name, number), captured.map(name, number))
            np.testing.assert_array_equal(exact.map("image", number), captured.map("image", number))
        assert differ  # 8-bit weights are in the one, not in the other
        assert exact.row_counts("conv1").tolist() == captured.row_counts("conv1").tolist()
        assert len(exact.metrics["predictions"]) == 3
