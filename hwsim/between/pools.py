"""Pooling in integers: the largest, or the mean, of what a window sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from hwsim.between.operator import Between, Pair, Scaled, Shape, Value

SUM_MAX = (1 << 31) - 1  # of a window: an accumulator has 32 bits
SIDE_MAX = 1 << 16  # of what is made; more is damage, not a network
COUNTS_MAX = 1 << 12  # different numbers of places that windows have


@dataclass(frozen=True)
class _Window(Between):
    """A window that moves over a map.

    Attributes:
        kernel: (Kh, Kw).
        stride: (vertical, horizontal).
        padding: (top, left, bottom, right).
    """

    kernel: Pair
    stride: Pair
    padding: tuple[int, int, int, int]

    def _check_windows(self, value: Value, output: Value) -> None:
        self.need(
            min(self.kernel) > 0 and min(self.stride) > 0 and min(self.padding) >= 0,
            "must have a window and a stride of 1 or more, and padding of 0 or more",
        )
        self.need(value.shape[0] == output.shape[0], "keeps the channels")
        self.need(max(output.shape[1:]) <= SIDE_MAX, f"makes more than {SIDE_MAX} rows or columns")
        for axis in (0, 1):
            size, outputs = value.shape[axis + 1], output.shape[axis + 1]
            last = (outputs - 1) * self.stride[axis] - self.padding[axis]
            self.need(
                self.padding[axis] < self.kernel[axis] and last < size,
                f"has a window of axis {'yx'[axis]} that sees padding only",
            )

    def _begins(self, axis: int, outputs: int) -> np.ndarray:
        return np.arange(outputs) * self.stride[axis] - self.padding[axis]

    def _seen(self, axis: int, size: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """The positions that each window sees along an axis: the first, and the one behind the last."""
        begins = self._begins(axis, outputs)
        return np.maximum(begins, 0), np.minimum(begins + self.kernel[axis], size)


@dataclass(frozen=True)
class MaxPool(_Window):
    """The largest integer that each window sees; padding is not seen."""

    kind: Literal["max_pool"] = "max_pool"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        self._check_windows(value, output)
        self.check_kept(inputs, output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        (values,), made = inputs, np.empty(output.shape, np.int64)
        rows = zip(*self._seen(0, values.shape[1], output.shape[1]), strict=True)
        columns = list(zip(*self._seen(1, values.shape[2], output.shape[2]), strict=True))
        for y, (top, bottom) in enumerate(rows):
            tallest = values[:, top:bottom].max(axis=1)
            for x, (left, right) in enumerate(columns):
                made[:, y, x] = tallest[:, left:right].max(axis=1)
        return made


@dataclass(frozen=True)
class AveragePool(_Window, Scaled):
    """The sum of what each window sees, scaled.

    Attributes:
        count_padding: whether a mean is over the padding, as over zeros.
        multipliers: (places that count, multiplier) for every number of places that there is.
    """

    count_padding: bool
    multipliers: tuple[Pair, ...]
    kind: Literal["average_pool"] = "average_pool"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        self._check_windows(value, output)
        self.check_scaling([multiplier for _, multiplier in self.multipliers], output)
        rows, columns = (set(counts.tolist()) for counts in self._counts(value.shape, output.shape))
        self.need(len(rows) * len(columns) <= COUNTS_MAX, "has windows of too many different sizes")
        needed = sorted({tall * wide for tall in rows for wide in columns})
        known = [count for count, _ in self.multipliers]
        self.need(known == needed, f"needs a multiplier for each of {needed} places, not {known}")
        self.need(
            prod(self.kernel) * value.limits[1] <= SUM_MAX, "has a window whose sum does not fit 32 bits"
        )

    def counts(self, shape: Shape, made: Shape) -> np.ndarray:
        """How many places count in each window, int64 (Ho, Wo)."""
        return np.outer(*self._counts(shape, made))

    def _counts(self, shape: Shape, made: Shape) -> list[np.ndarray]:
        """How many places count in each window, in its height and in its width."""
        counts = []
        for axis in (0, 1):
            size, outputs = shape[axis + 1], made[axis + 1]
            first, behind = self._seen(axis, size, outputs)
            if self.count_padding:
                first = self._begins(axis, outputs)
                behind = np.minimum(first + self.kernel[axis], size + self.padding[axis + 2])
            counts.append(behind - first)
        return counts

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        (values,) = inputs
        sums = np.zeros((len(values), values.shape[1] + 1, values.shape[2] + 1), np.int64)
        sums[:, 1:, 1:] = values.cumsum(axis=1).cumsum(axis=2)
        tops, bottoms = self._seen(0, values.shape[1], output.shape[1])
        lefts, rights = self._seen(1, values.shape[2], output.shape[2])
        of_rows = sums[:, bottoms] - sums[:, tops]
        windows = of_rows[:, :, rights] - of_rows[:, :, lefts]
        table = dict(self.multipliers)
        counts = self.counts(values.shape, output.shape)
        multipliers = np.vectorize(table.__getitem__, otypes=[np.int64])(counts)
        return self.rounded(windows * multipliers)
