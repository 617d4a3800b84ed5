"""Which input rows a pass reads, and which of its output rows each of them meets: one place for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwsim.layer import Layer


@dataclass(frozen=True, eq=False)
class Rows:
    """The input rows that a pass reads, in ascending order; equal only to itself.

    Attributes:
        y: int64 (rows,), number of the input row.
        meets: int64 (rows, Kh), number q among the owned output rows that the input row meets through each
            kernel row; -1 if none.
        owned: how many output rows the pass owns.
    """

    y: np.ndarray
    meets: np.ndarray
    owned: int

    @cached_property
    def reach(self) -> np.ndarray:
        """Owned output rows that each input row reaches, int64 (rows,)."""
        return np.count_nonzero(self.meets >= 0, axis=1)

    @cached_property
    def newest(self) -> np.ndarray:
        """The largest number q of those, int64 (rows,)."""
        return self.meets.max(axis=1)

    @cached_property
    def done(self) -> np.ndarray:
        """Owned rows that are complete after each input row, int64 (rows,)."""
        row, kernel_row = np.nonzero(self.meets >= 0)
        last = np.zeros(self.owned, np.int64)
        np.maximum.at(last, self.meets[row, kernel_row], row)
        return np.bincount(last, minlength=len(self.y))


def input_rows(layer: Layer, owned: Sequence[int] | np.ndarray) -> Rows:
    """The input rows of a pass that owns the output rows ``owned`` (ascending) of a layer."""
    return rows_between(owned, layer.in_shape[1], layer.kernel[0], layer.stride[0], layer.padding[0])


def rows_between(
    owned: Sequence[int] | np.ndarray, height: int, kernel: int, stride: int, padding: int
) -> Rows:
    """As :func:`input_rows`, from H of the input map, Kh, the stride along y and the padding at the top."""
    y = np.asarray(owned, np.int64)[:, None] * stride - padding + np.arange(kernel)
    q, kernel_row = np.nonzero((y >= 0) & (y < height))
    meets = np.full((height, kernel), -1, np.int64)
    meets[y[q, kernel_row], kernel_row] = q
    read = np.flatnonzero((meets >= 0).any(axis=1))
    return Rows(read, meets[read], len(owned))
