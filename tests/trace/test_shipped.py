"""The traces that come with the package: whole, and true to the network that they say they are of."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from reference_lenet5 import folded, forward, pool, sums

from hwsim import open_trace
from hwsim.quantize import dequantize, integers
from hwsim.reference import run_layer, run_network
from hwsim.trace import StoredTrace

FOLDER = Path(__file__).parents[2] / "traces" / "lenet5_digits"
VARIANTS = ("baseline", "sparse")
HIDDEN = ("conv1", "conv2", "fc1", "fc2")
POOLED = ("conv1", "conv2")


@pytest.fixture(scope="module")
def traces() -> dict[str, StoredTrace]:
    return {variant: open_trace(FOLDER / f"{variant}.zarr.zip") for variant in VARIANTS}


@pytest.fixture(params=VARIANTS)
def trace(request, traces) -> StoredTrace:
    return traces[request.param]


@pytest.fixture(scope="module")
def metrics() -> dict:
    return json.loads((FOLDER / "metrics.json").read_text())


def checkpoint(variant: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weights and biases of every layer, as the file of the variant has them."""
    safetensors = pytest.importorskip("safetensors.numpy")
    return folded(safetensors.load_file(FOLDER / f"{variant}.safetensors"))


def density(trace: StoredTrace, name: str) -> float:
    nonzeros = sum(np.count_nonzero(trace.map(name, image)) for image in range(trace.images))
    return nonzeros / (trace.images * np.prod(trace.maps[name].shape))


def test_both_traces_take_less_than_2_mb():
    assert sum((FOLDER / f"{variant}.zarr.zip").stat().st_size for variant in VARIANTS) < 2_000_000


def test_a_trace_is_whole(trace):
    trace.check()


def test_a_trace_says_what_it_is(traces):
    for variant, trace in traces.items():
        assert (trace.network, trace.variant, trace.synthetic) == ("lenet5", variant, False)
        assert (trace.images, trace.weight_bits) == (32, 8)
        assert {info.bits for info in trace.maps.values()} == {16}
        assert trace.provenance["recipe"] == "traces/sparsified.py, from a run of hwsim sparsify"
        assert trace.provenance["data"] == "digits"


def test_a_trace_has_the_geometry_of_lenet5(trace):
    assert [layer.weight_shape[0] for layer in trace.layers] == [6, 16, 120, 84, 10]
    assert sum(np.prod(layer.weight_shape) + layer.out_shape[0] for layer in trace.layers) == 61_706
    # At the borders of 28x28 the five taps of a row or column are 3, 4, 5 ... 5, 4, 3: 134 instead of 140.
    assert sum(layer.macs for layer in trace.layers) == 6 * 134**2 + 240_000 + 48_000 + 10_080 + 840
    assert [layer.output for layer in trace.layers] == [layer.input for layer in trace.layers[1:]] + [None]


def test_both_traces_are_of_the_same_pictures(traces):
    baseline, sparse = traces.values()
    assert baseline.provenance["image_indices"] == sparse.provenance["image_indices"]
    assert baseline.metrics["labels"] == sparse.metrics["labels"]
    for image in range(baseline.images):
        np.testing.assert_array_equal(baseline.map("image", image), sparse.map("image", image))


def test_every_layer_run_again_makes_the_next_map_and_the_answers(trace):
    answers = []
    for image in range(trace.images):
        for layer in trace.layers:
            info, drain = trace.maps[layer.input], trace.requantize(layer)
            made = run_layer(layer, trace.map(layer.input, image), trace.weights(layer), drain, info.signed)
            if layer.output is not None:
                made = pool(made) if layer.name in POOLED else made
                expected = trace.map(layer.output, image)
                np.testing.assert_array_equal(made.reshape(expected.shape), expected)
        answers.append(int(integers(made.ravel(), drain.signed).argmax()))
    assert answers == trace.metrics["predictions"]


def test_the_trace_says_itself_what_lies_between_its_maps(trace):
    made = run_network(trace, 0)
    for name in HIDDEN:
        np.testing.assert_array_equal(made[name], trace.map(name, 0))


