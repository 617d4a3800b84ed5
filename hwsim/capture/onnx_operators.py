"""What ONNX operators mean to a capture (https://onnx.ai/onnx/operators)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import onnx

from hwsim.capture.graph import Mac, mac_of_convolution, mac_of_linear, per_channel

SAME = {"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast"}
MAX_POOL = {"MaxPool", "GlobalMaxPool"}
ARITHMETIC = {"Mul", "Div", "Add", "Sub"}
BLEND = {
    *("AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceMax", "Resize", "Upsample", "Pad", "Clip"),
    *("LeakyRelu", "PRelu", "Elu", "Selu", "Gelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Softplus"),
    *("Mish", "Swish", "ThresholdedRelu", "QuantizeLinear", "DequantizeLinear", *ARITHMETIC),
}
UNSUPPORTED = {
    **dict.fromkeys(
        ("ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul"),
        "an operator of integers; a model in floats is captured",
    ),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Einsum", "Attention"), "no convolution or linear layer"),
}


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a model.

    Attributes:
        kind: its operator.
        name: of the layer it is: its weights' name if that ends in ``.weight``, else its own.
        inputs: names; empty for one left out.
        output: name of the first.
        attributes: by name.
        constants: values by name that do not depend on the picture.
        varying: names of values that do.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]
    constants: Mapping[str, np.ndarray]
    varying: frozenset[str]

    @staticmethod
    def of(node: onnx.NodeProto, constants: Mapping[str, np.ndarray], varying: set[str]) -> Node:
        """A node beside what is known of its inputs."""
        weights = next((name for name in node.input[1:2] if name.endswith(".weight")), "")
        own = (node.name or node.output[0]).strip("/").removesuffix(f"/{node.op_type}").replace("/", ".")
        return Node(
            node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}",
            weights.removesuffix(".weight") or own,
            tuple(node.input),
            node.output[0],
            {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute},
            constants,
            frozenset(varying),
        )

    def constant(self, position: int) -> np.ndarray | None:
        """An input that does not depend on the picture; None if it does, or is not there."""
        return self.constants.get(self.inputs[position]) if position < len(self.inputs) else None


def describe(node: Node, values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Fields of the :class:`hwsim.capture.graph.Operator` that a node is, but its inputs and its output.

    Args:
        node: the node.
        values: of a run, by name.
    """
    kind, read = node.kind, [name for name in node.inputs if name in node.varying]
    shape = values[read[0]].shape if read else ()
    if kind in UNSUPPORTED:
        return {"kind": "unsupported", "name": node.name, "reason": UNSUPPORTED[kind]}
    if kind == "Conv":
        return _mac(node, lambda: _convolution(node, shape))
    if kind == "ConvTranspose":
        return _mac(node, lambda: _transposed(node, shape, values[node.output].shape))
    if kind in ("Gemm", "MatMul"):
        return _mac(node, lambda: (_gemm if kind == "Gemm" else _matmul)(node, shape))
    if kind in SAME:
        return {"kind": "same"}
    if kind == "Relu":
        return {"kind": "relu"}
    if kind == "Clip" and (ceiling := _ceiling(node)) is not None:
        return {"kind": "relu", "ceiling": ceiling}
    if kind == "BatchNormalization" and not node.attributes.get("training_mode"):
        return {"kind": "scale", **_batch_norm(node)}
    if kind in ARITHMETIC and len(read) == 1 and (scale := _arithmetic(node, shape)):
        return {"kind": "scale", **scale}
    if kind == "Pad" and (padding := _zeros_around(node, len(shape))):
        return {"kind": "pad", "padding": padding}
    if kind in MAX_POOL:
        return {"kind": "max_pool"}
    if kind in ("Add", "Sub", "Sum") and len(read) > 1:
        return {"kind": "add"}
    if kind == "Concat" and node.attributes["axis"] % len(shape) == 1:
        return {"kind": "concat"}
    return {"kind": "blend" if kind in BLEND and len(read) == 1 else "other"}


def _mac(node: Node, make: Callable[[], Mac]) -> dict[str, Any]:
    try:
        return {"kind": "mac", "name": node.name, "mac": make()}
    except ValueError as error:
        return {"kind": "unsupported", "name": node.name, "reason": str(error)}


