"""The geometry of a MAC layer: shapes, taps and MAC counts, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

Kind = Literal["conv", "depthwise", "linear"]


@dataclass(frozen=True)
class Layer:
    """One convolution (dilation 1, groups 1 or depthwise) or linear layer.

    A linear layer is a 1x1 convolution over a map of height and width 1.

    Attributes:
        name: unique in its network.
        kind: ``conv``, ``depthwise`` (one filter a channel) or ``linear``.
        input: name of the activation map that the layer reads.
        in_shape: (C, H, W) of that map.
        out_shape: (M, Ho, Wo). With ``padding`` it implies the padding at the bottom and on the right,
            so that asymmetric padding (TensorFlow's SAME) needs no field of its own.
        kernel: (Kh, Kw).
        stride: the same in both directions, 1 or more.
        padding: (top, left).
        relu: whether the layer's own output passes a ReLU.
        output: name of the map that this layer produces (after any pooling or addition), if a layer of the
            network reads it.

    Raises:
        ValueError: the shapes do not fit each other.
    """

    name: str
    kind: Kind
    input: str
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    relu: bool = True
    output: str | None = None

    def __post_init__(self) -> None:
        sizes = (*self.in_shape, *self.out_shape, *self.kernel, self.stride)
        if self.kind not in ("conv", "depthwise", "linear"):
            raise ValueError(f"layer {self.name}: kind must be conv, depthwise or linear, not {self.kind!r}")
        if min(sizes) < 1 or min(self.padding) < 0:
            raise ValueError(f"layer {self.name}: sizes and stride must be 1 or more, padding 0 or more")
        if self.kind == "depthwise" and self.in_shape[0] != self.out_shape[0]:
            raise ValueError(f"layer {self.name}: depthwise needs as many output as input channels")
        if self.kind == "linear" and (*self.in_shape[1:], *self.out_shape[1:], *self.kernel) != (1,) * 6:
            raise ValueError(f"layer {self.name}: a linear layer has maps and a kernel of 1x1")
        for axis in (0, 1):
            last = (self.out_shape[axis + 1] - 1) * self.stride - self.padding[axis]
            if self.padding[axis] >= self.kernel[axis] or last >= self.in_shape[axis + 1]:
                raise ValueError(f"layer {self.name}: an output pixel of axis {'yx'[axis]} sees padding only")

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(M, C, Kh, Kw); C is 1 for a depthwise layer."""
        return (self.out_shape[0], 1 if self.kind == "depthwise" else self.in_shape[0], *self.kernel)

    @property
    def filters(self) -> int:
        """Output channels that one activation meets."""
        return 1 if self.kind == "depthwise" else self.out_shape[0]

    def taps(self, axis: int) -> np.ndarray:
        """Valid taps of every input position along an axis (0: y, 1: x), int64 of shape (H,) or (W,).

        Position i meets tap k where (i + padding - k) is a multiple of the stride and lands on an output.
        """
        position = np.arange(self.in_shape[axis + 1])[:, None] + self.padding[axis]
        reach = position - np.arange(self.kernel[axis])[None, :]
        inside = (reach >= 0) & (reach % self.stride == 0) & (reach // self.stride < self.out_shape[axis + 1])
        return inside.sum(axis=1).astype(np.int64)

    @cached_property
    def macs(self) -> int:
        """MACs with a valid tap (padding is not counted)."""
        return int(self.in_shape[0] * self.filters * self.taps(0).sum() * self.taps(1).sum())

    def nonzero_macs(self, values: np.ndarray) -> int:
        """MACs whose activation is not zero; ``values`` is the input map, (C, H, W)."""
        per_pixel = np.count_nonzero(values, axis=0)
        return int(self.taps(0) @ per_pixel @ self.taps(1)) * self.filters
