"""What ONNX operators mean to a capture (onnx.ai/onnx/operators; onnxruntime, ContribOperators.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import numpy as np

from hwsim.capture.graph import Lattice
from hwsim.capture.no_products import ONNX as NO_PRODUCTS
from hwsim.capture.onnx_node import Node
from hwsim.capture.onnx_products import PRODUCTS, lattice_of, unsupported
from hwsim.capture.views import Step

MICROSOFT = "com.microsoft."
RESHAPE = {"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast", "CastLike"}
PICK = {"MaxPool", "GlobalMaxPool", "ReduceMax"}
ARITHMETIC = {"Mul", "Div", "Add", "Sub"}
QUANTIZED = {  # onnxruntime's operators on integers: where the scale of the output stands, and what they are
    **dict.fromkeys(
        ("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "QLinearReduceMean"), (3, "blend")
    ),
    **dict.fromkeys(("QLinearAveragePool", "QLinearGlobalAveragePool"), (3, "blend")),
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), (6, "add")),
    "QLinearConcat": (0, "concat"),
    "QLinearWhere": (7, "add"),
}


def describe(node: Node, number: int) -> dict[str, Any]:
    """Fields of the :class:`hwsim.capture.graph.Operator` that a node is, but its inputs and its output.

    Args:
        node: the node.
        number: which of its outputs is described.
    """
    kind, alone = node.kind, len(node.read) == 1
    if kind in PRODUCTS:
        return PRODUCTS[kind](node) if number == 0 else {"kind": "other"}
    if kind.removeprefix(MICROSOFT) in QUANTIZED and number == 0:
        return _quantized_operator(node)
    if kind not in NO_PRODUCTS:
        return unsupported(node, f"{kind} is an operator that may hold MACs, and none that is captured")
    if kind in VIEWS and alone:
        steps = VIEWS[kind](node, number)
        return {"kind": "view", "steps": steps} if steps else {"kind": "blend"}
    if number:
        return {"kind": "other"}
    if kind in RESHAPE:
        return _reshaped(node)
    made = MEANINGS[kind](node) if kind in MEANINGS else None
    if made is not None:
        return made
    if kind in PICK or (
        kind in ("Resize", "Upsample") and node.attributes.get("mode", b"nearest") == b"nearest"
    ):
        return {"kind": "pick"}
    if kind == "Concat":
        return {"kind": "concat"}
    if alone:
        return {"kind": "blend"}
    return {"kind": "add" if all(node.kinds[name].shape != () for name in node.read) else "other"}


def _reshaped(node: Node) -> dict[str, Any]:
    source, made = node.kinds[node.read[0]], node.made()
    narrowed = made.dtype != source.dtype and not np.can_cast(source.dtype, made.dtype, "safe")
    if narrowed and not (source.dtype.kind in "ui" and made.dtype.kind == "f"):
        return {"kind": "blend"}  # the values change
    return {"kind": "view", "steps": (Step("reshape", made.shape),)}


def _relu(node: Node) -> dict[str, Any] | None:
    """Of real numbers: integers of a quantized model have their zero elsewhere."""
    return {"kind": "relu"} if node.made().dtype.kind == "f" else None


def _clip(node: Node) -> dict[str, Any] | None:
    """A clip from 0 upwards."""
    if node.made().dtype.kind != "f":
        return None
    low, high = node.given(1, "min"), node.given(2, "max", inf)
    if low is None or high is None or np.any(low):
        return None
    return {"kind": "relu", "ceiling": float(np.asarray(high).item())}


def _maximum(node: Node) -> dict[str, Any] | None:
    """max(x, 0)."""
    constants = [
        node.constant(position)
        for position in range(len(node.inputs))
        if node.inputs[position] not in node.read
    ]
    zero = all(constant is not None and not np.any(constant) for constant in constants)
    return {"kind": "relu"} if constants and zero and len(node.read) == 1 else None


def _batch_norm(node: Node) -> dict[str, Any] | None:
    """(x - mean) / sqrt(variance + eps) * weight + bias, as a factor and an offset."""
    constants = [node.constant(position) for position in range(1, 5)]
    if node.attributes.get("training_mode") or any(constant is None for constant in constants):
        return None
    weight, bias, mean, variance = (np.asarray(constant, np.float64) for constant in constants)
    factor = weight / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    along = (-1, *(1,) * (len(node.shape) - 2))
    return {"kind": "scale", "factor": factor.reshape(along), "offset": (bias - mean * factor).reshape(along)}


def _arithmetic(node: Node) -> dict[str, Any] | None:
    """x * c, x / c, x + c, x - c and c - x with a constant."""
    turned = node.inputs[0] not in node.varying
    constant = node.constant(0 if turned else 1)
    if constant is None or (turned and node.kind == "Div"):
        return None
    values = np.asarray(constant, np.float64)
    if node.kind in ("Mul", "Div"):
        with np.errstate(divide="ignore"):
            factor = values if node.kind == "Mul" else 1 / values
        return {"kind": "scale", "factor": factor, "offset": np.zeros(1)}
    if node.kind == "Sub":
        sign = -1.0 if turned else 1.0
        return {"kind": "scale", "factor": np.full(1, sign), "offset": -sign * values}
    return {"kind": "scale", "factor": np.ones(1), "offset": values}


def _pad(node: Node) -> dict[str, Any] | None:
    """Zeros around, of real numbers, or a border of the numbers that are there."""
    pads, value = node.pads, node.given(2, "value", 0.0)
    if pads is None or min(map(min, pads)) < 0:
        return None
    if node.border is not None:
        return {"kind": "pick"}
    if value is None or np.any(value) or node.made().dtype.kind != "f":
        return None
    return {"kind": "pad", "pads": pads}


def _to_integers(node: Node) -> dict[str, Any]:
    return {"kind": "quantize", "lattice": lattice_of(node, 1, 2, node.made().dtype)}


def _to_integers_of_each_picture(node: Node) -> dict[str, Any]:
    limits = np.iinfo(node.made().dtype)
    return {"kind": "quantize", "lattice": Lattice(1.0, node.outputs[2], int(limits.min), int(limits.max))}


def _to_reals(node: Node) -> dict[str, Any]:
    return {
        "kind": "quantize",
        "lattice": lattice_of(node, 1, 2, node.kinds[node.inputs[0]].dtype, real=True),
    }


def _quantized_operator(node: Node) -> dict[str, Any]:
    name = node.kind.removeprefix(MICROSOFT)
    place, kind = QUANTIZED[name]
    made: dict[str, Any] = {
        "kind": kind,
        "lattice": lattice_of(node, place, place + 1, node.made().dtype),
    }
    if kind == "add" and name != "QLinearWhere" and (constant := _quantized_constant(node)) is not None:
        parts = (np.ones(1), constant) if name == "QLinearAdd" else (constant, np.zeros(1))
        made |= {"kind": "scale", "factor": parts[0], "offset": parts[1]}
    return made


def _quantized_constant(node: Node) -> np.ndarray | None:
    """The operand that does not depend on the picture, in real numbers; None if both do."""
    for first in (0, 3):
        integers, scale = node.constant(first), node.constant(first + 1)
        zero = node.constant(first + 2) if node.has(first + 2) else np.zeros(1)
        if integers is not None and scale is not None and zero is not None:
            return (integers.astype(np.float64) - zero) * scale
    return None


MEANINGS: Mapping[str, Callable[[Node], dict[str, Any] | None]] = {
    "Relu": _relu,
    "Clip": _clip,
    "Max": _maximum,
    "BatchNormalization": _batch_norm,
    **dict.fromkeys(ARITHMETIC, lambda node: _arithmetic(node) if len(node.read) == 1 else None),
    "Pad": _pad,
    **dict.fromkeys(("QuantizeLinear", MICROSOFT + "QuantizeLinear"), _to_integers),
    **dict.fromkeys(("DequantizeLinear", MICROSOFT + "DequantizeLinear"), _to_reals),
    "DynamicQuantizeLinear": _to_integers_of_each_picture,
}


def _transposed(node: Node, number: int) -> tuple[Step, ...]:
    axes = len(node.shape)
    return (Step("permute", tuple(node.attributes.get("perm", range(axes)[::-1]))),)


def _slice(node: Node, number: int) -> tuple[Step, ...]:
    starts, axes, steps = node.given(1, "starts"), node.given(3, "axes"), node.given(4, "steps")
    unknown = starts is None or (node.has(3) and axes is None) or (node.has(4) and steps is None)
    if unknown or (steps is not None and np.min(steps) < 1):
        return ()
    cuts = []
    for place, first in enumerate(starts):
        axis = int(axes[place] if axes is not None else place) % len(node.shape)
        size, count = node.shape[axis], node.made().shape[axis]
        first = min(max(int(first) + (size if first < 0 else 0), 0), size)
        cuts.append(Step("cut", (axis, first, count, int(steps[place]) if steps is not None else 1)))
    return tuple(cuts)


def _split(node: Node, number: int) -> tuple[Step, ...]:
    axis = node.attributes.get("axis", 0) % len(node.shape)
    first = sum(node.made(before).shape[axis] for before in range(number))
    return (Step("cut", (axis, first, node.made(number).shape[axis], 1)),)


def _gathered(node: Node, number: int) -> tuple[Step, ...]:
    """Constant places in even steps."""
    places = node.constant(1)
    if places is None or node.inputs[0] not in node.varying:
        return ()
    axis = node.attributes.get("axis", 0) % len(node.shape)
    found = np.atleast_1d(places).astype(int).reshape(-1) % node.shape[axis]
    steps = np.diff(found)
    if steps.size and (steps.min() < 1 or steps.min() != steps.max()):
        return ()
    cut = Step("cut", (axis, int(found[0]), len(found), int(steps[0]) if steps.size else 1))
    return cut, Step("reshape", node.made().shape)


def _expanded(node: Node, number: int) -> tuple[Step, ...]:
    return (Step("expand", node.made().shape),)


def _to_space(node: Node, number: int) -> tuple[Step, ...]:
    batch, channels, height, width = node.shape
    block = node.attributes["blocksize"]
    if node.attributes.get("mode", b"DCR") == b"CRD":
        split, order = (batch, channels // block**2, block, block, height, width), (0, 1, 4, 2, 5, 3)
    else:
        split, order = (batch, block, block, channels // block**2, height, width), (0, 3, 4, 1, 5, 2)
    return Step("reshape", split), Step("permute", order), Step("reshape", node.made().shape)


def _to_depth(node: Node, number: int) -> tuple[Step, ...]:
    batch, channels, height, width = node.shape
    block = node.attributes["blocksize"]
    split = (batch, channels, height // block, block, width // block, block)
    return Step("reshape", split), Step("permute", (0, 3, 5, 1, 2, 4)), Step("reshape", node.made().shape)


VIEWS: Mapping[str, Callable[[Node, int], tuple[Step, ...]]] = {
    "Transpose": _transposed,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gathered,
    "Expand": _expanded,
    "DepthToSpace": _to_space,
    "SpaceToDepth": _to_depth,
}
