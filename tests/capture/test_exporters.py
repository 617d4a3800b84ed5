"""The same network gives the same trace: from PyTorch, two exporters to ONNX, onnxruntime's optimizer."""

import logging

import numpy as np
import pytest

from hwsim import open_trace, simulate
from hwsim.capture.record import capture
from hwsim.errors import ArchError

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
from small_families import FAMILIES, SHAPE, family  # noqa: E402
from small_networks import SHAPE as EVERYTHING  # noqa: E402
from small_networks import pictures  # noqa: E402

from hwsim.capture.onnx_network import OnnxNetwork  # noqa: E402
from hwsim.capture.torch_network import TorchNetwork  # noqa: E402

BITS = 12
LEVELS = {
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
}


@pytest.fixture(autouse=True)
def quiet():
    """Exporters tell of their progress."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def exported(module, image, folder):
    """ONNX files of a network, by who wrote them."""
    for writer in ("legacy", "dynamo"):
        path = folder / f"{writer}.onnx"
        dynamo = writer == "dynamo"
        torch.onnx.export(module, (torch.from_numpy(image[None]),), str(path), dynamo=dynamo, verbose=False)
        yield writer, path
        for level, setting in LEVELS.items():
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level, options.log_severity_level = setting, 4
            options.optimized_model_filepath = str(folder / f"{writer}.{level}.onnx")
            onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            yield f"{writer} {level}", options.optimized_model_filepath


def geometry(trace):
    """Layers without their names: maps are numbered in the order in which they are read."""
    numbers = {name: number for number, name in enumerate(trace.maps)}
    return [
        (
            *(layer.kind, numbers[layer.input], [numbers[name] for name in layer.makes]),
            *(layer.in_shape, layer.out_shape, layer.kernel, layer.stride, layer.padding, layer.relu),
            *(layer.groups, layer.dilation, layer.transposed),
        )
        for layer in trace.layers
    ]


def cost(trace):
    """Cycles and bytes, if the machine runs all of the network."""
    try:
        result = simulate(trace)
    except ArchError:
        return np.zeros(0)
    runs = [run for pair in result.layers for run in (pair.skipping, pair.dense)]
    return np.array([[run.cycles, sum(run.dram.values()), run.map_bytes] for run in runs]).sum(axis=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FAMILIES)
def test_every_exporter_gives_the_same_trace(name, tmp_path):
    module = family(name)
    images = pictures(3, 5, EVERYTHING if name == "everything" else SHAPE)
    networks = {"torch": TorchNetwork(module, name)}
    networks |= {writer: OnnxNetwork(path) for writer, path in exported(module, images[0], tmp_path)}
    traces = {}
    for writer, network in networks.items():
        place = tmp_path / writer.replace(" ", "_")
        capture(network, images[:1], images[1:], place, bits=BITS, skip_unsupported=True)
        traces[writer] = open_trace(place)
    ours = traces.pop("torch")
    for writer, theirs in traces.items():
        assert geometry(ours) == geometry(theirs), writer
        for own, other in zip(ours.maps.values(), theirs.maps.values(), strict=True):
            assert (own.bits, own.order, own.signed) == (other.bits, other.order, other.signed), writer
            assert own.scale == pytest.approx(other.scale, rel=2.0**-10), writer
            difference = ours.map(own.name, 0).astype(int) - theirs.map(other.name, 0)
            assert np.abs(difference).max() <= (2 if own.signed else 1), (writer, own.name)
        assert [entry["macs"] for entry in ours.provenance["left_out"]] == [
            entry["macs"] for entry in theirs.provenance["left_out"]
        ]
        np.testing.assert_allclose(cost(ours), cost(theirs), rtol=1e-3, err_msg=writer)
