"""What ONNX operators between maps compute, as far as integers can do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf

import numpy as np

from hwsim.capture.meanings import (
    Bounded,
    How,
    Leaky,
    Meaning,
    Pooling,
    Reduced,
    Resized,
    Summed,
    bordered,
    places_of,
)
from hwsim.capture.onnx_node import Node

QLINEAR = "com.microsoft.QLinear"


def meaning_of(node: Node) -> Meaning | None:
    """Of a node; None if it is nothing of the kind."""
    how: How = "max" if "Max" in node.kind else "mean"
    kind = node.kind.removeprefix(QLINEAR)  # the same, from integers to integers
    if node.attributes.get("channels_last"):
        return None
    if kind in ("MaxPool", "AveragePool"):
        return _window(node, how)
    if kind in ("GlobalMaxPool", "GlobalAveragePool"):
        return Reduced(how, tuple(range(2, len(node.shape))))
    if kind in ("ReduceMax", "ReduceMean"):
        axes = node.given(1, "axes") if kind == node.kind else node.attributes.get("axes")
        return None if axes is None else Reduced(how, tuple(int(axis) for axis in axes))
    if node.kind in ("Resize", "Upsample"):
        return _resized(node)
    if node.kind == "Pad" and len(node.shape) == 4:
        return _bordered(node)
    if kind in ("Add", "Sub", "Sum") and len(node.read) == 2:
        whole = kind != "Sum" or len(node.inputs) == 2
        return Summed((1.0, -1.0 if kind == "Sub" else 1.0)) if whole else None
    if kind == "LeakyRelu":
        return Leaky(float(node.attributes.get("alpha", 0.01)))
    slope = node.constant(1) if node.kind == "PRelu" else None
    if slope is not None and np.size(slope) == 1:
        return Leaky(float(np.asarray(slope).item()))
    if node.kind in ("Clip", "Max", "Min") and len(node.read) == 1 and node.made().dtype.kind == "f":
        return _bounded(node)
    return None


def _bounded(node: Node) -> Bounded | None:
    """A clip, or a maximum or minimum with numbers; None if a bound varies, or is no number for all."""
    if node.kind == "Clip":
        lows, highs = [node.given(1, "min", -inf)], [node.given(2, "max", inf)]
    else:
        bounds = [node.constant(n) for n, name in enumerate(node.inputs) if name not in node.read]
        lows, highs = (bounds, [inf]) if node.kind == "Max" else ([-inf], bounds)
    if any(bound is None or np.size(bound) != 1 for bound in (*lows, *highs)):
        return None
    low = max(float(np.asarray(bound).item()) for bound in lows)
    return Bounded(low, min(float(np.asarray(bound).item()) for bound in highs))


def _bordered(node: Node) -> Resized | None:
    """A border that repeats the map."""
    how, pads = node.border, node.pads
    if how is None or pads is None or any(map(any, pads[:2])) or min(map(min, pads)) < 0:
        return None
    return bordered(node.shape[2:], pads[2:], how)


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


def _resized(node: Node) -> Resized | None:
    """Nearest and linear resizing with the places of ONNX's Resize, asymmetric before its version 11."""
    given, read, made = node.attributes, node.shape, node.made().shape
    old = node.kind == "Upsample" or len(node.inputs) == 2
    mode = given.get("mode", b"nearest").decode()
    how = "asymmetric" if old else given.get("coordinate_transformation_mode", b"half_pixel").decode()
    rounding = "floor" if old else given.get("nearest_mode", b"round_prefer_floor").decode()
    plain = len(read) == 4 and read[:2] == made[:2] and not given.get("antialias", 0) and "axes" not in given
    if mode not in ("nearest", "linear") or how not in _PLACES or rounding not in _ROUNDING or not plain:
        return None
    scales = node.given(1 if old else 2, "scales")
    places = []
    for axis in (2, 3):
        size, pixels = read[axis], made[axis]
        scale = pixels / size if scales is None or len(scales) != 4 else float(scales[axis])
        pixel = _PLACES[how](np.arange(pixels, dtype=float), size, pixels, scale)
        places.append(places_of(_ROUNDING[rounding](pixel) if mode == "nearest" else pixel, size))
    return Resized(*places)


_ROUNDING: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda pixel: np.ceil(pixel - 0.5),
    "round_prefer_ceil": lambda pixel: np.floor(pixel + 0.5),
}
# From the pixels that are made, the sizes read and made, and the scale, to places in the map read.
_PLACES: Mapping[str, Callable[[np.ndarray, int, int, float], np.ndarray]] = {
    "half_pixel": lambda pixel, size, made, scale: (pixel + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda pixel, size, made, scale: (pixel + 0.5) / scale - 0.5 if made > 1 else pixel,
    "align_corners": lambda pixel, size, made, scale: pixel * (size - 1) / max(made - 1, 1),
    "asymmetric": lambda pixel, size, made, scale: pixel / scale,
}
