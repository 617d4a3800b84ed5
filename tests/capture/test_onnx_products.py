"""No operator that multiplies with weights is lost in silence: it is a layer, or refused by name."""

import re

import numpy as np
import pytest

from hwsim.capture.plan import plan
from hwsim.errors import CaptureError

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_models import CONVOLUTIONS, KERNEL, POINT, WEIGHTS, saved  # noqa: E402

from hwsim.capture.no_products import ONNX  # noqa: E402
from hwsim.capture.onnx_network import OnnxNetwork  # noqa: E402

RNG = np.random.default_rng(0)
IMAGE = RNG.random((3, 8, 6)).astype(np.float32)
FLOAT = np.float32
MICROSOFT = "com.microsoft"


def floats(*shape):
    return RNG.standard_normal(shape).astype(FLOAT)


# Operators that sound like weights, and what it is that sounds so.
NO_WEIGHTS = {
    "BatchNormalization": "a factor for each channel",
    "GroupNormalization": "a factor for each channel",
    "InstanceNormalization": "a factor for each channel",
    "LayerNormalization": "a factor for each element",
    "RMSNormalization": "a factor for each element",
    "NegativeLogLikelihoodLoss": "weights of classes",
    "SoftmaxCrossEntropyLoss": "weights of classes",
    "LRN": "its text names convolutional networks",
    "Col2Im": "its text names convolutions",
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "Resize", "Upsample"), "a scale"),
}
SOUNDS = re.compile(r"^(w|r|weights?|scale|kernel)$", re.IGNORECASE)
TEXT = re.compile(r"matrix (multipl|product)|matmul|convol|inner product", re.IGNORECASE)


def with_weights():
    """Operators of all of ONNX whose schema sounds as if they multiply with weights."""
    latest = {}
    for schema in onnx.defs.get_all_schemas():
        if schema.domain in ("", "ai.onnx.preview"):
            latest[schema.name] = schema
    for name, schema in latest.items():
        named = any(SOUNDS.match(entry.name) for entry in schema.inputs)
        if named or TEXT.search(schema.doc or ""):
            yield name


def test_no_operator_that_sounds_like_weights_is_waved_through():
    assert {name for name in with_weights() if name in ONNX} <= NO_WEIGHTS.keys()
    assert {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "DeformConv"} <= set(
        with_weights()
    )


def test_every_operator_of_onnx_is_known_or_refused():
    """An operator that is none of the lists ends in a refusal, so a new one cannot be lost."""
    for schema in onnx.defs.get_all_schemas():
        if schema.domain == "" and schema.name not in ONNX:
            assert schema.name in KNOWN | REFUSED, schema.name


KNOWN = {
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "QLinearConv", "ConvInteger", "QLinearMatMul"),
    *("MatMulInteger", "DeformConv", "LSTM", "GRU", "RNN", "Attention", "LinearAttention"),
}
REFUSED = {"AffineGrid", "CausalConvWithState", "DFT", "Det", "MelWeightMatrix", "STFT"}


def run(tmp_path, nodes, constants, skip=False, **parts):
    network = OnnxNetwork(saved(tmp_path / "m.onnx", nodes, constants, **parts))
    return plan(network.graph(IMAGE), skip)


