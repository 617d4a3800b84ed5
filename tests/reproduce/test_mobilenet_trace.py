"""The shipped trace of ImageNet geometry: whole, small, and what integers make of the photograph."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwsim import open_trace, simulate
from hwsim.errors import TraceError
from hwsim.networks import get
from hwsim.quantize import integers
from hwsim.reference import run_layer

FOLDER = Path(__file__).parents[2] / "traces" / "mobilenet_v1_imagenet"
PLACE = FOLDER / "baseline.zarr.zip"


@pytest.fixture(scope="module")
def trace():
    with open_trace(PLACE) as opened:
        yield opened


@pytest.fixture(scope="module")
def metrics():
    return json.loads((FOLDER / "metrics.json").read_text())


def test_it_is_whole_and_takes_less_than_6_and_a_half_mb(trace):
    trace.check()
    assert PLACE.stat().st_size < 6_500_000


def test_it_says_what_it_is(trace):
    assert (trace.network, trace.variant, trace.synthetic, trace.images) == (
        "mobilenet_v1",
        "baseline",
        False,
        1,
    )
    assert {info.bits for info in trace.maps.values()} == {8}
    assert trace.provenance["recipe"] == "traces/mobilenet_v1_imagenet/make.py"
    assert trace.provenance["images"].startswith("flower.jpg")
    assert trace.provenance["calibration"].startswith("china.jpg")


def test_it_has_the_geometry_of_mobilenet(trace):
    known = {layer.name: layer for layer in get("mobilenet_v1").layers}
    assert [layer.name for layer in trace.layers] == list(known)
    for layer in trace.layers[:-1]:
        own = known[layer.name]
        assert (layer.kind, layer.in_shape, layer.out_shape, layer.kernel, layer.stride) == (
            *(own.kind, own.in_shape, own.out_shape, own.kernel, own.stride),
        )
    assert trace.layers[-1].out_shape == (1001, 1, 1)  # with the background


@pytest.mark.parametrize("name", ["conv0", "conv1.dw", "conv2.dw", "conv6.pw", "conv12.dw", "conv13.dw"])
def test_a_layer_run_again_makes_the_next_map_bit_for_bit(trace, name):
    layer = next(layer for layer in trace.layers if layer.name == name)
    codes, signed = trace.map(layer.input, 0), trace.maps[layer.input].signed
    made = run_layer(layer, codes, trace.weights(layer), trace.requantize(layer), signed)
    np.testing.assert_array_equal(made, trace.map(layer.output, 0))


def test_a_channel_of_a_depthwise_layer_is_what_its_sums_say(trace):
    """By hand, from the definition: one output pixel after the other."""
    layer = next(layer for layer in trace.layers if layer.name == "conv13.dw")
    codes = np.pad(trace.map(layer.input, 0)[5].astype(int), 1)
    weights, drain = trace.weights(layer)[5, 0].astype(int), trace.requantize(layer)
    made = trace.map(layer.output, 0)[5]
    for y, x in np.ndindex(made.shape):
        sums = (codes[y : y + 3, x : x + 3] * weights).sum() + int(drain.bias[5])
        value = (sums * int(drain.multiplier[5]) + (1 << (drain.shift - 1))) >> drain.shift
        assert made[y, x] == np.clip(value, 0, 255)


def test_the_mean_before_the_last_layer_is_that_of_its_maker(trace):
    layer = next(layer for layer in trace.layers if layer.name == "conv13.pw")
    drain = trace.requantize(layer)
    made = run_layer(layer, trace.map(layer.input, 0), trace.weights(layer), drain)
    real = integers(made, drain.signed).mean(axis=(1, 2)) * trace.provenance["drain_scales"]["conv13.pw"]
    info = trace.maps[layer.output]
    np.testing.assert_array_equal(np.rint(real / info.scale).clip(0, 255), trace.map(layer.output, 0).ravel())


def test_the_last_layer_alone_has_no_weights(trace):
    with pytest.raises(TraceError, match="no weights of fc"):
        trace.weights("fc")
    assert [trace.weights(layer).size > 0 for layer in trace.layers[:-1]]


def test_it_simulates_and_skips_most_of_the_zeros(trace):
    result = simulate(trace)
    assert 1.3 < result.speedup < result.mac_ratio
    nonzeros = sum(np.count_nonzero(trace.map(layer.input, 0)) for layer in trace.layers)
    assert result.density == pytest.approx(nonzeros / sum(np.prod(layer.in_shape) for layer in trace.layers))


def test_its_accuracy_is_that_of_the_recipes_report(trace, metrics):
    for key in ("accuracy", "accuracy_float", "test_images", "top5_of_the_photograph"):
        assert trace.metrics[key] == metrics[key]
    assert metrics["test_images"] == 200


def test_the_readme_names_licences_and_the_measured_accuracy(metrics):
    text = (FOLDER / "README.md").read_text()
    assert "Apache-2.0" in text
    assert "CC BY 2.0" in text
    for key in ("accuracy", "accuracy_float"):
        assert f"{metrics[key] * 100:.1f} %" in text


def test_the_file_depends_on_its_contents_alone():
    with zipfile.ZipFile(PLACE) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
