"""One layer as a matrix problem: real maps, real weights, and what a right answer is.

A layer is G groups of (P, K) x (K, N): P output pixels, K taps, N filters. A convolution or linear layer has
G = 1, K = C Kh Kw and N = M; a depthwise layer has G = C, K = Kh Kw and N = 1. Maps are padded, and cut to
what the kernel reaches, before any clock starts: for dense and sparse kernels alike.
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
    def depthwise(self) -> bool:
        """Whether there is a group for each channel."""
        return self.layer.kind == "depthwise"

    @property
    def terms(self) -> int:
        """K: products in an output."""
        return int(np.prod(self.layer.weight_shape[1:]))

    @cached_property
    def matrix(self) -> np.ndarray:
        """Weights as float64 (G, K, N)."""
        rows = self.weights.reshape(len(self.weights), -1)
        return rows[:, :, None] if self.depthwise else np.ascontiguousarray(rows.T)[None]

    def columns(self, padded: np.ndarray) -> np.ndarray:
        """im2col: a padded map as (G, P, K), contiguous, of its own dtype."""
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.layer.kernel, axis=(1, 2))
        windows = windows[:, :: self.layer.stride, :: self.layer.stride]  # (C, Ho, Wo, Kh, Kw)
        channels, height, width, *_ = windows.shape
        if self.depthwise:
            return np.ascontiguousarray(windows).reshape(channels, height * width, -1)
        return np.ascontiguousarray(windows.transpose(1, 2, 0, 3, 4)).reshape(1, height * width, -1)

    def outputs(self, product: np.ndarray) -> np.ndarray:
        """(G, P, N), or the same flattened, as a map (M, Ho, Wo)."""
        filters, height, width = self.layer.out_shape
        if self.depthwise:
            return product.reshape(filters, height, width)
        return product.reshape(height * width, filters).T.reshape(filters, height, width)

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
    """A map with its zeros around, cut to what the kernel reaches: (C, (Ho-1) s + Kh, (Wo-1) s + Kw)."""
    sizes = [(layer.out_shape[axis + 1] - 1) * layer.stride + layer.kernel[axis] for axis in (0, 1)]
    padded = np.zeros((layer.in_shape[0], *sizes), np.float32)
    top, left = layer.padding
    inside = padded[:, top : top + layer.in_shape[1], left : left + layer.in_shape[2]]
    inside[...] = real[:, : inside.shape[1], : inside.shape[2]]
    return padded
