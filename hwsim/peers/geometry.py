"""What the models of published machines ask of a layer: strides, positions of taps, operands that meet."""

from __future__ import annotations

import numpy as np

from hwsim.errors import PeerError
from hwsim.layer import Layer


def tap_window(layer: Layer, axis: int, tap: int) -> tuple[slice, slice]:
    """Outputs along an axis (0: y, 1: x) that a tap reaches on the map, and the inputs that it meets there.

    Output o meets input o * stride - padding + tap; what lies in the padding is left out.
    """
    stride, size = layer.stride[axis], layer.in_shape[axis + 1]
    offset = tap - layer.padding[axis]
    first = max(0, -(offset // stride))
    last = min(layer.out_shape[axis + 1] - 1, (size - 1 - offset) // stride)
    count = max(0, last - first + 1)
    begin = first * stride + offset
    return slice(first, first + count), slice(
        begin, begin + (count - 1) * stride + 1 if count else begin, stride
    )


def meetings(layer: Layer, nonzero: np.ndarray) -> np.ndarray:
    """How many non-zero activations each tap meets, int64 (C, Kh, Kw).

    Args:
        layer: geometry.
        nonzero: bool (C, H, W), of the input map.
    """
    met = np.zeros((layer.in_shape[0], *layer.kernel), np.int64)
    for kh in range(layer.kernel[0]):
        rows = tap_window(layer, 0, kh)[1]
        for kw in range(layer.kernel[1]):
            columns = tap_window(layer, 1, kw)[1]
            met[:, kh, kw] = np.count_nonzero(nonzero[:, rows, columns], axis=(1, 2))
    return met


def filters_at(layer: Layer, weights: np.ndarray | None) -> np.ndarray:
    """How many filters have a non-zero weight at each tap, int64 (C, Kh, Kw); all if ``weights`` is None.

    Args:
        layer: geometry.
        weights: (M, C, Kh, Kw), or (C, 1, Kh, Kw) if depthwise; only which are zero matters.
    """
    shape = (layer.in_shape[0], *layer.kernel)
    if weights is None:
        return np.full(shape, layer.filters, np.int64)
    if layer.kind == "depthwise":
        return (weights[:, 0] != 0).astype(np.int64)
    return np.count_nonzero(weights, axis=0).astype(np.int64)


def useful_macs(layer: Layer, nonzero: np.ndarray, weights: np.ndarray | None) -> int:
    """MACs of which neither operand is zero; weights that are not given count as non-zero.

    Raises:
        PeerError: the layer is of a kind that the models of published machines do not run.
    """
    if layer.special:
        raise PeerError(f"layer {layer.name}: the models of published machines run no {layer.special}")
    return int((meetings(layer, nonzero) * filters_at(layer, weights)).sum())
