"""What ONNX operators between maps compute, as far as integers can do it."""

from __future__ import annotations

import numpy as np

from hwsim.capture.meanings import How, Meaning, Pooling, Reduced, Summed
from hwsim.capture.onnx_node import Node


def meaning_of(node: Node) -> Meaning | None:
    """Of a node; None if it is nothing of the kind."""
    how: How = "max" if "Max" in node.kind else "mean"
    if node.kind in ("MaxPool", "AveragePool"):
        return _window(node, how)
    if node.kind in ("GlobalMaxPool", "GlobalAveragePool"):
        return Reduced(how, tuple(range(2, len(node.shape))))
    if node.kind in ("ReduceMax", "ReduceMean"):
        axes = node.given(1, "axes")
        return None if axes is None else Reduced(how, tuple(int(axis) for axis in axes))
    if node.kind in ("Add", "Sub") and len(node.read) == 2:
        return Summed((1.0, 1.0 if node.kind == "Add" else -1.0))
    return None


def _window(node: Node, how: How) -> Pooling | None:
    kernel, sizes, made = node.attributes["kernel_shape"], node.shape[2:], node.made().shape[2:]
    if len(kernel) != 2 or set(node.attributes.get("dilations", [1])) != {1}:
        return None
    strides = node.attributes.get("strides", [1, 1])
    pads = list(node.attributes.get("pads", [0] * 4))
    auto = node.attributes.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        spare = np.maximum((np.array(made) - 1) * strides + kernel - np.array(sizes), 0)
        before = spare // 2 if auto == b"SAME_UPPER" else spare - spare // 2
        pads = [*before.tolist(), *(spare - before).tolist()]
    padding = (int(pads[0]), int(pads[1]), int(pads[2]), int(pads[3]))
    counted = bool(node.attributes.get("count_include_pad", 0))
    return Pooling(how, (kernel[0], kernel[1]), (strides[0], strides[1]), padding, counted)
