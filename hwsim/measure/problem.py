"""One layer as a matrix problem: real maps, real weights, and what a right answer is.

A layer is G groups of (P, K) x (K, N): P output pixels, K = C / G Kh Kw products, N = M / G filters; a
depthwise layer has G = C. Transposed convolutions are none of these, and are not measured. Maps are padded,
and cut to what the kernel reaches, before any clock starts: for dense and sparse kernels alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwsim.layer import Layer

ROUNDOFF_32 = 2.0**-24  # unit roundoff of IEEE single precision


@dataclass(frozen=True, eq=False)
class Problem:
    """A layer, its real weights (float64, ``layer.weight_shape``) and its padded maps (float32, (C, H',
    W'))."""

    layer: Layer
    weights: np.ndarray
    maps: tuple[np.ndarray, ...]

    @property
    def terms(self) -> int:
        """K: products in an output."""
        return int(np.prod(self.layer.weight_shape[1:]))

    @cached_property
    def matrix(self) -> np.ndarray:
        """Weights as float64 (G, K, N)."""
        rows = self.weights.reshape(self.layer.groups, self.layer.filters, -1)
        return np.ascontiguousarray(rows.transpose(0, 2, 1))

    def columns(self, padded: np.ndarray) -> np.ndarray:
        """im2col: a padded map as (G, P, K), contiguous, of its own dtype."""
        layer, windows = self.layer, (self.layer.reach(0) + 1, self.layer.reach(1) + 1)
        (down, right), (tall, wide) = layer.stride, layer.dilation
        met = np.lib.stride_tricks.sliding_window_view(padded, windows, axis=(1, 2))
        met = met[:, ::down, ::right, ::tall, ::wide]  # (C, Ho, Wo, Kh, Kw)
        met = met.reshape(layer.groups, -1, *met.shape[1:]).transpose(0, 2, 3, 1, 4, 5)
        return np.ascontiguousarray(met).reshape(layer.groups, layer.out_shape[1] * layer.out_shape[2], -1)

    def outputs(self, product: np.ndarray) -> np.ndarray:
        """(G, P, N), or the same flattened, as a map (M, Ho, Wo)."""
        product = product.reshape(self.layer.groups, -1, self.layer.filters)
        return product.transpose(0, 2, 1).reshape(self.layer.out_shape)

    def reference(self, padded: np.ndarray) -> np.ndarray:
        """The layer's output in double precision, (M, Ho, Wo)."""
        return self.outputs(self.columns(padded.astype(np.float64)) @ self.matrix)

    @cached_property
    def references(self) -> tuple[np.ndarray, ...]:
        """:meth:`reference` of every map."""
        return tuple(self.reference(padded) for padded in self.maps)

    def bound(self, padded: np.ndarray, roundoff: float) -> np.ndarray:
        """Error allowed for operands and outputs with a unit roundoff, and sums in single precision, (M, Ho,
        Wo).

        Rounding errors of K products grow as sqrt(K) with high probability (Higham and Mary, "A new approach
        to probabilistic rounding error analysis", SISC 2019); four of them are allowed.
        """
        magnitude = self.outputs(np.abs(self.columns(padded.astype(np.float64))) @ np.abs(self.matrix))
        return magnitude * 4 * (roundoff + ROUNDOFF_32 * self.terms**0.5)


def pad(layer: Layer, real: np.ndarray) -> np.ndarray:
    """A map with its zeros around, cut to what the taps reach: (C, (Ho-1) s + (Kh-1) d + 1, and so on)."""
    sizes = [(layer.out_shape[axis + 1] - 1) * layer.stride[axis] + layer.reach(axis) + 1 for axis in (0, 1)]
    padded = np.zeros((layer.in_shape[0], *sizes), np.float32)
    top, left = layer.padding
    inside = padded[:, top : top + layer.in_shape[1], left : left + layer.in_shape[2]]
    inside[...] = real[:, : inside.shape[1], : inside.shape[2]]
    return padded