node = helper.make_node
FLAT = (node("Reshape", ["x", "flat"], ["f"]),)
ROWS = {"flat": np.array([1, 144])}
MS = {"opsets": {MICROSOFT: 1}}
CAPTURED = {
    "Conv": ([node("Conv", ["x", "w"], ["y"])], WEIGHTS),
    "ConvTranspose": ([node("ConvTranspose", ["x", "t"], ["y"])], {"t": floats(3, 4, 2, 2)}),
    "Gemm": ([*FLAT, node("Gemm", ["f", "g"], ["y"])], {**ROWS, "g": floats(144, 5)}),
    "Gemm, weights first": (
        [*FLAT, node("Gemm", ["g", "f"], ["y"], transB=1)],
        {**ROWS, "g": floats(5, 144)},
    ),
    "MatMul": ([node("MatMul", ["x", "m"], ["y"])], {"m": floats(6, 5)}),
    "MatMul, weights first": ([node("MatMul", ["m", "x"], ["y"])], {"m": floats(5, 8)}),
    "Einsum": ([node("Einsum", ["x", "m"], ["y"], equation="bchw,oc->bohw")], {"m": floats(5, 3)}),
    "Einsum, weights first": (
        [node("Einsum", ["m", "x"], ["y"], equation="oh,bchw->bwoc")],
        {"m": floats(5, 8)},
    ),
    "FusedConv": (
        [node("FusedConv", ["x", "w"], ["y"], domain=MICROSOFT, activation="Relu")],
        WEIGHTS,
    ),
    "FusedConv, leaky": (
        [
            node(
                "FusedConv",
                ["x", "w"],
                ["y"],
                domain=MICROSOFT,
                activation="LeakyRelu",
                activation_params=[0.1],
            )
        ],
        WEIGHTS,
    ),
    "FusedGemm": (
        [*FLAT, node("FusedGemm", ["f", "g", "b"], ["y"], domain=MICROSOFT, activation="Relu")],
        {**ROWS, "g": floats(144, 5), "b": floats(5)},
    ),
    "FusedMatMul": (
        [node("FusedMatMul", ["x", "m"], ["y"], domain=MICROSOFT, alpha=0.5, transB=1)],
        {"m": floats(5, 6)},
    ),
}
NAMED = {
    "product of activations": (
        [node("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]), node("MatMul", ["x", "t"], ["y"])],
        {},
    ),
    "Einsum of activations": ([node("Einsum", ["x", "x"], ["y"], equation="bchw,bkhw->bck")], {}),
    "a vector": ([node("MatMul", ["x", "m"], ["y"])], {"m": floats(6)}),
    "many matrices": ([node("MatMul", ["x", "m"], ["y"])], {"m": floats(3, 6, 5)}),
    "DeformConv": (
        [
            node("Conv", ["x", "o"], ["p"], pads=[1] * 4),
            node("DeformConv", ["x", "w", "p"], ["y"], pads=[1] * 4),
        ],
        {"o": floats(18, 3, 3, 3), "w": KERNEL},
    ),
    "LSTM": (
        [node("Squeeze", ["x", "zero"], ["s"]), node("LSTM", ["s", "w", "r"], ["y"], hidden_size=4)],
        {"zero": np.array([0]), "w": floats(1, 16, 6), "r": floats(1, 16, 4)},
    ),
    "GRU": (
        [node("Squeeze", ["x", "zero"], ["s"]), node("GRU", ["s", "w", "r"], ["y"], hidden_size=4)],
        {"zero": np.array([0]), "w": floats(1, 12, 6), "r": floats(1, 12, 4)},
    ),
    "RNN": (
        [node("Squeeze", ["x", "zero"], ["s"]), node("RNN", ["s", "w", "r"], ["y"], hidden_size=4)],
        {"zero": np.array([0]), "w": floats(1, 4, 6), "r": floats(1, 4, 4)},
    ),
    "Attention": (
        [
            node("Squeeze", ["x", "zero"], ["s"]),
            node("Attention", ["s", "w", "b"], ["y"], domain=MICROSOFT, num_heads=2),
        ],
        {"zero": np.array([0]), "w": floats(6, 24), "b": floats(24)},
    ),
    "a transform": (
        [node("Unsqueeze", ["x", "last"], ["u"]), node("DFT", ["u"], ["y"])],
        {"last": np.array([4])},
    ),
    "MatMulNBits": (
        [node("MatMulNBits", ["x", "m", "s"], ["y"], domain=MICROSOFT, K=6, N=2, bits=4, block_size=16)],
        {"m": RNG.integers(0, 256, (2, 1, 8)).astype(np.uint8), "s": floats(2)},
    ),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_products_with_weights_are_layers_that_compute_them(tmp_path, name):
    """What a layer says of itself, computed by hand, is what onnxruntime gives."""
    nodes, constants = CAPTURED[name]
    path = saved(tmp_path / "m.onnx", nodes, constants, **MS)
    network = OnnxNetwork(path)
    (known,) = (found := plan(network.graph(IMAGE))).layers
    values = network.run(IMAGE, {*found.maps[0].wanted, known.raw.root})
    read, layer, mac = found.maps[0].real(values).astype(np.float64), known.layer, known.mac
    made = np.zeros(layer.out_shape)
    for (c, y, x), value in np.ndenumerate(read):
        for ky, kx in np.ndindex(layer.kernel):
            if layer.transposed:
                r, q = y * layer.stride[0] + ky, x * layer.stride[1] + kx
            else:
                r, q = y - ky, x - kx
            if 0 <= r < layer.out_shape[1] and 0 <= q < layer.out_shape[2]:
                made[:, r, q] += value * mac.weights[:, c, ky, kx]
    np.testing.assert_allclose(made + mac.bias[:, None, None], known.real(values), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMED)
def test_products_that_no_layer_is_are_named_with_their_macs(tmp_path, name):
    nodes, constants = NAMED[name]
    good = node("Conv", ["x", "good"], ["z"], name="good")
    parts = dict(constants=constants | {"good": KERNEL}, **MS)
    with pytest.raises(CaptureError, match="leave it out with --skip-unsupported") as error:
        run(tmp_path, [*nodes, good], **parts)
    assert str(error.value).isprintable()
    found = run(tmp_path, [*nodes, good], skip=True, **parts)
    assert "good" in [known.layer.name for known in found.layers]
    entry = found.left_out[-1]
    assert entry.why
    assert entry.macs or name in ("a transform", "MatMulNBits")


# Convolutions inside of something.


def test_convolutions_of_the_models_own_functions_are_layers(tmp_path):
    inner = helper.make_function(
        "mine", "Inner", ["a", "k"], ["b"], [node("Conv", ["a", "k"], ["b"])], [helper.make_opsetid("", 21)]
    )
    outer = helper.make_function(
        "mine",
        "Outer",
        ["a", "k"],
        ["b"],
        [node("Inner", ["a", "k"], ["t"], domain="mine"), node("Relu", ["t"], ["b"])],
        [helper.make_opsetid("", 21), helper.make_opsetid("mine", 1)],
    )
    nodes = [node("Outer", ["x", "w"], ["r"], domain="mine"), node("Outer", ["r", "v"], ["y"], domain="mine")]
    found = run(tmp_path, nodes, WEIGHTS, functions=[inner, outer], opsets={"mine": 1})
    assert [(known.layer.out_shape, known.layer.relu) for known in found.layers] == [
        ((4, 6, 4), True),
        ((2, 6, 4), True),
    ]


def branch(name, constants, *nodes):
    return helper.make_graph(
        list(nodes),
        name,
        [],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )


THEN = branch("then", {"k": KERNEL}, node("Conv", ["x", "k"], ["t"]), node("Relu", ["t"], ["made"]))
ELSE = branch("else", {"k": POINT}, node("Relu", ["x"], ["t"]), node("Identity", ["t"], ["made"]))


@pytest.mark.parametrize(("condition", "layers"), [(True, 1), (False, 0)])
def test_the_branch_that_a_constant_chooses_is_taken(tmp_path, condition, layers):
    nodes = [
        node("Not", ["off"], ["c"]),
        node("If", ["c"], ["b"], then_branch=THEN, else_branch=ELSE),
        node("Conv", ["b", "w4" if condition else "w"], ["y"]),
    ]
    found = run(tmp_path, nodes, {"off": np.array(not condition), "w4": floats(2, 4, 1, 1), "w": KERNEL})
    assert len(found.layers) == layers + 1
    assert found.layers[0].layer.input == "image" or not condition


def test_a_branch_that_the_picture_chooses_is_named(tmp_path):
    nodes = [
        node("ReduceMean", ["x"], ["mean"], keepdims=0),
        node("Greater", ["mean", "zero"], ["c"]),
        node("If", ["c"], ["y"], name="choice", then_branch=THEN, else_branch=ELSE),
        node("Conv", ["x", "w"], ["z"]),
    ]
    with pytest.raises(CaptureError, match="layer choice: Conv inside If, which depends on the picture"):
        run(tmp_path, nodes, {"zero": FLOAT(0), "w": KERNEL})


def test_a_loop_with_convolutions_is_named(tmp_path):
    body = helper.make_graph(
        [
            node("Identity", ["go"], ["on"]),
            node("Conv", ["state", "k"], ["c"], pads=[1] * 4),
            node("Relu", ["c"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(floats(3, 3, 3, 3), "k")],
    )
    nodes = [node("Loop", ["n", "", "x"], ["y"], name="again", body=body), node("Conv", ["x", "w"], ["z"])]
    with pytest.raises(CaptureError, match="layer again: Conv inside Loop"):
        run(tmp_path, nodes, {"n": np.array(2), "w": KERNEL})


def test_layouts_made_for_one_cpu_are_refused_with_advice(tmp_path):
    path = saved(tmp_path / "m.onnx", CONVOLUTIONS, WEIGHTS)
    model = onnx.load(path)
    model.graph.node[0].domain = "com.microsoft.nchwc"
    onnx.save(model, path)
    with pytest.raises(CaptureError, match="optimizations make for one CPU"):
        OnnxNetwork(path)
