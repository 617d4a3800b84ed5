from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny_networks import bars, bars_data  # noqa: E402

from hwsim.errors import HwsimError  # noqa: E402
from hwsim.sparsify.folder import open_run  # noqa: E402
from hwsim.sparsify.run import sparsify  # noqa: E402
from hwsim.sparsify.settings import Settings  # noqa: E402
from hwsim.sparsify.statistics import paired  # noqa: E402
from hwsim.sparsify.training import evaluate  # noqa: E402

SETTINGS = Settings("tiny_networks:Tiny", epochs=5, tune_epochs=2, alphas=(0.2, 1.0))


@pytest.fixture(scope="module")
def data():
    return bars_data(noise=180)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """An uninterrupted run: its folder, and the lines that it told."""
    folder, lines = tmp_path_factory.mktemp("runs") / "whole", []
    sparsify(SETTINGS, data, folder, tell=lines.append)
    return folder, lines


def test_a_run_measures_every_variant_with_what_its_checkpoint_holds(data, whole):
    run = open_run(whole[0])
    assert run.about["finished"]
    assert {"baseline", "control", "l1"} <= set(run.variants)
    pictures = np.load(whole[0] / "per_picture.npz")
    for name in run.variants:
        facts, module = run.about["variants"][name], run.module(name)
        network = {key: tensor.clone() for key, tensor in module.state_dict().items()}
        for part in ("validation", "test"):
            score = evaluate(module, network, getattr(data, part))
            assert facts[part]["correct"] == score.correct
            assert facts[part]["images"] == 200
            np.testing.assert_array_equal(pictures[f"{part}/{name}/right"], score.right)
            np.testing.assert_array_equal(pictures[f"{part}/{name}/loss"], score.losses)
    assert run.about["variants"]["l1"]["mac_density"] < run.about["variants"]["control"]["mac_density"]


def test_every_variant_is_judged_by_its_pictures(whole):
    about, pictures = open_run(whole[0]).about, np.load(whole[0] / "per_picture.npz")
    for part, variants in about["judged"].items():
        assert variants["baseline"] == {}
        assert set(variants["l1"]) == {"control", "baseline"}
        for name, references in variants.items():
            for reference, said in references.items():
                arrays = [
                    pictures[f"{part}/{one}/{what}"]
                    for one in (name, reference)
                    for what in ("right", "loss")
                ]
                found = paired(*arrays)
                assert said["difference"] == found.difference
                assert said["no_loss"] == found.no_loss(SETTINGS.delta)
                assert said["interval"] == pytest.approx(found.interval)


def test_a_run_notes_what_was_done(whole):
    about = open_run(whole[0]).about
    assert [one["name"] for one in about["maps"]] == ["image", "conv1", "conv2"]
    assert len(about["history"]["baseline"]) == 5
    assert [trial["alpha"] for trial in about["trials"]] == [0.2, 1.0]
    assert {"control", "alpha-0.2", "alpha-1"} <= set(about["history"])
    assert all(len(epochs) == 2 for name, epochs in about["history"].items() if name != "baseline")
    final = about["variants"]["l1"]
    assert final["alpha"] == about["curve"]["alpha"] <= 1.0
    assert final["epochs"] == about["variants"]["control"]["epochs"] == 7
    spent = sum(epoch["seconds"] for stage in about["history"].values() for epoch in stage)
    assert about["training_seconds"] == pytest.approx(spent, abs=0.1)
    assert (whole[0] / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_one_alpha_is_trained_and_kept(data, tmp_path):
    settings = Settings("tiny_networks:Tiny", method="l1", epochs=2, tune_epochs=1, alphas=(3.0,))
    about = sparsify(settings, data, tmp_path, tell=lambda _: None)
    assert list(about["variants"]) == ["baseline", "control", "l1"]
    assert about["curve"] is None
    assert list(about["history"]) == ["baseline", "control", "alpha-3"]


def test_a_baseline_without_slack_is_told(data, whole):
    slack = open_run(whole[0]).about["slack"]
    assert not slack["clear"]  # the noise is the same in all pictures
    assert slack["error"] > 0
    assert any(line.startswith("no slack: training pictures") for line in whole[1])


def test_a_step_in_bfloat16_is_timed_and_told_first(data, tmp_path):
    lines = []
    settings = Settings("tiny_networks:Tiny", method="fatrelu", epochs=1, bfloat16=True)
    about = sparsify(settings, data, tmp_path, tell=lines.append)
    assert "s in bfloat16" in lines[0]
    assert [epoch["bfloat16"] for epoch in about["history"]["baseline"]] == [True]


@pytest.mark.parametrize(
    ("factory", "words"),
    [("too_few_outputs", "has 3 outputs, the data set 4 classes"), ("no_relu", "no map of .* has zeros")],
)
def test_a_network_that_cannot_be_made_sparse_is_told_before_anything_is_trained(
    data, tmp_path, factory, words
):
    with pytest.raises(HwsimError, match=words):
        sparsify(Settings(f"tiny_networks:{factory}"), data, tmp_path / "run", tell=pytest.fail)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("lines", [3, 9])
def test_a_run_that_is_taken_up_again_gives_the_files_of_an_uninterrupted_one(data, whole, tmp_path, lines):
    told = []

    def tell(line):
        told.append(line)
        if len(told) == lines:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sparsify(SETTINGS, data, tmp_path, tell=tell)
    with pytest.raises(HwsimError, match="has a run already: give --resume"):
        sparsify(SETTINGS, data, tmp_path)
    sparsify(SETTINGS, data, tmp_path, resume=True, tell=lambda _: None)
    checkpoints = sorted(file.name for file in whole[0].glob("*.safetensors"))
    assert checkpoints == sorted(file.name for file in tmp_path.glob("*.safetensors"))
    for name in checkpoints:
        assert (tmp_path / name).read_bytes() == (whole[0] / name).read_bytes()
    abouts = [timeless(open_run(folder).about) for folder in (whole[0], tmp_path)]
    assert abouts[0] == abouts[1]
    assert not list(tmp_path.rglob("*.partial"))


def timeless(value):
    """Without seconds."""
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if "seconds" not in key}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def test_a_run_of_other_settings_or_data_is_not_gone_on_with(data, whole):
    with pytest.raises(HwsimError, match="another tune_epochs"):
        sparsify(replace(SETTINGS, tune_epochs=3), data, whole[0], resume=True)
    with pytest.raises(HwsimError, match="another sha256"):
        sparsify(SETTINGS, bars_data(noise=150), whole[0], resume=True)