def test_accumulators_never_wrap(trace):
    for image in range(0, trace.images, 8):
        for layer in trace.layers:
            weights = np.abs(trace.weights(layer).astype(np.int64))
            bias = np.abs(trace.requantize(layer).bias.astype(np.int64))
            codes = trace.map(layer.input, image).astype(np.int64)
            if layer.kind == "linear":
                largest = weights[:, :, 0, 0] @ codes.ravel() + bias
            else:
                y, x = layer.padding
                codes = np.pad(codes, ((0, 0), (y, y), (x, x)))
                windows = np.lib.stride_tricks.sliding_window_view(codes, layer.kernel, axis=(1, 2))
                largest = np.einsum("mckl,cyxkl->myx", weights, windows).max(axis=(1, 2)) + bias
            assert largest.max() < 1 << 31


def test_every_layer_does_what_the_checkpoint_says_within_its_rounding(trace):
    network = checkpoint(trace.variant)
    for image in range(0, trace.images, 4):
        for layer in trace.layers[:-1]:
            info, made = trace.maps[layer.input], trace.maps[layer.output]
            weight, bias = network[layer.name]
            values = dequantize(trace.map(layer.input, image), info.scale)
            real = sums(weight, bias, values)
            # Half a step of every weight, of the bias, of the multiplier and of the code that is made.
            step = np.reshape(trace.weight_scale(layer), (-1, 1, 1))
            ratio = 0.5 / trace.requantize(layer).multiplier[:, None, None]
            error = step / 2 * (sums(np.ones_like(weight), np.zeros_like(bias), values) + info.scale)
            error = error * (1 + ratio) + np.abs(real) * ratio + 0.5001 * made.scale
            real = np.clip(real, 0, 65535 * made.scale)
            if layer.name in POOLED:
                real, error = pool(real), pool(error)
            found = dequantize(trace.map(layer.output, image), made.scale)
            assert (np.abs(found - real.reshape(found.shape)) <= error.reshape(found.shape)).all()


def test_weights_are_those_of_the_checkpoint_to_half_a_step(trace):
    network = checkpoint(trace.variant)
    for layer in trace.layers:
        step = np.reshape(trace.weight_scale(layer), (-1, 1, 1, 1))
        error = np.abs(trace.weights(layer) * step - network[layer.name][0].reshape(layer.weight_shape))
        assert (error <= 0.5001 * step).all()


def test_answers_are_those_of_the_checkpoint(trace):
    network, answers = checkpoint(trace.variant), []
    for image in range(trace.images):
        picture = dequantize(trace.map("image", image), trace.maps["image"].scale)
        answers.append(int(forward(network, picture)[1].argmax()))
    assert answers == trace.metrics["predictions"]


def test_a_map_has_one_order_wherever_it_is_named(trace):
    for layer in trace.layers[:-1]:
        assert trace.requantize(layer).order == trace.maps[layer.output].order


def test_sparse_is_much_sparser_where_the_multiplications_are(traces):
    baseline, sparse = traces.values()
    for name in ("conv1", "conv2"):  # fc2 and fc3 have one multiplication of forty, and so much of the term
        assert density(sparse, name) < 0.7 * density(baseline, name)
    lost = baseline.metrics["accuracy_float"] - sparse.metrics["accuracy_float"]
    assert lost < 0.005


def test_densities_of_the_pictures_are_near_those_of_the_whole_test_part(trace):
    for name in trace.maps:
        assert density(trace, name) == pytest.approx(trace.metrics["density"][name], abs=0.03)


def test_metrics_are_the_same_in_trace_and_report(trace, metrics):
    reported = metrics["variants"][trace.variant]
    assert trace.metrics["density"] == reported["density"]
    assert trace.metrics["accuracy_float"] == reported["test"]["accuracy"]
    assert trace.metrics["accuracy_validation"] == reported["validation"]["accuracy"]
    assert trace.metrics["test_images"] == reported["test"]["images"] == metrics["data"]["test"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_file_depends_on_its_contents_alone(variant):
    with zipfile.ZipFile(FOLDER / f"{variant}.zarr.zip") as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
