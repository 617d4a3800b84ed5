"""Which input rows a pass reads, and which of its output rows each of them meets: one place for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from hwsim.layer import Layer


@dataclass(frozen=True, eq=False)
class RowOrder:
    """In which order rows of a layer are read and drained (docs/architecture.md, *Rows*).

    Of ``makes[i]``, the input rows that it waits for are ``reads[first[i]:end[i]]``; both bounds ascend.
    Equal only to itself.

    Attributes:
        reads: int64 (H,), the input rows in the order of reading.
        makes: int64 (Ho,), the output rows in the order of draining.
        first, end: int64 (Ho,), of each of ``makes``.
        tapped: bool (Ho,), whether these meet it through a tap.
    """

    reads: np.ndarray
    makes: np.ndarray
    first: np.ndarray
    end: np.ndarray
    tapped: np.ndarray

    @cached_property
    def ring(self) -> int:
        """Rows of accumulators of a pass: the most output rows that are open at once, and one more."""
        places = np.arange(len(self.reads))
        begun = np.searchsorted(self.first, places, side="right")
        complete = np.searchsorted(self.end, places, side="right")
        return int((begun - complete).max()) + 1


@dataclass(frozen=True, eq=False)
class Rows:
    """The input rows that a pass reads, in the order of reading; equal only to itself.

    Attributes:
        y: int64 (rows,), number of the input row.
        meets: int64 (rows, Kh), number q among the owned output rows that the input row meets through each
            kernel row; -1 if none.
        done: int64 (rows,), owned rows that are complete after each input row.
        owned: how many output rows the pass owns.
    """

    y: np.ndarray
    meets: np.ndarray
    done: np.ndarray
    owned: int

    @cached_property
    def reach(self) -> np.ndarray:
        """Owned output rows that each input row reaches, int64 (rows,)."""
        return np.count_nonzero(self.meets >= 0, axis=1)

    @cached_property
    def newest(self) -> np.ndarray:
        """The largest number q of those, int64 (rows,); 0 if there are none."""
        return np.maximum(self.meets.max(axis=1), 0)


def row_order(layer: Layer) -> RowOrder:
    """The rows of a layer, in order."""
    shape = (layer.in_shape[1], layer.out_shape[1], layer.kernel[0], layer.stride[0])
    return _row_order(*shape, layer.padding[0], layer.dilation[0], layer.transposed)


@lru_cache(maxsize=1024)
def _row_order(
    height: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int, transposed: bool
) -> RowOrder:
    y, row = np.arange(height), np.arange(outputs)
    if transposed:
        reads, makes = y, row
        first = -((kernel - 1 - padding - row) // stride)  # the kernel's last row, or one above it
        end = (row + padding) // stride + 1
    else:
        # By phase: rows that share no input row with others lie apart.
        reads = np.lexsort((y, (y + padding) % dilation))
        makes = np.lexsort((row, row * stride % dilation))
        top = makes * stride - padding
        taps_above = np.maximum(0, -(top // dilation))
        taps = np.minimum(kernel, (height - 1 - top) // dilation + 1)
        place = np.empty(height, np.int64)
        place[reads] = y
        tapped = taps > taps_above
        first, end = np.zeros(outputs, np.int64), np.zeros(outputs, np.int64)
        first[tapped] = place[(top + taps_above * dilation)[tapped]]
        end[tapped] = first[tapped] + (taps - taps_above)[tapped]
    if transposed:
        first, end = np.maximum(first, 0), np.minimum(end, height)
        tapped = end > first
    # A row without a tap waits for the last input row of the one before, or with the first one of all.
    before = np.maximum.accumulate(np.where(tapped, np.arange(outputs), -1))
    start = first[np.argmax(tapped)] if tapped.any() else 0
    end = np.where(before < 0, start + 1, end[before])
    first = np.where(tapped, first, end - 1)
    return RowOrder(reads, makes, first, end, tapped)


def rows_read(layer: Layer) -> np.ndarray:
    """The input rows that some output row waits for, bool (H,)."""
    order = row_order(layer)
    read = np.zeros(layer.in_shape[1], bool)
    for first, end in zip(order.first, order.end, strict=True):
        read[order.reads[first:end]] = True
    return read


def input_rows(layer: Layer, owned: Sequence[int] | np.ndarray) -> Rows:
    """The input rows of a pass that owns the output rows ``owned`` of a layer, in the order of draining."""
    order, owned = row_order(layer), np.asarray(owned, np.int64)
    place, number = np.empty((2, len(order.makes)), np.int64)
    place[order.makes] = np.arange(len(place))
    number[:] = -1
    number[owned] = np.arange(len(owned))
    first, end = order.first[place[owned]], order.end[place[owned]]
    open_rows = np.bincount(first, minlength=len(order.reads) + 1) - np.bincount(
        end, minlength=len(order.reads) + 1
    )
    read = np.flatnonzero(open_rows.cumsum())
    y, tap = order.reads[read], np.arange(layer.kernel[0]) * layer.dilation[0]
    if layer.transposed:
        row = y[:, None] * layer.stride[0] - layer.padding[0] + tap
        on_grid = np.ones_like(row, bool)
    else:
        row, rest = np.divmod(y[:, None] + layer.padding[0] - tap, layer.stride[0])
        on_grid = rest == 0
    inside = on_grid & (row >= 0) & (row < layer.out_shape[1])
    meets = np.where(inside, number[np.where(inside, row, 0)], -1)
    done = np.bincount(np.searchsorted(read, end - 1), minlength=len(read))
    return Rows(y, meets, done, len(owned))
