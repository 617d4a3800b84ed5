"""Quantized ONNX models keep their integers: maps, weights and 32-bit sums, bit for bit."""

import numpy as np
import pytest

from hwsim import open_trace
from hwsim.capture.plan import plan
from hwsim.capture.record import capture
from hwsim.quantize import integers
from hwsim.reference import accumulate

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402
from onnx_models import saved  # noqa: E402

from hwsim.capture.onnx_network import OnnxNetwork  # noqa: E402

SHAPE = (3, 8, 6)
U8, I8 = TensorProto.UINT8, TensorProto.INT8
TYPES = {U8: np.uint8, I8: np.int8}


def images(count=3, seed=0):
    return list(np.random.default_rng(seed).random((count, *SHAPE)).astype(np.float32) * 2 - 0.5)


def integer(values, dtype):
    limits = np.iinfo(dtype)
    return np.clip(values, limits.min, limits.max).astype(dtype)


def traced(network, place, bits=16):
    pictures = images()
    capture(network, pictures[:1], pictures[1:], place, bits=bits)
    return open_trace(place)


def value_of(path, name, image):
    """A value of the model as it is written: nothing fused, by onnx's own reference implementation."""
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.append(helper.make_empty_tensor_value_info(name))
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model).run(None, {"x": image[None]})[0]


def sums_by_hand(layer, values, weights):
    """32-bit sums of integers, by plain loops over outputs."""
    made = np.zeros(layer.out_shape, np.int64)
    _, height, width = layer.in_shape
    for m, r, q in np.ndindex(layer.out_shape):
        for ky, kx in np.ndindex(layer.kernel):
            y = r * layer.stride[0] - layer.padding[0] + ky
            x = q * layer.stride[1] - layer.padding[1] + kx
            if 0 <= y < height and 0 <= x < width:
                made[m, r, q] += values[:, y, x].astype(np.int64) @ weights[m, :, ky, kx].astype(np.int64)
    return made


# QDQ, as quantizers write it.


