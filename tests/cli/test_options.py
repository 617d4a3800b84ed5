"""Odd numbers on the command line: one line and an exit code, and nothing is made of them first."""

import tracemalloc

import pytest

from hwsim.errors import HwsimError, TraceError
from hwsim.sparsify.settings import Settings
from hwsim.synthetic import synthesize
from traces import Tiny

LONG = "1" * 5000
WRONG = (float("nan"), float("inf"), -1.0, 0.0, 1e300)


@pytest.fixture
def trace(tmp_path):
    return Tiny().write(tmp_path / "t.zip")


def refused(hwsim, *words) -> str:
    """The one line on stderr; no more memory than a few objects take."""
    code, out, error = hwsim(*words)
    assert code in (1, 2), error
    assert out == ""
    assert error.count("\n") == 1
    assert len(error) < 400
    return error


@pytest.mark.parametrize("number", ["2000000000", str(10**21), "3", "0,2", f"0,{10**30}"])
def test_more_images_than_there_are_are_not_counted_out(hwsim, trace, number):
    tracemalloc.start()
    error = refused(hwsim, "run", trace, "--images", number)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "has images 0 .. 1" in error
    assert peak < 50 << 20


@pytest.mark.parametrize(
    "number", ["0", "-1", "1,1", "0,-1", "nan", "1e3", "", ",", "²", LONG, "1" + "0" * 5000]
)
def test_what_is_no_number_of_images_is_named(hwsim, trace, number):
    refused(hwsim, "run", trace, f"--images={number}")


def test_the_first_images_and_a_list_are_told_apart(hwsim, trace):
    for number in ("1", "2", "0", "1,", "0,1", "1,0"):
        code, _, _ = hwsim("run", trace, "-q", f"--images={number}")
        assert code == (2 if number == "0" else 0), number


@pytest.mark.parametrize("number", ["2000000000", str(10**21), "0", "-1", "nan", "1.5", "x", LONG])
def test_synth_makes_no_more_images_than_a_trace_holds(hwsim, tmp_path, number):
    refused(hwsim, "synth", "lenet5", "-o", tmp_path / "t", "--images", number)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "-0.1", "1.1", "1e400", "x", LONG])
def test_a_density_is_within_0_and_1(hwsim, tmp_path, number):
    refused(hwsim, "synth", "lenet5", "-o", tmp_path / "t", "--density", number)


def test_a_long_seed_is_a_seed(tmp_path):
    synthesize("lenet5", tmp_path / "t", seed=int("1" * 4000))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: value} for name in ("width", "rate", "tune_rate", "delta") for value in WRONG),
        *({"alphas": (1.0, value)} for value in WRONG),
        *({name: value} for name in ("epochs", "tune_epochs") for value in (0, -1, 10**21)),
        *({"seed": value} for value in (-1, 10**21, 2**63)),
    ],
)
def test_a_training_takes_no_number_that_it_cannot_be_done_with(changes):
    with pytest.raises(HwsimError) as error:
        Settings("lenet5", **changes)
    assert not isinstance(error.value, TraceError)


@pytest.mark.parametrize("option", ["--size", "--crop"])
@pytest.mark.parametrize("number", ["-1", "1000000", str(10**21), "nan", LONG])
def test_no_picture_is_made_of_any_size(hwsim, tmp_path, option, number):
    assert option in refused(
        hwsim, "capture", "lenet5", "--images", tmp_path, "-o", tmp_path / "t", option, number
    )


@pytest.mark.parametrize("option", ["--percentile", "--headroom", "--count", "--bits"])
@pytest.mark.parametrize("number", ["nan", "inf", "-1", "1e400", "x", LONG])
def test_no_option_of_a_capture_takes_what_is_no_number(hwsim, tmp_path, option, number):
    assert option in refused(
        hwsim, "capture", "lenet5", "--images", tmp_path, "-o", tmp_path / "t", option, number
    )


@pytest.mark.parametrize("option", ["--mean", "--std"])
@pytest.mark.parametrize("number", ["nan", "1,inf,1", "1e400", "x", "", "1,,1", LONG])
def test_no_normalization_is_anything_but_finite(hwsim, tmp_path, option, number):
    refused(hwsim, "capture", "lenet5", "--images", tmp_path, "-o", tmp_path / "t", f"{option}={number}")


@pytest.mark.parametrize("number", [str(10**21), LONG, "²", "-1", "0"])
def test_what_is_no_number_of_pictures_to_calibrate_on_is_a_path(hwsim, tmp_path, number):
    refused(hwsim, "capture", "lenet5", "--images", tmp_path, "-o", tmp_path / "t", f"--calibrate={number}")
