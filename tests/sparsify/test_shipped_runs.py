from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from hwsim.capture.plan import plan
from hwsim.capture.torch_network import TorchNetwork
from hwsim.quantize import dequantize
from hwsim.sparsify.folder import open_run
from hwsim.trace import open_trace

TRACES = Path(__file__).parents[2] / "traces"
FOLDERS = ("lenet5_mnist", "mobilenet_v1_cifar10", "resnet18_cifar10")
CLOSE = 0.01  # of the largest value: the picture in the trace is rounded to 16 bits


def real(trace, name, number):
    """Values of a map, from its codes."""
    info = trace.maps[name]
    return dequantize(trace.map(name, number), info.scale, info.signed)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_maps_of_a_trace_are_those_of_its_checkpoint(folder):
    run = open_run(TRACES / folder)
    for variant in run.variants:
        network = TorchNetwork(run.module(variant), folder)
        with open_trace(TRACES / folder / f"{variant}.zarr.zip") as trace:
            assert trace.variant == variant
            picture = real(trace, "image", 0).astype(np.float32)
            found = plan(network.graph(picture))
            seen = network.run(picture, {one.value for one in found.maps})
            # A sum's map may have the name of another of its layers: what reads it says which it is.
            stored_input = {layer.name: layer.input for layer in trace.layers}
            names = {one.layer.input: stored_input[one.layer.name] for one in found.layers}
            assert set(names.values()) == set(trace.maps)
            for one in found.maps:
                stored = real(trace, names[one.name], 0)
                values = np.clip(seen[one.value].reshape(stored.shape), None, stored.max())
                np.testing.assert_allclose(values, stored, atol=CLOSE * stored.max())


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_sparse_network_is_sparser_and_where_alpha_was_searched_no_worse_on_validation(folder):
    run = open_run(TRACES / folder)
    baseline, sparse = (run.about["variants"][name] for name in ("baseline", run.about["sparse"]))
    if run.about["settings"]["alpha"] is None:  # else it was asked for, whatever it loses
        assert sparse["validation"]["correct"] >= baseline["validation"]["correct"]
    nonzero = {}
    for variant in ("baseline", run.about["sparse"]):
        with open_trace(TRACES / folder / f"{variant}.zarr.zip") as trace:
            nonzero[variant] = sum(
                np.count_nonzero(trace.map(name, number))
                for name in trace.maps
                for number in range(trace.images)
            )
            labels = trace.metrics["labels"]
            assert len(set(labels)) == len(labels) == trace.images
    assert nonzero[run.about["sparse"]] < nonzero["baseline"]


def test_the_folders_are_small():
    files = [file for folder in FOLDERS for file in (TRACES / folder).iterdir()]
    assert sum(file.stat().st_size for file in files) < 7e6
