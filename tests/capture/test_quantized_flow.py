"""What lies between the maps of quantized ONNX models, in integers: pools, sums, other scales."""

import numpy as np
import pytest

from hwsim import open_trace
from hwsim.capture.record import capture
from hwsim.differences import differences
from hwsim.quantize import integers
from hwsim.reference import run_network

onnx = pytest.importorskip("onnx")
quantization = pytest.importorskip("onnxruntime.quantization")
from onnx import helper  # noqa: E402
from onnx_models import saved  # noqa: E402

from hwsim.capture.onnx_network import OnnxNetwork  # noqa: E402

SHAPE = (3, 12, 10)
UINT8, INT8 = quantization.QuantType.QUInt8, quantization.QuantType.QInt8
QDQ, OPERATORS = quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator


def images(count, seed):
    return list(np.random.default_rng(seed).random((count, *SHAPE)).astype(np.float32) * 2 - 0.5)


def floats(path):
    """A residual, three branches (one pooled) put together, a global mean, a classifier."""
    rng, node = np.random.default_rng(4), helper.make_node
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], name="stem", pads=[1] * 4),
        node("Relu", ["c0"], ["r0"]),
        node("MaxPool", ["r0"], ["m0"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["m0", "w1"], ["c1"], name="inner", pads=[1] * 4),
        node("Add", ["c1", "m0"], ["a"]),
        node("Relu", ["a"], ["r1"]),
        node("Conv", ["r1", "w2"], ["left"], name="left"),
        node("AveragePool", ["r1"], ["mean"], kernel_shape=[3, 3], pads=[1] * 4),
        node("Conv", ["mean", "w3"], ["right"], name="right"),
        node("Concat", ["left", "right", "r1"], ["all"], axis=1),
        node("Conv", ["all", "w4"], ["c4"], name="joined"),
        node("GlobalAveragePool", ["c4"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "w5", "b5"], ["y"], name="classes", transB=1),
    ]
    shapes = {"w0": (6, 3, 3, 3), "w1": (6, 6, 3, 3), "w2": (4, 6, 1, 1), "w3": (5, 6, 1, 1)}
    shapes |= {"w4": (7, 15, 1, 1), "w5": (3, 7)}
    constants = {name: rng.standard_normal(shape).astype(np.float32) * 0.4 for name, shape in shapes.items()}
    constants |= {"b0": np.full(6, 0.1, np.float32), "b5": np.ones(3, np.float32)}
    return saved(path, nodes, constants, (1, *SHAPE), opsets={"": 17})


class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
    def __init__(self):
        self.left = iter(images(6, 9))

    def get_next(self):
        image = next(self.left, None)
        return None if image is None else {"x": image[None]}


def quantized(folder, form, kind, **options):
    path = folder / "quantized.onnx"
    quantization.quantize_static(
        floats(folder / "float.onnx"),
        path,
        Reader(),
        quant_format=form,
        per_channel=True,
        weight_type=INT8,
        activation_type=kind,
        **options,
    )
    return path


@pytest.mark.parametrize(("form", "kind"), [(QDQ, UINT8), (QDQ, INT8), (OPERATORS, UINT8)])
def test_integers_make_every_map_of_a_quantized_model(tmp_path, form, kind):
    network = OnnxNetwork(quantized(tmp_path, form, kind))
    capture(network, images(2, 1), images(3, 2), tmp_path / "t")
    with open_trace(tmp_path / "t") as trace:
        assert trace.flow.captured == {}
        assert len(trace.flow.inputs) == 1
        assert [operator.kind for operator in trace.flow.operators] == [
            "max_pool",
            "add",
            "average_pool",
            *("rescale", "rescale", "rescale", "concatenate", "clip"),
            "average_pool",
        ]
        # What a layer makes has the integers of its zero point alone, 256 of them: its drain sees to it.
        drains = [trace.requantize(layer) for layer in trace.layers]
        assert [layer.clamped for layer in trace.layers] == [False, True, True, True, True, True]
        assert [(drain.bits, drain.signed) for drain in drains] == [(8, False), *[(9, True)] * 5]
        assert all(low < 0 and high == low + 255 for low, high in (drain.clamps for drain in drains[1:]))
        rows = differences(trace, [0, 1])
        assert [row.origin for row in rows] == ["input", *["integers"] * 6]
        for row in rows:  # floats round halves to even
            assert row.largest <= 1, row
            assert row.differ <= max(3, 0.12 * row.values), row
            assert row.reach > 100, row


QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
POINTS = {"s0": np.float32(0.02), "z0": np.uint8(0), "s1": np.float32(0.03), "z1": np.uint8(100)}
POINTS |= {"s2": np.float32(0.05), "z2": np.uint8(0)}
WEIGHTS = {"w": np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), "v": np.ones((2, 3, 1, 1), np.float32)}


def taken(folder, nodes, constants=None, **parts):
    """What a capture at 8 bits of a model makes: nodes behind a picture in steps of 0.02, and a layer."""
    make = helper.make_node
    begin = [
        make(QUANTIZE, ["x", "s0", "z0"], ["xq"]),
        make(DEQUANTIZE, ["xq", "s0", "z0"], ["xd"]),
        make("Conv", ["xd", "w"], ["c"], name="one"),
    ]
    path = saved(
        folder / "m.onnx", [*begin, *nodes], {**POINTS, **WEIGHTS, **(constants or {})}, (1, *SHAPE), **parts
    )
    pictures = [image * 3 for image in images(3, 5)]
    capture(OnnxNetwork(path), pictures[:1], pictures[1:], folder / "t", bits=8)
    return open_trace(folder / "t"), pictures[0]


def test_one_quantized_value_is_read_with_and_without_a_relu(tmp_path):
    """Tools put a DequantizeLinear before each reader; a clamp before one is none before the other."""
    make = helper.make_node
    nodes = [
        make(QUANTIZE, ["c", "s1", "z1"], ["q"]),
        make(DEQUANTIZE, ["q", "s1", "z1"], ["left"]),
        make(DEQUANTIZE, ["q", "s1", "z1"], ["right"]),
        make("Sub", ["xd", "left"], ["back"]),
        make(QUANTIZE, ["back", "s1", "z1"], ["bq"]),
        make(DEQUANTIZE, ["bq", "s1", "z1"], ["bd"]),
        make(DEQUANTIZE, ["bq", "s1", "z1"], ["again"]),
        make("Relu", ["again"], ["positive"]),
        make("Conv", ["bd", "v"], ["y0"], name="two"),
        make("Conv", ["positive", "v"], ["y1"], name="three"),
        make("Conv", ["right", "v"], ["y2"], name="four"),
        make("Sum", ["y0", "y1"], ["y01"]),
        make("Sum", ["y01", "y2", "y0"], ["y"]),
    ]
    trace, image = taken(tmp_path, nodes)
    with trace:
        assert trace.flow.captured == {}
        (of_two,) = [each.output for each in trace.flow.operators if each.output in trace.ends]
        assert {each.output: each for each in trace.flow.operators}[of_two].kind == "add"
        assert list(trace.ends) == [of_two, "four.result"]  # a sum of three goes no further
        made = run_network(trace, 0)
        # By hand: codes 0 .. 255 of 0.02; those of 0.03 less 100; their difference, clamped as those.
        picture = np.clip(np.rint(image.astype(np.float32) / np.float32(0.02)), 0, 255)
        stored = np.clip(np.floor(picture * 2 / 3 + 0.5), -100, 155)
        apart = np.clip(np.floor(picture * 2 / 3 - stored + 0.5), -100, 155)
        by_layer = {layer.name: layer.input for layer in trace.layers}
        for layer, expected in (("four", stored), ("two", apart), ("three", apart.clip(0))):
            name = by_layer[layer]
            found = integers(made[name], trace.maps[name].signed)
            assert np.abs(found - expected).max() <= (1 if layer != "four" else 0), layer
        assert stored.max() == 155 or stored.max() > 100
        assert not trace.maps[by_layer["three"]].signed


