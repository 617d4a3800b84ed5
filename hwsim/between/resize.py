"""Another height and width: upsampling, to the nearest pixel or between pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hwsim.between.operator import Between, Value

FRACTION = 256  # parts in which a pixel lies between two others


@dataclass(frozen=True)
class Resize(Between):
    """Every pixel is one of those of the map, or lies between two rows and two columns of it.

    Attributes:
        rows, columns: where each that is made lies, in 256ths of a pixel: 256 n is row n itself, and
            256 n + f lies f parts of 256 of the way to the next.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    kind: Literal["resize"] = "resize"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        self.need(
            (value.shape[0], len(self.rows), len(self.columns)) == output.shape,
            "must have a place for every row and column",
        )
        for places, size in ((self.rows, value.shape[1]), (self.columns, value.shape[2])):
            self.need(
                min(places) >= 0 and max(places) <= (size - 1) * FRACTION,
                f"takes what lies outside of {value.name}",
            )
        self.check_kept(inputs, output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        between = inputs[0]
        for axis, places in ((1, self.rows), (2, self.columns)):
            first, parts = np.divmod(np.array(places), FRACTION)
            second = np.minimum(first + 1, between.shape[axis] - 1)
            along = parts[:, None] if axis == 1 else parts
            between = (FRACTION - along) * between.take(first, axis) + along * between.take(second, axis)
        return (between + FRACTION * FRACTION // 2) // (FRACTION * FRACTION)
