"""ONNX and PyTorch captures of one network are the same trace, up to names and the rounding of floats."""

import numpy as np
import pytest

from hwsim import open_trace
from hwsim.capture.plan import plan
from hwsim.capture.record import capture
from hwsim.errors import CaptureError

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402
from small_networks import SHAPE, Everything, pictures  # noqa: E402
from torch import nn  # noqa: E402

from hwsim.capture.onnx_network import OnnxNetwork  # noqa: E402
from hwsim.capture.torch_network import TorchNetwork  # noqa: E402


def export(module, path):
    """By the exporter that needs no further package; it folds batch normalization where it can."""
    module.eval()
    torch.onnx.export(module, (torch.zeros(1, *SHAPE),), str(path), dynamo=False)
    return path


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    images = pictures(7, 4)
    networks = {
        "torch": TorchNetwork(Everything(), "everything"),
        "onnx": OnnxNetwork(export(Everything(), folder / "everything.onnx")),
    }
    for name, network in networks.items():
        for bits in (12, 16):
            capture(network, images[:4], images[4:], folder / f"{name}.{bits}", bits=bits)
    return {bits: [open_trace(folder / f"{name}.{bits}") for name in networks] for bits in (12, 16)}


def numbered(trace):
    """Layers without their names: maps are numbered in the order in which they are read."""
    numbers = {name: number for number, name in enumerate(trace.maps)}
    return [
        (
            *(layer.kind, numbers[layer.input], numbers.get(layer.output)),
            *(layer.in_shape, layer.out_shape, layer.kernel, layer.stride, layer.padding, layer.relu),
        )
        for layer in trace.layers
    ]


def test_layers_and_who_shares_which_map_are_the_same(both):
    ours, theirs = both[16]
    assert numbered(ours) == numbered(theirs)


def test_orders_and_scales_are_the_same(both):
    ours, theirs = both[16]
    for own, other in zip(ours.maps.values(), theirs.maps.values(), strict=True):
        facts = [(info.shape, info.bits, info.order, info.signed) for info in (own, other)]
        assert facts[0] == facts[1]
        assert own.scale == pytest.approx(other.scale, rel=1e-3)


@pytest.mark.parametrize(("bits", "share"), [(12, 0.001), (16, 0.005)])
def test_codes_are_the_same_but_for_the_rounding_of_floats(both, bits, share):
    """A step of 16 bits is 2^8 steps of a float near the largest: runtimes round some codes otherwise."""
    ours, theirs = both[bits]
    different = total = 0
    for own, other in zip(ours.maps, theirs.maps, strict=True):
        for image in range(ours.images):
            difference = ours.map(own, image).astype(int) - theirs.map(other, image).astype(int)
            step = 2 if ours.maps[own].signed else 1  # -n and n lie beside each other
            assert np.abs(difference).max() <= step
            different, total = different + np.count_nonzero(difference), total + difference.size
    assert different <= share * total


def test_weights_and_drains_are_the_same_but_for_the_rounding_of_floats(both):
    ours, theirs = both[16]
    for own, other in zip(ours.layers, theirs.layers, strict=True):
        assert np.abs(ours.weights(own) - theirs.weights(other)).max() <= 1
        assert np.mean(ours.weights(own) != theirs.weights(other)) <= 0.01
        np.testing.assert_allclose(ours.weight_scale(own), theirs.weight_scale(other), rtol=1e-4)
        one, two = ours.requantize(own), theirs.requantize(other)
        assert (one.shift, one.relu, one.bits, one.signed) == (two.shift, two.relu, two.bits, two.signed)
        np.testing.assert_allclose(one.multiplier, two.multiplier, rtol=2e-3, atol=1)
        np.testing.assert_allclose(one.bias, two.bias, rtol=2e-3, atol=2)


# Models made node by node.


