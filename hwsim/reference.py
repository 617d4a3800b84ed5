"""What a layer computes, in integers: the result that the machine must reproduce bit for bit."""

from __future__ import annotations

import numpy as np

from hwsim.layer import Layer
from hwsim.quantize import Requantize, integers, wrap32


def accumulate(layer: Layer, codes: np.ndarray, weights: np.ndarray, signed: bool = False) -> np.ndarray:
    """Sums of products of a layer, before the drain: int32 (M, Ho, Wo), wrapped to 32 bits.

    Args:
        layer: the geometry.
        codes: the input map, unsigned (C, H, W).
        weights: integers of shape ``layer.weight_shape``, at most 16 bits.
        signed: whether the codes went through the H.264 mapping.

    Raises:
        ValueError: the arrays do not fit the layer.
    """
    if codes.shape != layer.in_shape or weights.shape != layer.weight_shape:
        raise ValueError(
            f"layer {layer.name} takes a map of {layer.in_shape} and weights of {layer.weight_shape}, "
            f"not {codes.shape} and {weights.shape}"
        )
    values = integers(codes, signed).astype(_exact(layer))
    taps = weights.astype(values.dtype).reshape(layer.groups, layer.filters, -1, *layer.kernel)
    grouped = values.reshape(layer.groups, -1, *layer.in_shape[1:])
    sums = np.zeros((layer.groups, layer.filters, *layer.out_shape[1:]), np.int64)
    for ky, kx in np.ndindex(layer.kernel):
        (y, r), (x, q) = _met(layer, 0, ky), _met(layer, 1, kx)
        met, made = grouped[:, :, y, x], sums[:, :, r, q]
        products = taps[..., ky, kx] @ met.reshape(*met.shape[:2], -1)
        made += products.reshape(made.shape).astype(np.int64)
    return wrap32(sums.reshape(layer.out_shape))


def run_layer(
    layer: Layer, codes: np.ndarray, weights: np.ndarray, requantize: Requantize, signed: bool = False
) -> np.ndarray:
    """Codes that a layer's drain writes: uint16 (M, Ho, Wo), before any pooling or addition.

    Args and errors as for :func:`accumulate`; ``requantize`` says what the drain does.
    """
    return requantize.apply(accumulate(layer, codes, weights, signed))


def _exact(layer: Layer) -> type[np.float64] | type[np.int64]:
    """Floats where they are exact, since BLAS multiplies them fast: sums of C products of 16 x 16 bits."""
    return np.float64 if layer.weight_shape[1] <= 1 << 21 else np.int64


def _met(layer: Layer, axis: int, tap: int) -> tuple[slice, slice]:
    """The positions of the map that a tap multiplies, and the outputs that it adds them to, along an axis."""
    stride, offset = layer.stride[axis], layer.padding[axis] - tap * layer.dilation[axis]
    size, outputs = layer.in_shape[axis + 1], layer.out_shape[axis + 1]
    # A convolution's output n meets position n stride - offset; a transposed one has it the other way round.
    ends = (size, outputs) if layer.transposed else (outputs, size)
    first = max(0, -(-offset // stride))
    last = max(first, min(ends[0], (ends[1] - 1 + offset) // stride + 1))
    start = first * stride - offset
    single, strided = slice(first, last), slice(start, start + (last - first) * stride, stride)
    return (single, strided) if layer.transposed else (strided, single)
