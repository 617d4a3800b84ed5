"""``hwsim capture``: options, what it prints, and one line for every error."""

import importlib

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from hwsim import open_trace
from hwsim.errors import HwsimError

torch = pytest.importorskip("torch")
command = importlib.import_module("hwsim.cli.capture")
record = importlib.import_module("hwsim.capture.record")
from small_networks import SHAPE  # noqa: E402

SOURCE = "small_networks:Everything"


@pytest.fixture
def capture():
    """Run the command: its result; errors are not caught."""
    app = typer.Typer()
    app.command()(command.capture)

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return run


@pytest.fixture
def images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, *SHAPE), np.uint8)
    np.save(tmp_path / "images.npy", pixels)
    return tmp_path / "images.npy"


def test_the_last_pictures_calibrate_and_the_others_are_measured(capture, images, tmp_path):
    place = tmp_path / "t.zarr.zip"
    result = capture(SOURCE, "--images", images, "--calibrate", 3, "-o", place, "--bits", 8)
    assert result.exit_code == 0
    assert "Everything, 13 layers, 11 maps, 6 pictures, 8 bits; calibrated on 3 others" in result.stdout
    with open_trace(place) as trace:
        assert (trace.images, trace.maps["image"].bits, trace.variant) == (6, 8, "baseline")
        assert trace.provenance["image_names"] == [f"images[{n}]" for n in range(6)]
        assert trace.provenance["images"] == "images.npy"
        assert trace.provenance["calibration_pictures"] == 3
        real = trace.map("image", 2) * trace.maps["image"].scale
        np.testing.assert_allclose(real, np.load(images)[2] / 255, atol=0.6 / 255)


def test_count_calibration_from_a_file_and_preprocessing(capture, images, tmp_path):
    np.save(tmp_path / "others.npy", np.load(images)[::-1, :, ::-1])
    place = tmp_path / "t.zarr"
    options = ("--mean", "0.5,0.4,0.3", "--std", 0.25, "--variant", "sparse", "--percentile", 99.9)
    others = ("--calibrate", tmp_path / "others.npy", "--count", 2)
    assert capture(SOURCE, "--images", images, *others, *options, "-o", place, "--quiet").stdout == ""
    with open_trace(place) as trace:
        assert (trace.images, trace.variant, trace.maps["image"].signed) == (2, "sparse", True)
        assert trace.provenance["calibration_pictures"] == 9
        assert trace.provenance["calibration_percentile"] == 99.9
        assert trace.provenance["preprocessing"] == {
            **{"mean": [0.5, 0.4, 0.3], "std": [0.25]},
            **{"size": None, "crop": None, "bgr": False, "white": 1.0},
        }


def test_an_interrupted_capture_says_how_to_go_on(capture, images, tmp_path, monkeypatch):
    arguments = (SOURCE, "--images", images, "--calibrate", 3, "-o", tmp_path / "t.zarr")
    write_map = record.TraceWriter.write_map

    def interrupted(writer, name, image, codes, overshoot=None):
        if image == 4:
            raise KeyboardInterrupt
        write_map(writer, name, image, codes, overshoot)

    monkeypatch.setattr(record.TraceWriter, "write_map", interrupted)
    result = capture(*arguments)
    assert result.exit_code != 0
    assert "t.zarr.partial is kept: the same command with --resume goes on" in result.stderr
    monkeypatch.setattr(record.TraceWriter, "write_map", write_map)
    assert capture(*arguments, "--resume").exit_code == 0
    with open_trace(tmp_path / "t.zarr") as trace:
        trace.check()
        assert trace.images == 6


def test_what_is_left_out_is_told(capture, images, tmp_path, monkeypatch):
    (tmp_path / "mixed_for_hwsim.py").write_text(
        "from torch import nn\n"
        "class Gram(nn.Conv2d):\n"
        "    def forward(self, x):\n"
        "        rows = super().forward(x).flatten(2)\n"
        "        return rows @ rows.transpose(1, 2)\n"
        "def make():\n"
        "    return Gram(3, 4, 3)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    arguments = ("mixed_for_hwsim:make", "--images", images, "--calibrate", 2, "-o", tmp_path / "t.zarr")
    with pytest.raises(HwsimError, match="layer bmm: a product of two values that depend"):
        capture(*arguments)
    result = capture(*arguments, "--skip-unsupported")
    assert result.exit_code == 0
    assert "left out: bmm: a product of two values that depend" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--calibrate", "9"), "has 9 pictures, too few"),
        (("--calibrate", "0"), "too few"),
        (("--calibrate", "4", "--count", "6"), "too few for 6 to measure and 4 others"),
        (("--calibrate", "nowhere"), "there is nothing at nowhere"),
        (("--calibrate", "2", "--crop", "11"), "less than --crop 11"),
        (("--calibrate", "2", "--mean", "1,2"), "3 channels, --mean 2 numbers"),
    ],
)
def test_errors_are_one_line(capture, images, tmp_path, options, words):
    with pytest.raises(HwsimError) as error:
        capture(SOURCE, "--images", images, *options, "-o", tmp_path / "t.zarr")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_more_pictures_than_there_are(capture, images, tmp_path):
    np.save(tmp_path / "others.npy", np.load(images)[::-1, :, ::-1])
    with pytest.raises(HwsimError, match="has 9 pictures: --count 10 asks for more"):
        capture(
            *(SOURCE, "--images", images, "--calibrate", tmp_path / "others.npy"),
            *("--count", 10, "-o", tmp_path / "t.zarr"),
        )


def test_the_same_pictures_do_not_calibrate(capture, images, tmp_path):
    with pytest.raises(HwsimError, match="one of those of the calibration"):
        capture(SOURCE, "--images", images, "--calibrate", images, "-o", tmp_path / "t.zarr")


def test_numbers_that_are_none_are_wrong_usage(capture, images, tmp_path):
    result = capture(SOURCE, "--images", images, "--mean", "a,b", "-o", tmp_path / "t.zarr")
    assert result.exit_code == 2
    assert "give numbers with commas between" in result.stderr