def model(path, nodes, constants=(), shape=SHAPE):
    """A model of these nodes that reads ``x``."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, *shape))],
        [helper.make_empty_tensor_value_info(nodes[-1].output[0])],
        [onnx.numpy_helper.from_array(np.asarray(values), name) for name, values in dict(constants).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return OnnxNetwork(path)


def planned(path, nodes, constants=(), skip=False, shape=SHAPE):
    network = model(path, nodes, constants, shape)
    return plan(network.graph(pictures(1, shape=shape)[0]), skip)


RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("automatic", "size", "expected"),
    [
        ("SAME_UPPER", 10, (0, 0)),
        ("SAME_LOWER", 10, (1, 1)),
        ("SAME_UPPER", 11, (1, 1)),
        ("VALID", 11, (0, 0)),
    ],
)
def test_automatic_padding(tmp_path, automatic, size, expected):
    node = helper.make_node("Conv", ["x", "w"], ["y"], auto_pad=automatic, strides=[2, 2])
    found = planned(tmp_path / "m.onnx", [node], {"w": KERNEL}, shape=(3, size, size))
    (layer,) = (known.layer for known in found.layers)
    assert layer.padding == expected
    assert layer.out_shape[1] == ((size - 1) // 2 if automatic == "VALID" else -(-size // 2))


def test_linear_layers_as_gemm_and_as_products(tmp_path):
    first, second = RNG.standard_normal((360, 5)), RNG.standard_normal((4, 5))
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "w1"], ["m"]),
        helper.make_node("Add", ["b1", "m"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["y"], transB=1, alpha=2.0, beta=0.5),
    ]
    constants = {"w1": first, "b1": np.arange(5.0), "w2": second, "b2": np.arange(4.0)}
    found = planned(tmp_path / "m.onnx", nodes, {k: v.astype(np.float32) for k, v in constants.items()})
    one, two = found.layers
    np.testing.assert_allclose(one.mac.weights[:, :, 0, 0], first.T, rtol=1e-6)
    np.testing.assert_array_equal(one.mac.bias, np.arange(5))
    assert one.layer.relu
    np.testing.assert_allclose(two.mac.weights[:, :, 0, 0], 2 * second, rtol=1e-6)
    np.testing.assert_array_equal(two.mac.bias, np.arange(4) / 2)
    assert (one.layer.input, one.layer.output, two.layer.input) == ("image", one.layer.name, one.layer.name)


def test_scales_behind_a_layer_are_folded(tmp_path):
    factor = RNG.random((1, 4, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Mul", ["c", "f"], ["m"]),
        helper.make_node("Sub", ["m", "one"], ["s"]),
        helper.make_node("Div", ["s", "two"], ["d"]),
        helper.make_node("Clip", ["d", "zero", "six"], ["y"]),
    ]
    numbers = {name: np.float32(value) for name, value in (("one", 1), ("two", 2), ("zero", 0), ("six", 6))}
    (known,) = planned(tmp_path / "m.onnx", nodes, {"w": KERNEL, "f": factor, **numbers}).layers
    np.testing.assert_allclose(known.mac.weights, KERNEL * factor.reshape(4, 1, 1, 1) / 2, rtol=1e-6)
    np.testing.assert_array_equal(known.mac.bias, [-0.5] * 4)
    assert (known.result, known.layer.relu, known.ceiling) == ("d", True, 6)


def test_weights_that_nodes_make_of_constants_are_constants(tmp_path):
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0, 2, 3]),
        helper.make_node("Conv", ["x", "t"], ["y"]),
    ]
    (known,) = planned(tmp_path / "m.onnx", nodes, {"w": KERNEL.transpose(1, 0, 2, 3).copy()}).layers
    np.testing.assert_array_equal(known.mac.weights, KERNEL)


def test_what_is_computed_from_shapes_is_constant(tmp_path):
    """As exporters write a flattening and a pad of Python arithmetic."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Shape", ["c"], ["s"]),
        helper.make_node("Mul", ["s", "pads"], ["p"]),
        helper.make_node("Concat", ["p", "p"], ["pp"], axis=0),
        helper.make_node("Pad", ["r", "pp"], ["q"]),
        helper.make_node("Conv", ["q", "v"], ["y"]),
    ]
    pads = np.array([0, 0, 0, 0])
    second = RNG.standard_normal((2, 4, 3, 3)).astype(np.float32)
    one, two = planned(tmp_path / "m.onnx", nodes, {"w": KERNEL, "v": second, "pads": pads}).layers
    assert one.layer.relu
    assert (one.layer.output, two.layer.input) == (one.layer.name, one.layer.name)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([helper.make_node("Conv", ["x", "x"], ["y"], name="bad")], "depend on the picture"),
        (
            [
                helper.make_node("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]),
                helper.make_node("MatMul", ["x", "t"], ["y"], name="bad"),
            ],
            "depend on the picture",
        ),
    ],
)
def test_what_is_unsupported_is_named_and_left_out_only_if_asked(tmp_path, nodes, words):
    constants = {"w": KERNEL}
    good = helper.make_node("Conv", ["x", "w"], ["z"], name="good")
    with pytest.raises(CaptureError, match=f"layer bad: .*{words}"):
        planned(tmp_path / "m.onnx", [*nodes, good], constants)
    found = planned(tmp_path / "m.onnx", [*nodes, good], constants, skip=True)
    assert [known.layer.name for known in found.layers] == ["good"]
    assert len(found.left_out) == 1


def test_a_model_without_layers_says_so(tmp_path):
    with pytest.raises(CaptureError, match="no convolution or linear layer"):
        planned(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])])


def test_wrong_files_give_one_line(tmp_path):
    with pytest.raises(CaptureError, match="there is no file"):
        OnnxNetwork(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(CaptureError, match="not an ONNX model") as error:
        OnnxNetwork(tmp_path / "text.onnx")
    assert "\n" not in str(error.value)
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(CaptureError, match=r"empty\.onnx"):
        OnnxNetwork(tmp_path / "empty.onnx")


def test_a_picture_that_does_not_fit_gives_one_line(tmp_path):
    network = OnnxNetwork(export(nn.Conv2d(3, 2, 3), tmp_path / "m.onnx"))
    with pytest.raises(CaptureError, match="takes pictures of 3 channels, these have 1") as error:
        network.graph(np.zeros((1, 12, 10), np.float32))
    assert "\n" not in str(error.value)
