"""Damaged ONNX models: one CaptureError, or layers whose shapes are those of the values that ran."""

import tempfile
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from onnx import AttributeProto, ModelProto, TensorProto, helper
from onnx_models import CONVOLUTIONS, WEIGHTS, saved

from fuzz import damage, refused
from hwsim.capture.onnx_network import OnnxNetwork
from hwsim.capture.plan import plan
from hwsim.errors import HwsimError

IMAGE = np.linspace(0, 1, 3 * 8 * 6, dtype=np.float32).reshape(3, 8, 6)
NUMBERS = (0, 1, 2, 3, 7, -1, -2, 64, 255, 1000)  # what a runtime allocates is its own matter
OPERATORS = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "Relu", "Clip", "MaxPool", "AveragePool", "Add", "Mul"),
    *("Concat", "Reshape", "Transpose", "Flatten", "Pad", "Slice", "Split", "Identity", "BatchNormalization"),
    *("GlobalAveragePool", "Softmax", "Resize", "Squeeze", "Unsqueeze", "Gather", "Shape", "Constant", "No"),
)
NAMES = ("", "x", "w", "v", "c", "r", "y", "z", "a\nb", "\x1b[31m", "é" * 300)


@cache
def _good() -> tuple[bytes, ...]:
    pooled = (
        CONVOLUTIONS[0],
        helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Relu", ["p"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "g", "b"], ["y"], transB=1),
    )
    linear = np.ones((5, 48), np.float32)
    constants = {"w": WEIGHTS["w"], "g": linear, "b": np.zeros(5, np.float32)}
    with tempfile.TemporaryDirectory() as made:
        models = ((CONVOLUTIONS, WEIGHTS), (pooled, constants))
        return tuple(saved(Path(made) / "m.onnx", *model).read_bytes() for model in models)


def make(random: Random) -> bytes:
    """A model with fields of its graph changed, or bytes of its file."""
    data = random.choice(_good())
    if random.randrange(3) == 0:
        return random.choice((damage.bits, damage.length))(random, data)
    model = ModelProto.FromString(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        random.choice((_node, _node, _attribute, _weights, _value, _whole))(random, model.graph, model)
    return model.SerializeToString()


def _node(random: Random, graph, model) -> None:
    if not graph.node:
        return
    node = random.choice(graph.node)
    kind = random.randrange(6)
    if kind == 0:
        node.op_type = random.choice(OPERATORS)
    elif kind == 1 and node.input:
        node.input[random.randrange(len(node.input))] = random.choice((*NAMES, *node.output))
    elif kind == 2 and node.output:
        node.output[random.randrange(len(node.output))] = random.choice(NAMES)
    elif kind == 3:
        graph.node.remove(node)
    elif kind == 4:
        graph.node.append(node)
    else:
        node.domain = random.choice(("", "com.microsoft", "ai.onnx.ml", "x\ny"))


def _attribute(random: Random, graph, model) -> None:
    found = [node for node in graph.node if node.attribute]
    if found and random.randrange(3):
        attribute = random.choice(random.choice(found).attribute)
        if attribute.type == AttributeProto.INTS:
            attribute.ints[:] = [random.choice(NUMBERS) for _ in range(random.randrange(6))]
        elif attribute.type == AttributeProto.INT:
            attribute.i = random.choice(NUMBERS)
        else:
            attribute.type = random.randrange(12)
    elif graph.node:
        name = random.choice(("strides", "group", "dilations", "pads", "auto_pad", "axis", "perm", "transB"))
        value = random.choice((1, -1, 1.5, "SAME_UPPER", [2, 2], [1, 1, 1, 1], [0]))
        random.choice(graph.node).attribute.append(helper.make_attribute(name, value))


def _weights(random: Random, graph, model) -> None:
    if not graph.initializer:
        return
    tensor = random.choice(graph.initializer)
    kind = random.randrange(7)
    if kind == 0:
        tensor.dims[:] = [random.choice(NUMBERS) for _ in range(random.randrange(5))]
    elif kind == 1:
        tensor.data_type = random.randrange(20)
    elif kind == 2:
        tensor.raw_data = damage.length(random, tensor.raw_data)
    elif kind == 3:
        tensor.raw_data = random.choice((b"\0\0\x80\x7f", b"\xff\xff\xff\xff")) * (len(tensor.raw_data) // 4)
    elif kind == 4:
        tensor.data_location = TensorProto.EXTERNAL
        where = random.choice(("/etc/passwd", "../x", "/dev/zero", "weights.bin", "a\0b", "", "."))
        del tensor.external_data[:]
        for key, value in (("location", where), ("offset", "-1"), ("length", "99999999999")):
            tensor.external_data.add(key=key, value=value)
    elif kind == 5:
        tensor.name = random.choice(NAMES)
    else:
        graph.initializer.remove(tensor)


def _value(random: Random, graph, model) -> None:
    values = [*graph.input, *graph.output]
    if values:
        kind = random.choice(values).type.tensor_type
        if random.randrange(2):
            kind.elem_type = random.randrange(20)
        else:
            del kind.shape.dim[:]
            for _ in range(random.randrange(6)):
                kind.shape.dim.add(dim_value=random.choice(NUMBERS))


def _whole(random: Random, graph, model) -> None:
    kind = random.randrange(4)
    if kind == 0:
        del graph.node[:]
    elif kind == 1 and model.opset_import:
        model.opset_import[0].version = random.choice((0, -1, 1, 7, 13, 25, 10_000))
    elif kind == 2:
        model.ir_version = random.choice((0, -1, 3, 10, 99))
    else:
        del graph.output[:]


def check(data: bytes) -> bool:
    """Plan its capture, which runs it."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "m.onnx"
        path.write_bytes(data)
        try:
            network = OnnxNetwork(path)
            layers = plan(network.graph(IMAGE), skip_unsupported=True).layers
        except HwsimError as error:
            return refused(error)
        for planned in layers:
            assert min(planned.layer.in_shape + planned.layer.out_shape) > 0
        return True


KNOWN: dict = {}