def qdq(path, kind=U8, zero=0, weights_zero=0, weights_kind=I8, relu=True):
    """x -> Q DQ -> Conv -> (Relu) -> Q DQ -> MaxPool -> Conv -> y, weights a channel and a tensor."""
    rng = np.random.default_rng(1)
    limits = np.iinfo(TYPES[weights_kind])
    one = rng.integers(limits.min, limits.max + 1, (4, 3, 3, 3))
    two = rng.integers(limits.min, limits.max + 1, (2, 4, 1, 1))
    constants = {
        "s0": np.float32(0.012),
        "s1": np.float32(0.9),
        "z0": integer(np.array(60), TYPES[kind]),
        "z1": integer(np.array(zero), TYPES[kind]),
        "w": integer(one, TYPES[weights_kind]),
        "ws": rng.uniform(0.01, 0.02, 4).astype(np.float32),
        "wz": np.full(4, weights_zero, TYPES[weights_kind]),
        "v": integer(two, TYPES[weights_kind]),
        "vs": np.float32(0.02),
        "vz": np.array(weights_zero, TYPES[weights_kind]),
        "b": rng.integers(-500, 500, 4).astype(np.int32),
        "bz": np.zeros(4, np.int32),
    }
    constants["bs"] = constants["ws"] * constants["s0"]
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s0", "z0"], ["q0"]),
        node("DequantizeLinear", ["q0", "s0", "z0"], ["d0"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        node("DequantizeLinear", ["v", "vs", "vz"], ["vd"]),
        node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], axis=0),
        node("Conv", ["d0", "wd", "bd"], ["c"], name="one", pads=[1, 1, 1, 1]),
        *([node("Relu", ["c"], ["r"])] if relu else [node("Identity", ["c"], ["r"])]),
        node("QuantizeLinear", ["r", "s1", "z1"], ["q1"]),
        node("DequantizeLinear", ["q1", "s1", "z1"], ["d1"]),
        node("MaxPool", ["d1"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p", "vd"], ["y"], name="two"),
    ]
    return saved(path, nodes, constants, (1, *SHAPE))


@pytest.mark.parametrize(
    ("kind", "zero", "signed", "bits"),
    [(U8, 0, False, 8), (U8, 7, True, 9), (I8, -128, False, 8), (I8, 0, True, 9)],
)
@pytest.mark.parametrize("asked", [16, 4])
def test_maps_of_qdq_models_are_their_own_integers(tmp_path, kind, zero, signed, bits, asked):
    path = qdq(tmp_path / "m.onnx", kind, zero)
    image = images()[0]
    with traced(OnnxNetwork(path), tmp_path / "t.zarr", asked) as trace:
        first, second = trace.layers
        info = trace.maps[second.input]
        assert (info.bits, info.signed, info.scale) == (bits, signed, float(np.float32(0.9)))
        stored = value_of(path, "q1", image)[0].astype(int) - zero
        pooled = stored.reshape(4, 4, 2, 3, 2).max(axis=(2, 4))
        np.testing.assert_array_equal(integers(trace.map(second.input, 0), signed), pooled)
        assert first.output == second.input
        picture = value_of(path, "q0", image)[0].astype(int) - integer(np.array(60), TYPES[kind])
        stored = integers(trace.map(first.input, 0), trace.maps[first.input].signed)
        np.testing.assert_array_equal(stored, picture)


@pytest.mark.parametrize(("kind", "zero", "bits"), [(I8, 0, 8), (U8, 128, 8), (U8, 100, 9)])
def test_weights_and_sums_of_qdq_models_are_their_own(tmp_path, kind, zero, bits):
    path = qdq(tmp_path / "m.onnx", weights_zero=zero, weights_kind=kind)
    model = onnx.load(path)
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    with traced(OnnxNetwork(path), tmp_path / "t.zarr") as trace:
        assert trace.weight_bits == bits
        layer = trace.layers[0]
        weights = trace.weights(layer)
        np.testing.assert_array_equal(weights, stored["w"].astype(int) - zero)
        np.testing.assert_allclose(trace.weight_scale(layer), stored["ws"], rtol=1e-6)
        np.testing.assert_array_equal(trace.requantize(layer).bias, stored["b"])
        codes, signed = trace.map(layer.input, 0), trace.maps[layer.input].signed
        by_hand = sums_by_hand(layer, integers(codes, signed), weights)
        np.testing.assert_array_equal(accumulate(layer, codes, weights, signed), by_hand)
        np.testing.assert_array_equal(trace.weights("two"), stored["v"].astype(int) - zero)


@pytest.mark.parametrize("relu", [True, False])
def test_a_relu_that_the_quantizer_took_away_is_the_layers(tmp_path, relu):
    network = OnnxNetwork(qdq(tmp_path / "m.onnx", relu=relu))
    assert [known.layer.relu for known in plan(network.graph(images()[0])).layers] == [True, False]
    signed = OnnxNetwork(qdq(tmp_path / "s.onnx", zero=7, relu=False))
    assert not plan(signed.graph(images()[0])).layers[0].layer.relu


def test_drains_make_the_codes_of_the_maps(tmp_path):
    with traced(OnnxNetwork(qdq(tmp_path / "m.onnx")), tmp_path / "t.zarr") as trace:
        drain = trace.requantize("one")
        assert (drain.bits, drain.signed, drain.relu) == (8, False, True)
        layer = trace.layers[0]
        info = trace.maps[layer.input]
        sums = accumulate(layer, trace.map(layer.input, 0), trace.weights(layer), info.signed)
        made = drain.apply(sums).reshape(4, 4, 2, 3, 2).max(axis=(2, 4)).astype(int)
        assert np.abs(made - trace.map("one", 0)).max() <= 1  # floats rescale otherwise


# Operators on integers.


def qlinear(path):
    """x -> QuantizeLinear -> QLinearConv -> QLinearMatMul over the rows -> y, all in integers."""
    rng = np.random.default_rng(2)
    node, constants = (
        helper.make_node,
        {
            "s0": np.float32(0.01),
            "z0": np.uint8(50),
            "w": rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
            "ws": rng.uniform(0.01, 0.02, 4).astype(np.float32),
            "wz": np.zeros(4, np.int8),
            "s1": np.float32(0.5),
            "z1": np.uint8(0),
            "b": rng.integers(-900, 900, 4).astype(np.int32),
            "m": rng.integers(-127, 128, (6, 5)).astype(np.int8),
            "ms": np.float32(0.02),
            "mz": np.int8(0),
            "s2": np.float32(0.7),
            "z2": np.uint8(128),
        },
    )
    nodes = [
        node("QuantizeLinear", ["x", "s0", "z0"], ["q"]),
        node(
            "QLinearConv",
            ["q", "s0", "z0", "w", "ws", "wz", "s1", "z1", "b"],
            ["c"],
            name="one",
            pads=[1] * 4,
        ),
        node("QLinearMatMul", ["c", "s1", "z1", "m", "ms", "mz", "s2", "z2"], ["y"], name="two"),
    ]
    return saved(path, nodes, constants, (1, *SHAPE), output=("y", U8)), constants


def test_operators_on_integers_keep_them(tmp_path):
    path, stored = qlinear(tmp_path / "m.onnx")
    image = images()[0]
    with traced(OnnxNetwork(path), tmp_path / "t.zarr", bits=5) as trace:
        one, two = trace.layers
        assert (one.kind, one.relu, one.output, two.kind, two.relu) == ("conv", True, "one", "linear", False)
        picture = value_of(path, "q", image)[0].astype(int) - 50
        read = trace.maps[one.input]
        np.testing.assert_array_equal(integers(trace.map(one.input, 0), read.signed), picture)
        made = value_of(path, "c", image)[0].astype(int)  # (4, 8, 6), vectors along the last axis
        info = trace.maps["one"]
        assert (info.bits, info.signed) == (8, False)
        np.testing.assert_array_equal(trace.map("one", 0), made.transpose(2, 0, 1))
        np.testing.assert_array_equal(trace.weights(one), stored["w"])
        np.testing.assert_array_equal(trace.weights(two)[:, :, 0, 0], stored["m"].T)
        np.testing.assert_array_equal(trace.requantize(one).bias, stored["b"])
        sums = accumulate(two, trace.map("one", 0), trace.weights(two))
        expected = (made @ stored["m"].astype(int)).transpose(2, 0, 1)
        np.testing.assert_array_equal(sums, expected)
        drain = trace.requantize(two)
        assert (drain.bits, drain.signed) == (9, True)


def dynamic(path, operator):
    """Activations quantized for each picture, as by onnxruntime's dynamic quantization."""
    rng = np.random.default_rng(3)
    node = helper.make_node
    first = node("Relu", ["x"], ["r"])
    quantized = node("DynamicQuantizeLinear", ["r" if operator == "ConvInteger" else "x"], ["q", "s", "z"])
    if operator == "ConvInteger":
        weights, name = rng.integers(0, 256, (4, 3, 3, 3)).astype(np.uint8), "w"
    else:
        weights, name = rng.integers(0, 256, (6, 5)).astype(np.uint8), "w"
    weights.flat[:2] = 0, 255
    constants = {"w": weights, "wz": np.uint8(120), "ws": np.float32(0.01)}
    nodes = [
        first,
        quantized,
        node(operator, ["q", name, "z", "wz"], ["i"], name="one"),
        node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        node("Mul", ["s", "ws"], ["scale"]),
        node("Mul", ["f", "scale"], ["y"]),
    ]
    return saved(path, nodes, constants, (1, *SHAPE))


@pytest.mark.parametrize(("operator", "signed"), [("ConvInteger", False), ("MatMulInteger", True)])
def test_integers_that_are_found_for_each_picture_are_kept(tmp_path, operator, signed):
    path = dynamic(tmp_path / "m.onnx", operator)
    image = images()[0]
    with traced(OnnxNetwork(path), tmp_path / "t.zarr") as trace:
        (layer,) = trace.layers
        info = trace.maps[layer.input]
        assert (info.bits, info.signed) == (8 + signed, signed)  # a map behind a ReLU has no negative values
        q, z = value_of(path, "q", image)[0].astype(int), int(value_of(path, "z", image))
        codes = trace.map(layer.input, 0)
        sums = accumulate(layer, codes, trace.weights(layer), info.signed)
        theirs = value_of(path, "i", image)[0]
        if operator == "MatMulInteger":  # vectors along the last axis
            q, theirs = q.transpose(2, 0, 1), theirs.transpose(2, 0, 1)
        np.testing.assert_array_equal(integers(codes, info.signed), q - z)
        np.testing.assert_array_equal(sums, theirs)
        assert trace.weight_bits == 9
        assert trace.weights(layer).min() < -100 < 100 < trace.weights(layer).max()


def test_onnxruntimes_own_quantizer_is_understood(tmp_path):
    quantization = pytest.importorskip("onnxruntime.quantization")
    rng = np.random.default_rng(4)
    node, kernel = helper.make_node, rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], name="one", pads=[1] * 4),
        node("Relu", ["c"], ["r"]),
        node("Conv", ["r", "v"], ["y"], name="two"),
    ]
    constants = {
        "w": kernel,
        "b": np.ones(4, np.float32),
        "v": rng.standard_normal((2, 4, 1, 1)).astype(np.float32),
    }
    path = saved(tmp_path / "float.onnx", nodes, constants, (1, *SHAPE), opsets={"": 17})

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = iter(images(4, 9))

        def get_next(self):
            image = next(self.left, None)
            return None if image is None else {"x": image[None]}

    for form in (quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator):
        made = tmp_path / f"{form}.onnx"
        quantization.quantize_static(
            path,
            made,
            Reader(),
            quant_format=form,
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            activation_type=quantization.QuantType.QUInt8,
        )
        with traced(OnnxNetwork(made), tmp_path / f"{form}.zarr") as trace:
            assert [layer.relu for layer in trace.layers] == [True, False]
            info = trace.maps[trace.layers[1].input]
            assert (info.bits, info.signed) == (8, False)
            assert trace.layers[0].output == trace.layers[1].input
            assert all(np.abs(trace.weights(layer)).max() == 127 for layer in trace.layers)
