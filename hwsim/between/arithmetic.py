"""Sums, scales and clamps in integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hwsim.between.operator import Clamped, Pair, Scaled, Value

OFFSET_MAX = 1 << 47


@dataclass(frozen=True)
class Add(Scaled):
    """The sum of two values, each times a multiplier of its own: of a residual and what it passes by.

    Attributes:
        multipliers: of the first and of the second.
    """

    multipliers: Pair
    kind: Literal["add"] = "add"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        self.need(len(inputs) == 2, f"reads {len(inputs)} values, not 2")
        self.need(all(value.shape == output.shape for value in inputs), "adds values of its own shape")
        self.check_scaling(self.multipliers, output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        first, second = self.multipliers
        return self.rounded(inputs[0] * first + inputs[1] * second)


@dataclass(frozen=True)
class Rescale(Scaled):
    """Another scale, perhaps with a factor and an offset for each channel (batch normalization).

    Attributes:
        multipliers: of the channels, or one for all.
        offsets: as many; in units of 2^-shift, added before the shift.
    """

    multipliers: tuple[int, ...]
    offsets: tuple[int, ...]
    kind: Literal["rescale"] = "rescale"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        self.need(value.shape == output.shape, "keeps the shape")
        self.check_scaling(self.multipliers, output)
        self.need(
            len(self.multipliers) == len(self.offsets) in (1, value.shape[0]),
            "must have a multiplier and an offset for each channel, or one for all",
        )
        self.need(
            all(abs(offset) <= OFFSET_MAX for offset in self.offsets),
            f"must have offsets within +-{OFFSET_MAX}",
        )

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        multipliers, offsets = (
            np.array(values, np.int64)[:, None, None] for values in (self.multipliers, self.offsets)
        )
        return self.rounded(inputs[0] * multipliers + offsets)


@dataclass(frozen=True)
class Clip(Clamped):
    """What is below ``low`` or above ``high`` becomes that: ReLU, ReLU6."""

    kind: Literal["clip"] = "clip"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        self.need(value.shape == output.shape, "keeps the shape")
        self.need(value.scale == output.scale, "keeps the scale")
        self.check_clamps(output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        return np.clip(inputs[0], self.low, self.high)
