"""The geometry of a MAC layer: shapes, taps and MAC counts, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

import numpy as np

Kind = Literal["conv", "depthwise", "linear"]
Pair = tuple[int, int]
MAX_TAPS, MAX_SIZE = 1 << 12, 1 << 31  # of a side


@dataclass(frozen=True)
class Layer:
    """One convolution or linear layer.

    A convolution of stride s, padding p and dilation d adds input pixel i, times tap k, to output pixel
    (i + p - k d) / s where that is a whole number; a transposed one to output pixel i s - p + k d.
    A linear layer is a 1x1 convolution: over a map of height and width 1 for one vector, else over the grid
    on which its vectors lie.

    Attributes:
        name: unique in its network.
        kind: ``conv``, ``depthwise`` (one filter a channel) or ``linear``.
        input: name of the activation map that the layer reads.
        in_shape: (C, H, W) of that map.
        out_shape: (M, Ho, Wo). With ``padding`` it implies the padding at the bottom and on the right,
            so that asymmetric padding (TensorFlow's SAME) needs no field of its own.
        kernel: (Kh, Kw).
        stride: (vertical, horizontal), 1 or more; one number is taken for both.
        padding: (top, left); of a transposed convolution, the outputs that are cut there.
        relu: whether the layer's own output passes a ReLU.
        output: name of the map that this layer produces (after any pooling or addition), if a layer of the
            network reads it.
        adds: maps that are added to its result before a map is made of it.
        adds_results: layers of whose results, or of what was made by adding to them, the same is true. These
            are no maps: no layer reads them.
        also: further maps that come of its result, through a pool, a sum or as a part of a concatenation.
        groups: filters of one of these see one of as many equal parts of the channels. A depthwise layer has
            a group for each channel, without being told; a depth multiplier is a ``conv`` of C groups.
        dilation: (vertical, horizontal), distance of taps; 1 along an axis of one tap.
        transposed: whether the convolution is transposed.
        clamped: whether its drain has clamps of its own (:class:`hwsim.quantize.Requantize`), of which its
            program tells the machine.

    Raises:
        ValueError: the shapes do not fit each other.
    """

    name: str
    kind: Kind
    input: str
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    relu: bool = True
    output: str | None = None
    groups: int = 1
    dilation: Pair = (1, 1)
    transposed: bool = False
    also: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    adds_results: tuple[str, ...] = ()
    clamped: bool = False

    @property
    def makes(self) -> tuple[str, ...]:
        """All maps that it makes or has a part in: ``output`` first, then those of ``also``."""
        return self.also if self.output is None else (self.output, *self.also)

    def __post_init__(self) -> None:
        if isinstance(self.stride, int):
            object.__setattr__(self, "stride", (self.stride, self.stride))
        sizes = (*self.in_shape, *self.out_shape, *self.kernel, *self.stride, *self.dilation, self.groups)
        if self.kind not in ("conv", "depthwise", "linear"):
            raise ValueError(f"layer {self.name}: kind must be conv, depthwise or linear, not {self.kind!r}")
        if min(sizes) < 1 or min(self.padding) < 0:
            raise ValueError(
                f"layer {self.name}: sizes, stride, dilation and groups must be 1 or more, padding 0 or more"
            )
        if max(self.kernel) > MAX_TAPS or max(*sizes, *self.padding) > MAX_SIZE:
            raise ValueError(f"layer {self.name}: a kernel's side is at most {MAX_TAPS}, any other size 2^31")
        dilation = tuple(d if taps > 1 else 1 for d, taps in zip(self.dilation, self.kernel, strict=True))
        object.__setattr__(self, "dilation", dilation)
        self._check_channels()
        if self.kind == "linear" and (
            self.in_shape[1:] != self.out_shape[1:]
            or (self.kernel, self.stride, self.padding, self.transposed) != ((1, 1), (1, 1), (0, 0), False)
        ):
            raise ValueError(f"layer {self.name}: a linear layer has a kernel of 1x1 and keeps its grid")
        for axis in (0, 1):
            self._check_axis(axis)

    def _check_channels(self) -> None:
        channels, filters = self.in_shape[0], self.out_shape[0]
        if self.kind == "depthwise":
            if channels != filters or self.groups not in (1, channels):
                raise ValueError(f"layer {self.name}: depthwise needs as many output as input channels")
            object.__setattr__(self, "groups", channels)
        elif channels % self.groups or filters % self.groups:
            raise ValueError(f"layer {self.name}: {self.groups} groups do not divide its channels")

    def _check_axis(self, axis: int) -> None:
        """Whether both ends of the output see the map; a transposed one's may lie a stride behind it."""
        size, outputs = self.in_shape[axis + 1], self.out_shape[axis + 1]
        stride, padding, reach = self.stride[axis], self.padding[axis], self.reach(axis)
        if self.transposed:
            last = (size - 1) * stride + reach - padding
            spare = max(stride, self.dilation[axis])  # PyTorch's output_padding is less
            if last < 0 or outputs > last + spare:
                raise ValueError(f"layer {self.name}: no tap reaches the last outputs of axis {'yx'[axis]}")
        elif padding > reach or (outputs - 1) * stride - padding >= size:
            raise ValueError(f"layer {self.name}: an output pixel of axis {'yx'[axis]} sees padding only")

    @property
    def special(self) -> str | None:
        """What it is beyond a plain or depthwise convolution, in words, for those that run no other."""
        kinds = {
            "transposed convolutions": self.transposed,
            "grouped convolutions": self.groups > 1 and self.kind != "depthwise",
            "dilated convolutions": self.dilation != (1, 1),
            "convolutions whose strides differ": self.stride[0] != self.stride[1],
        }
        return next((kind for kind, found in kinds.items() if found), None)

    def reach(self, axis: int) -> int:
        """From the first tap to the last along an axis (0: y, 1: x): (kernel - 1) x dilation."""
        return (self.kernel[axis] - 1) * self.dilation[axis]

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(M, C / groups, Kh, Kw), transposed or not; C / groups is 1 for a depthwise layer."""
        return (self.out_shape[0], self.in_shape[0] // self.groups, *self.kernel)

    @property
    def filters(self) -> int:
        """Output channels that one activation meets."""
        return self.out_shape[0] // self.groups

    def taps(self, axis: int) -> np.ndarray:
        """Valid taps of every input position along an axis (0: y, 1: x), int64 of shape (H,) or (W,).

        A tap is valid where its product lands on an output (see the class). Read-only.
        """
        return self._valid_taps[axis]

    @cached_property
    def _valid_taps(self) -> tuple[np.ndarray, np.ndarray]:
        return self._count_taps(0), self._count_taps(1)

    def _count_taps(self, axis: int) -> np.ndarray:
        valid = np.zeros(self.in_shape[axis + 1], np.int64)
        for first, low, stop in zip(*(part.tolist() for part in self._meetings(axis)), strict=True):
            if self.transposed:
                valid[low:stop] += 1
            else:
                stride = self.stride[axis]
                valid[low * stride + first : stop * stride + first : stride] += 1
        valid.setflags(write=False)
        return valid

    def _meetings(self, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which positions meet over each tap along an axis.

        An output o of a plain convolution, or an input o of a transposed one, meets one position of the
        other: o x stride + first. It is there for low <= o < stop.

        Returns:
            first, low and stop, int64 (taps,): none of them takes the memory of all positions and taps.
        """
        size, outputs = self.in_shape[axis + 1], self.out_shape[axis + 1]
        own, other = (size, outputs) if self.transposed else (outputs, size)
        first = np.arange(self.kernel[axis]) * self.dilation[axis] - self.padding[axis]
        low = np.maximum(0, -(first // self.stride[axis]))
        stop = np.maximum(low, np.minimum(own, (other - 1 - first) // self.stride[axis] + 1))
        return first, low, stop

    @cached_property
    def macs(self) -> int:
        """MACs with a valid tap (padding is not counted)."""
        (_, low, stop), (_, left, right) = self._meetings(0), self._meetings(1)
        return self.in_shape[0] * self.filters * int((stop - low).sum()) * int((right - left).sum())

    @property
    def published_macs(self) -> int:
        """MACs as papers count them: pixels x weights, taps in the padding included.

        The pixels are those of the output, of a transposed convolution those of the input.
        """
        pixels = self.in_shape[1:] if self.transposed else self.out_shape[1:]
        return prod(pixels) * prod(self.weight_shape)

    def nonzero_macs(self, values: np.ndarray) -> int:
        """MACs whose activation is not zero; ``values`` is the input map, (C, H, W)."""
        per_pixel = np.count_nonzero(values, axis=0)
        return int(self.taps(0) @ per_pixel @ self.taps(1)) * self.filters


def check_added(layers: Sequence[Layer]) -> None:
    """Whether the results that layers add are those of layers before them, none twice.

    Args:
        layers: in the order of execution.

    Raises:
        ValueError: names the layer that adds another one.
    """
    before: set[str] = set()
    for layer in layers:
        for added in layer.adds_results:
            if added not in before:
                raise ValueError(f"layer {layer.name} adds the result of {added}, no layer before it")
        if len({*layer.adds}) < len(layer.adds) or len({*layer.adds_results}) < len(layer.adds_results):
            raise ValueError(f"layer {layer.name} adds the same twice")
        before.add(layer.name)