def test_integers_that_are_read_with_another_scale_are_captured(tmp_path):
    make = helper.make_node
    nodes = [
        make(QUANTIZE, ["c", "s1", "z1"], ["q"]),
        make(DEQUANTIZE, ["q", "s2", "z1"], ["d"]),
        make("Conv", ["d", "v"], ["y"], name="two"),
    ]
    trace, _ = taken(tmp_path, nodes)
    with trace:
        assert list(trace.flow.captured.values()) == [
            "integers read with another scale than they are made with"
        ]


def test_a_value_between_two_scales_is_put_into_the_second(tmp_path):
    """Quantized twice, as tools do where one operator's output is another's input: 0.03 to 0.05 a step."""
    make = helper.make_node
    nodes = [
        make(QUANTIZE, ["c", "s1", "z1"], ["q"]),
        make(DEQUANTIZE, ["q", "s1", "z1"], ["d"]),
        make(QUANTIZE, ["d", "s2", "z2"], ["p"]),
        make(DEQUANTIZE, ["p", "s2", "z2"], ["e"]),
        make("Conv", ["e", "v"], ["y"], name="two"),
    ]
    trace, _ = taken(tmp_path, nodes)
    with trace:
        assert trace.flow.captured == {}
        (map_,) = [trace.maps[layer.input] for layer in trace.layers if layer.name == "two"]
        assert (map_.scale, map_.bits, map_.signed) == (float(np.float32(0.05)), 8, False)
        (row,) = [row for row in differences(trace, [0]) if row.map == map_.name]
        assert row.largest <= 1
        assert row.differ < 0.02 * row.values


@pytest.mark.parametrize("operator", ["QLinearAdd", "QLinearMul"])
def test_a_constant_that_is_added_or_multiplied_in_integers_is_an_operator(tmp_path, operator):
    make = helper.make_node
    nodes = [
        make(QUANTIZE, ["c", "s1", "z1"], ["q"]),
        make(
            operator,
            ["q", "s1", "z1", "k", "s0", "z1", "s2", "z1"],
            ["p"],
            domain="com.microsoft",
        ),
        make(DEQUANTIZE, ["p", "s2", "z1"], ["e"]),
        make("Conv", ["e", "v"], ["y"], name="two"),
    ]
    constants = {"k": np.array([130, 40, 101], np.uint8).reshape(1, 3, 1, 1)}
    trace, image = taken(tmp_path, nodes, constants, opsets={"": 21, "com.microsoft": 1})
    with trace:
        assert trace.flow.captured == {}
        assert trace.layers[0].name == "one"
        made = run_network(trace, 0)
        picture = np.clip(np.rint(image / np.float32(0.02)), 0, 255) * 0.02
        first = np.clip(np.floor(picture / 0.03 + 0.5), -100, 155) * 0.03
        known = 0.02 * (constants["k"][0].astype(float) - 100)
        second = first + known if operator == "QLinearAdd" else first * known
        expected = np.clip(np.floor(second / 0.05 + 0.5), -100, 155)
        name = trace.layers[1].input
        assert np.abs(integers(made[name], trace.maps[name].signed) - expected).max() <= 1
        (row,) = [row for row in differences(trace, [0]) if row.map == name]
        assert row.largest <= 1
        assert row.differ < 0.1 * row.values


def test_a_scale_that_is_found_for_each_picture_is_named(tmp_path):
    make = helper.make_node
    nodes = [
        make("DynamicQuantizeLinear", ["c"], ["q", "s", "z"]),
        make("ConvInteger", ["q", "k", "z"], ["i"], name="two"),
        make("Cast", ["i"], ["f"], to=onnx.TensorProto.FLOAT),
        make("Mul", ["f", "s"], ["m"]),
        make("Conv", ["m", "v"], ["y"], name="three"),
    ]
    trace, _ = taken(tmp_path, nodes, {"k": np.eye(3, dtype=np.uint8).reshape(3, 3, 1, 1)})
    with trace:
        assert list(trace.flow.captured.values()) == [
            "integers whose zero point depends on the picture",
            "a further result of an operator, such as a scale that is found anew for each picture",
        ]