def test_a_run_of_other_weights_is_not_gone_on_with(data, whole, tmp_path):
    settings = Settings("tiny_networks:Tiny", method="fatrelu")
    sparsify(settings, data, tmp_path, weights=whole[0] / "baseline.safetensors", tell=lambda _: None)
    for weights in (whole[0] / "l1.safetensors", None):
        with pytest.raises(HwsimError, match="another weights_sha256"):
            sparsify(settings, data, tmp_path, weights=weights, resume=True)


def test_weights_that_are_given_are_the_baseline(data, whole, tmp_path):
    settings = Settings("tiny_networks:Tiny", method="fatrelu")
    about = sparsify(settings, data, tmp_path, weights=whole[0] / "baseline.safetensors", tell=lambda _: None)
    given = open_run(whole[0]).about["variants"]["baseline"]
    assert about["variants"]["baseline"]["validation"] == given["validation"]
    assert about["variants"]["baseline"]["epochs"] == 0
    assert not about["history"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "l2"}, "give l1, fatrelu, both"),
        ({"epochs": 0}, "epochs are 1 .. "),
        ({"width": 0.0}, "above 0"),
        ({"alphas": (1.0, 0.0)}, "above 0"),
    ],
)
def test_settings_that_make_no_sense_are_told(changes, words):
    with pytest.raises(HwsimError, match=words):
        Settings("lenet5", **changes)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "other", "version": 1, "variants": {}}'])
def test_a_damaged_folder_is_told_in_one_line(tmp_path, text):
    with pytest.raises(HwsimError, match="is no folder of a run"):
        open_run(tmp_path)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(HwsimError, match=r"run\.json") as told:
        open_run(tmp_path)
    assert "\n" not in str(told.value)


def test_a_variant_that_is_not_there_is_told(whole):
    with pytest.raises(HwsimError, match="no variant 'other': give one of baseline"):
        open_run(whole[0]).module("other")


@pytest.fixture
def pictures(tmp_path):
    """A file of pictures that LeNet-5 takes."""
    arrays = {}
    for which, count in (("train", 120), ("test", 40)):
        part = bars(count, count)
        arrays[f"x_{which}"] = np.kron(part.images[:, 0], np.ones((3, 3), np.uint8))[:, :28, :28]
        arrays[f"x_{which}"] = np.pad(arrays[f"x_{which}"], ((0, 0), (0, 4), (0, 4)))[:, :28, :28]
        arrays[f"y_{which}"] = part.labels
    np.savez(tmp_path / "bars.npz", **arrays)
    return tmp_path / "bars.npz"


def test_the_command_trains_and_shows_a_table(hwsim, pictures, tmp_path):
    command = ["sparsify", "lenet5", "--data", pictures, "--out", tmp_path / "run", "--epochs", "1"]
    command += ["--tune-epochs", "1", "--alpha", "0.5"]
    code, shown, told = hwsim(*command)
    assert code == 0, told
    assert "baseline" in shown
    assert "density" in shown
    assert "not shown" in shown  # forty pictures show no absence of loss
    code, _, told = hwsim(*command)
    assert code == 1
    assert told.splitlines() == [
        f"hwsim: {tmp_path / 'run'} has a run already: give --resume to go on with it, or another --out"
    ]
    code, shown, _ = hwsim(*command, "--resume", "--json")
    assert code == 0
    document = json.loads(shown)
    assert document["finished"]
    code, shown, _ = hwsim(*command, "--resume", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert code == 0
    assert [row["variant"] for row in rows] == list(document["variants"])
    assert [float(row["test"]) for row in rows] == [
        facts["test"]["accuracy"] for facts in document["variants"].values()
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--alpha", "1,much"], "--alpha 1,much: give auto, a number, or several"),
        (["--method", "l2"], "give l1, fatrelu, both"),
        (["--weights", "none.safetensors"], "there is no file none.safetensors"),
    ],
)
def test_the_command_tells_wrong_options_in_one_line(hwsim, pictures, tmp_path, options, words):
    code, _, told = hwsim("sparsify", "lenet5", "--data", pictures, "--out", tmp_path / "run", *options)
    assert code in (1, 2)
    assert words in told
    assert len(told.splitlines()) == 1