def _convolution(node: Node, shape: tuple[int, ...]) -> Mac:
    weights = _weights(node)
    dimensions = weights.ndim - 2
    strides = node.attributes.get("strides", [1] * dimensions)
    dilations = node.attributes.get("dilations", [1] * dimensions)
    padding = tuple(node.attributes.get("pads", [0] * 2 * dimensions)[:dimensions])
    automatic = node.attributes.get("auto_pad", b"NOTSET")
    if automatic.startswith(b"SAME"):
        spare = [
            max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            for size, stride, kernel, dilation in zip(
                shape[2:], strides, weights.shape[2:], dilations, strict=True
            )
        ]
        padding = tuple((n + 1) // 2 if automatic == b"SAME_LOWER" else n // 2 for n in spare)
    elif automatic == b"VALID":
        padding = (0,) * dimensions
    groups = node.attributes.get("group", 1)
    return mac_of_convolution(weights, node.constant(2), strides, padding, dilations, groups)


def _transposed(node: Node, shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Mac:
    weights = _weights(node)
    dimensions = weights.ndim - 2
    strides = node.attributes.get("strides", [1] * dimensions)
    dilations = node.attributes.get("dilations", [1] * dimensions)
    automatic = node.attributes.get("auto_pad", b"NOTSET")
    padding = node.attributes.get("pads", [0] * 2 * dimensions)[:dimensions]
    if automatic.startswith(b"SAME") or "output_shape" in node.attributes:
        spare = node.attributes.get("output_padding", [0] * dimensions)
        reach = zip(shape[2:], strides, weights.shape[2:], dilations, spare, out_shape[2:], strict=True)
        cut = [
            (size - 1) * step + (taps - 1) * gap + 1 + more - out
            for size, step, taps, gap, more, out in reach
        ]
        padding = [n // 2 if automatic == b"SAME_UPPER" else n - n // 2 for n in cut]
    return mac_of_convolution(
        weights, node.constant(2), strides, padding, dilations, node.attributes.get("group", 1), True
    )


def _gemm(node: Node, shape: tuple[int, ...]) -> Mac:
    bias = node.constant(2)
    if node.attributes.get("transA") or (bias is None and len(node.inputs) > 2):
        raise ValueError("a product that is no linear layer")
    weights = _weights(node) * node.attributes.get("alpha", 1.0)
    weights = weights if node.attributes.get("transB") else weights.T
    if bias is not None:
        bias = np.broadcast_to(bias * node.attributes.get("beta", 1.0), (1, len(weights)))
    return mac_of_linear(weights, bias, shape[0])


def _matmul(node: Node, shape: tuple[int, ...]) -> Mac:
    weights = _weights(node)
    if weights.ndim != 2:
        raise ValueError(f"a product with weights of {weights.ndim} dimensions, no linear layer")
    return mac_of_linear(weights.T, None, int(np.prod(shape[:-1])))


def _weights(node: Node) -> np.ndarray:
    weights = node.constant(1)
    if weights is None:
        raise ValueError("a product of two values that depend on the picture")
    return np.asarray(weights, np.float64)


def _ceiling(node: Node) -> float | None:
    """The ceiling of a clip from 0 upwards; None if it starts elsewhere, or is not constant."""
    low = node.attributes.get("min", node.constant(1))
    high = node.attributes.get("max", node.constant(2))
    if low is None or np.any(low) or (high is None and len(node.inputs) > 2 and node.inputs[2]):
        return None
    return inf if high is None else float(np.asarray(high).item())


def _batch_norm(node: Node) -> dict[str, np.ndarray]:
    """(x - mean) / sqrt(variance + eps) * weight + bias, as a factor and an offset."""
    weight, bias, mean, variance = (np.asarray(node.constant(i), np.float64) for i in range(1, 5))
    factor = weight / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    return {"factor": factor, "offset": bias - mean * factor}


def _arithmetic(node: Node, shape: tuple[int, ...]) -> dict[str, np.ndarray] | None:
    """x * c, x / c, x + c, x - c and c - x with a constant for each channel, or for all."""
    turned = node.inputs[0] not in node.varying
    constant = node.constant(0 if turned else 1)
    values = None if constant is None else per_channel(constant, shape)
    if values is None or (turned and node.kind == "Div"):
        return None
    if node.kind in ("Mul", "Div"):
        return {"factor": values if node.kind == "Mul" else 1 / values, "offset": np.zeros(1)}
    if node.kind == "Sub":
        return {"factor": np.full(1, -1.0 if turned else 1.0), "offset": values if turned else -values}
    return {"factor": np.ones(1), "offset": values}


def _zeros_around(node: Node, dimensions: int) -> tuple[int, int] | None:
    """(top, left) of a padding with zeros in height and width alone."""
    pads = node.attributes.get("pads", node.constant(1))
    value = node.attributes.get("value", node.constant(2))
    plain = node.attributes.get("mode", b"constant") == b"constant" and (value is None or not np.any(value))
    if pads is None or dimensions != 4 or not plain or (len(node.inputs) > 3 and node.inputs[3]):
        return None
    pads = [int(pad) for pad in pads]
    inside = not any(pads[:2]) and not any(pads[4:6]) and min(pads) >= 0
    return (pads[2], pads[3]) if inside else None
