"""Synthetic traces: repeatable, marked, calibrated on an image of their own, and the same in a file."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import hwsim
from hwsim import networks
from hwsim.codec import seg
from hwsim.errors import NetworkError, TraceError
from hwsim.layer import Layer
from hwsim.networks import Network
from hwsim.synthetic import SyntheticTrace, peak_memory, synthesize, synthetic_trace

_NOISE = 8 << 20  # bytes: what the smoothing of a few channels takes at a time


def test_a_map_depends_on_seed_map_and_image_alone():
    once, again = (synthetic_trace("lenet5", 0.3, seed=7, images=2) for _ in range(2))
    assert once.maps == again.maps
    # In another order, and with another number of images.
    more = synthetic_trace("lenet5", 0.3, seed=7, images=5)
    for name in reversed(once.maps):
        np.testing.assert_array_equal(once.map(name, 1), more.map(name, 1))
        assert (once.map(name, 0) != once.map(name, 1)).any()
    other = synthetic_trace("lenet5", 0.3, seed=8)
    assert (once.map("c1", 0) != other.map("c1", 0)).any()
    assert once.map("c1", 0) is once.map("c1", 0)


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_codes_have_the_density_whatever_their_width(bits, density):
    trace = synthetic_trace("lenet5", density, bits=bits)
    for name, shape in trace.maps.items():
        codes = trace.map(name, 0)
        wanted = 1.0 if name == "image" else density
        assert codes.dtype == np.uint16
        assert codes.shape == shape.shape
        assert np.count_nonzero(codes) == round(wanted * codes.size)
        assert codes.max() < 1 << trace.maps[name].bits
    assert trace.maps["image"].bits == min(bits, 8)


def test_values_of_16_bits_use_their_range():
    codes = synthetic_trace("resnet18").map("layer1.0", 0)
    assert codes.max() > 40_000
    assert len(np.unique(codes)) > 20_000


def test_the_order_is_chosen_on_another_image_and_fits():
    trace = synthetic_trace("resnet18", 0.5)
    for name in ("conv1", "layer2.0", "layer3.1"):
        codes = trace.map(name, 0)
        best = seg.encoded_bits(codes, seg.best_order(codes))
        assert seg.encoded_bits(codes, trace.maps[name].order) <= 1.05 * best


def test_the_scale_comes_from_an_image_of_its_own():
    trace = synthetic_trace("resnet18", images=2)
    for image in (0, 1):  # in the one for calibration, every map would reach the largest code
        assert any(trace.map(name, image).max() < 65_000 for name in list(trace.maps)[1:])


def test_maps_of_one_shape_differ():
    trace = synthetic_trace("resnet18")
    assert (trace.map("layer1.0", 0) != trace.map("layer1.1", 0)).any()


def test_a_synthetic_trace_says_so_and_has_no_weights():
    trace = synthetic_trace("resnet18", 0.25, seed=3)
    assert trace.synthetic
    assert trace.title == "synthetic resnet18"
    assert trace.provenance["seed"] == 3
    assert trace.provenance["density"]["layer1.0"] == 0.25
    assert "made-up" in trace.provenance["recipe"]
    for ask in (trace.weights, trace.weight_scale, trace.requantize):
        with pytest.raises(TraceError, match="synthetic resnet18 has no weights"):
            ask(trace.layers[0])
    for name, image in (("conv9", 0), ("conv1", 1), ("conv1", -1)):
        with pytest.raises(TraceError, match=f"no map {name} of image {image}"):
            trace.map(name, image)


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"images": 0}, {"bits": 0}, {"bits": 17}])
def test_arguments_out_of_range_are_one_line(arguments):
    with pytest.raises(NetworkError, match="seed must be 0 or more, images 1 or more"):
        SyntheticTrace(networks.get("lenet5"), **arguments)


def test_a_trace_in_a_file_is_the_one_in_memory(tmp_path):
    calls = []
    path = tmp_path / "lenet5.zip"
    synthesize(
        "LeNet-5", path, {"c3": 0.1, "default": 0.6}, seed=5, images=2, bits=12, progress=record(calls)
    )
    memory = synthetic_trace("lenet5", {"c3": 0.1, "default": 0.6}, seed=5, images=2, bits=12)
    with hwsim.open_trace(path) as stored:
        assert stored.synthetic
        assert (stored.network, stored.variant, stored.images) == ("lenet5", "synthetic", 2)
        assert stored.layers == memory.layers
        assert stored.maps == memory.maps
        assert stored.provenance.items() >= memory.provenance.items()
        for name in memory.maps:
            for image in range(2):
                np.testing.assert_array_equal(stored.map(name, image), memory.map(name, image))
        with pytest.raises(TraceError):
            stored.weights(stored.layers[0])
    assert calls == [(done, 15) for done in range(1, 16)]  # five maps: to calibrate on, and of two images


def record(calls):
    return lambda done, total: calls.append((done, total))


def test_what_a_map_takes_is_known_before_it_is_made():
    network = Network("n", (Layer("l", "conv", "x", (64, 40, 30), (4, 40, 30)),), "test")
    name, most = peak_memory(network)
    assert name == "x"
    tracemalloc.start()
    SyntheticTrace(network, 0.5, images=2).make("x", 1)
    assert most / 2 < tracemalloc.get_traced_memory()[1] < most + _NOISE
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("in_shape", "out_shape"),
    [
        ((1, 1 << 16, (1 << 15) + 1), (1, 2, 3)),
        ((1, 2, 3), (1 << 30, 2, 3)),
        ((1 << 17, 1, 1), (1 << 17, 1, 1)),
    ],
    ids=["map", "result", "weights"],
)
def test_layers_too_large_for_a_trace_are_told_before_anything_is_made(in_shape, out_shape):
    network = Network("n", (Layer("huge", "conv", "x", in_shape, out_shape),), "test")
    for ask in (peak_memory, SyntheticTrace):
        with pytest.raises(NetworkError, match="layer huge has a map or weights of more than"):
            ask(network)


def test_a_trace_that_is_there_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "trace"
    synthesize("lenet5", path)
    with pytest.raises(TraceError):
        synthesize("lenet5", path, seed=1)
    synthesize("lenet5", path, seed=1, overwrite=True)
    with hwsim.open_trace(path) as trace:
        assert trace.provenance["seed"] == 1


def test_a_writing_that_stopped_is_gone_on_with_to_the_same_bytes(tmp_path):
    class Stopped(Exception):
        pass

    def stop(done, total):
        if done == total - 3:  # in the last of 3 images
            raise Stopped

    synthesize("lenet5", tmp_path / "whole.zip", 0.3, images=3)
    with pytest.raises(Stopped):
        synthesize("lenet5", tmp_path / "t.zip", 0.3, images=3, progress=stop, resume=True)
    with pytest.raises(TraceError, match="resume it"):
        synthesize("lenet5", tmp_path / "t.zip", 0.3, images=3)
    synthesize("lenet5", tmp_path / "t.zip", 0.3, images=3, resume=True)
    assert (tmp_path / "t.zip").read_bytes() == (tmp_path / "whole.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.zip", "whole.zip"]


def test_a_topology_becomes_a_trace(tmp_path):
    topology = tmp_path / "small.csv"
    topology.write_text(
        "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
        "a, 6, 6, 3, 3, 2, 4, 1,\nb, 4, 4, 1, 1, 4, 3, 1,\n",
        encoding="utf-8",
    )
    trace = synthetic_trace(topology, 0.5)
    assert {name: info.shape for name, info in trace.maps.items()} == {"a.input": (2, 6, 6), "a": (4, 4, 4)}
    assert np.count_nonzero(trace.map("a", 0)) == 32


def test_a_trace_in_memory_is_simulated_as_the_same_trace_in_a_file(tmp_path: Path) -> None:
    made = synthetic_trace("lenet5", 0.3, seed=2)
    synthesize("lenet5", tmp_path / "t.zarr", 0.3, seed=2)
    traces: list[hwsim.Trace] = [made, hwsim.open_trace(tmp_path / "t.zarr")]
    in_memory, in_a_file = (hwsim.simulate(trace) for trace in traces)
    assert in_memory.per_layer() == in_a_file.per_layer()
