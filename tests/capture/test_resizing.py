"""Resizing between maps: the places that a capture finds are those that the libraries take."""

from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from small_networks import pictures
from torch import nn
from torch.nn import functional

from hwsim.between import Resize, Value
from hwsim.capture.onnx_network import OnnxNetwork
from hwsim.capture.record import capture
from hwsim.capture.torch_network import TorchNetwork
from hwsim.differences import differences
from hwsim.trace import open_trace

HEIGHT, WIDTH = 12, 10
TORCH = [
    *({"mode": "nearest", "scale_factor": factor} for factor in (2, 1.5, (3, 0.5))),
    *({"mode": "nearest", "size": size} for size in ((12, 12), (5, 7), (30, 1))),
    *({"mode": "nearest-exact", "size": size} for size in ((12, 12), (5, 7))),
    *({"mode": "bilinear", "size": size} for size in ((12, 12), (5, 7), (1, 30))),
    *({"mode": "bilinear", "size": size, "align_corners": True} for size in ((12, 12), (5, 7), (1, 30))),
    {"mode": "bilinear", "scale_factor": 1.7},
    {"mode": "bilinear", "scale_factor": 1.7, "recompute_scale_factor": True},
]
ONNX = [
    *product(
        ["nearest"],
        ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"],
        ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"],
    ),
    *product(["linear"], ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"], [None]),
]


def found(meaning, values: np.ndarray) -> np.ndarray:
    """What the operator of the trace makes of whole numbers."""
    made = (values.shape[0], len(meaning.rows), len(meaning.columns))
    return Resize(("a",), "b", meaning.rows, meaning.columns).run([values], Value("b", made, 16, True, 1.0))


def is_close(found: np.ndarray, expected: np.ndarray, values: np.ndarray, exact: bool) -> bool:
    """Equal if each pixel is one of the map's; between pixels a place is rounded to 1 of 256 parts."""
    far = 0 if exact else 0.5 + 2 * (np.ptp(values) / 512)
    return found.shape == expected.shape and np.abs(found - expected).max() <= far + 1e-3


class Resized(nn.Module):
    def __init__(self, how: dict) -> None:
        super().__init__()
        self.one, self.two, self.how = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 2, 1), how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(functional.interpolate(functional.relu(self.one(x)), **self.how))


@pytest.mark.parametrize("how", TORCH, ids=str)
def test_places_are_pytorchs(how):
    network = TorchNetwork(Resized(how), "n")
    graph = network.graph(np.zeros((3, HEIGHT, WIDTH), np.float32))
    (meaning,) = [op.meaning for op in graph.operators if type(op.meaning).__name__ == "Resized"]
    values = np.random.default_rng(0).integers(-30000, 30000, (4, HEIGHT // 2, WIDTH // 2))
    expected = functional.interpolate(torch.from_numpy(values[None]).double(), **how)[0].numpy()
    assert is_close(found(meaning, values), expected, values, "nearest" in how["mode"])


def resized_model(path, version: int, scales: bool, **attributes) -> None:
    """A convolution, a Resize by scales or to sizes, and another convolution."""
    rng = np.random.default_rng(0)
    weights: dict[str, np.ndarray] = {
        "w1": rng.standard_normal((4, 3, 3, 3)),
        "w2": rng.standard_normal((2, 4, 1, 1)),
    }
    constants = [onnx.numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()]
    sized: dict[str, np.ndarray] = {
        "scales": np.array([1, 1, 1.5, 2], np.float32),
        "sizes": np.array([1, 4, 7, 13], np.int64),
    }
    constants += [onnx.numpy_helper.from_array(array, name) for name, array in sized.items()]
    kind, inputs = "Resize", ["c", "", "scales"] if scales else ["c", "", "", "sizes"]
    if version < 11:
        kind, inputs = ("Upsample" if version == 9 else "Resize"), ["c", "scales"]
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node(kind, inputs, ["r"], **attributes),
        helper.make_node("Conv", ["r", "w2"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, None, None])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)
    onnx.save(model, path)


def assert_places_are_onnxruntimes(path, exact: bool) -> None:
    graph = OnnxNetwork(path).graph(np.zeros((3, HEIGHT, WIDTH), np.float32))
    (meaning,) = [op.meaning for op in graph.operators if type(op.meaning).__name__ == "Resized"]
    model = onnx.load(path)
    resize = model.graph.node[1]
    values = np.random.default_rng(0).integers(-30000, 30000, (4, HEIGHT // 2, WIDTH // 2))
    alone = helper.make_graph(
        [resize],
        "alone",
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, *values.shape])],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, 4, None, None])],
        [i for i in model.graph.initializer if i.name in ("scales", "sizes")],
    )
    runnable = helper.make_model(alone, opset_imports=model.opset_import, ir_version=8)
    session = onnxruntime.InferenceSession(runnable.SerializeToString())
    (expected,) = session.run(None, {"c": values[None].astype(np.float32)})
    assert is_close(found(meaning, values), expected[0], values, exact)


@pytest.mark.parametrize("scales", [True, False])
@pytest.mark.parametrize(("mode", "how", "rounding"), ONNX)
def test_places_are_onnxruntimes(mode, how, rounding, scales, tmp_path):
    extra = {"nearest_mode": rounding} if rounding else {}
    path = tmp_path / "m.onnx"
    resized_model(path, 18, scales, mode=mode, coordinate_transformation_mode=how, **extra)
    assert_places_are_onnxruntimes(path, mode == "nearest")


@pytest.mark.parametrize("version", [9, 10])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_places_of_older_versions_are_onnxruntimes(version, mode, tmp_path):
    resized_model(tmp_path / "m.onnx", version, True, mode=mode)
    assert_places_are_onnxruntimes(tmp_path / "m.onnx", mode == "nearest")


def test_what_is_no_such_resizing_is_captured_and_named(tmp_path):
    path = tmp_path / "m.onnx"
    resized_model(path, 18, True, mode="cubic")
    capture(OnnxNetwork(path), pictures(1, 1), pictures(4, 2), tmp_path / "t", bits=8)
    with open_trace(tmp_path / "t") as trace:
        assert list(trace.flow.captured.values()) == ["Resize"]


@pytest.mark.parametrize("how", [TORCH[0], TORCH[8], TORCH[11]], ids=str)
def test_integers_make_the_maps_behind_it(how, tmp_path):
    torch.manual_seed(0)
    capture(TorchNetwork(Resized(how), "n"), pictures(2, 1), pictures(4, 2), tmp_path / "t", bits=8)
    with open_trace(tmp_path / "t") as trace:
        assert trace.flow.captured == {}
        kinds = [operator.kind for operator in trace.flow.operators]
        # Between pixels a drain cannot make the codes of the map itself.
        assert kinds == (["resize"] if how["mode"] == "nearest" else ["rescale", "resize"])
        for row in differences(trace, [0, 1]):
            assert row.largest <= 3, row
