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
    padded = _pad(layer, integers(codes, signed))
    weights = weights.astype(np.int64)
    _, height, width = layer.out_shape
    sums = np.zeros(layer.out_shape, np.int64)
    for ky, kx in np.ndindex(layer.kernel):
        # What this tap meets: for each output pixel, one pixel of the padded map.
        met = padded[:, ky :: layer.stride, kx :: layer.stride][:, :height, :width]
        if layer.kind == "depthwise":
            sums += weights[:, 0, ky, kx, None, None] * met
        else:
            sums += np.tensordot(weights[:, :, ky, kx], met, axes=1)
    return wrap32(sums)


def run_layer(
    layer: Layer, codes: np.ndarray, weights: np.ndarray, requantize: Requantize, signed: bool = False
) -> np.ndarray:
    """Codes that a layer's drain writes: uint16 (M, Ho, Wo), before any pooling or addition.

    Args and errors as for :func:`accumulate`; ``requantize`` says what the drain does.
    """
    return requantize.apply(accumulate(layer, codes, weights, signed))


def _pad(layer: Layer, values: np.ndarray) -> np.ndarray:
    """Zeros around a map, as many as the output shape implies at the bottom and on the right."""
    margins = [(0, 0)]
    for axis in (0, 1):
        before = layer.padding[axis]
        needed = (layer.out_shape[axis + 1] - 1) * layer.stride + layer.kernel[axis]
        margins.append((before, max(0, needed - before - layer.in_shape[axis + 1])))
    return np.pad(values, margins)
