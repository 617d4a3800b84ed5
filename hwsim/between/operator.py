"""A value of a network in integers, and what all operators between its maps have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, prod

import numpy as np

from hwsim.quantize import MULTIPLIER_MAX, SHIFT_MAX, code_limits

Shape = tuple[int, int, int]
Pair = tuple[int, int]
VALUES_MAX = 1 << 31  # of a value; more is damage, not a network


@dataclass(frozen=True)
class Value:
    """What a tensor's integers are.

    Attributes:
        name: unique among the values and maps of its network.
        shape: (C, H, W).
        bits, signed, scale: as of a map (:class:`hwsim.trace.MapInfo`).

    Raises:
        ValueError: a value is out of range.
    """

    name: str
    shape: Shape
    bits: int
    signed: bool
    scale: float

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            raise ValueError(f"the name of a value must be printable text, not {self.name!r}")
        if min(self.shape) < 1 or prod(self.shape) > VALUES_MAX:
            raise ValueError(f"value {self.name}: shape {self.shape} is empty or has more than 2^31 integers")
        if not 1 + self.signed <= self.bits <= 16:
            raise ValueError(f"value {self.name}: bits must be 1 (signed: 2) .. 16, not {self.bits}")
        if not (isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"value {self.name}: scale must be finite and above 0, not {self.scale}")

    @property
    def limits(self) -> Pair:
        """The least and the largest integer that it may hold."""
        return code_limits(self.bits, self.signed)


@dataclass(frozen=True)
class Between(ABC):
    """An operator between maps.

    Attributes:
        inputs: names of the values and maps that it reads.
        output: name of the value or map that it makes.
    """

    inputs: tuple[str, ...]
    output: str

    @abstractmethod
    def check(self, inputs: Sequence[Value], output: Value) -> None:
        """Whether the operator fits what it reads and makes.

        Raises:
            ValueError: it does not.
        """

    @abstractmethod
    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        """The integers that it makes of others: int64 (C, H, W) each."""

    def need(self, fits: bool, what: str) -> None:
        if not fits:
            raise ValueError(f"the operator that makes {self.output} {what}")

    def check_one_input(self, inputs: Sequence[Value]) -> Value:
        self.need(len(inputs) == 1, f"reads {len(inputs)} values, not 1")
        return inputs[0]

    def check_kept(self, values: Sequence[Value], output: Value) -> None:
        """Integers that pass unchanged mean the same before and behind, and fit."""
        for value in values:
            fits = value.limits[0] >= output.limits[0] and value.limits[1] <= output.limits[1]
            self.need(
                value.scale == output.scale and fits,
                f"keeps integers, so {value.name} must have its scale and no larger range",
            )


@dataclass(frozen=True)
class Clamped(Between):
    low: int
    high: int

    def check_clamps(self, output: Value) -> None:
        least, largest = output.limits
        self.need(
            least <= self.low <= self.high <= largest,
            f"must clamp within {least} .. {largest}, not to {self.low} .. {self.high}",
        )


@dataclass(frozen=True)
class Scaled(Clamped):
    shift: int

    def check_scaling(self, multipliers: Sequence[int], output: Value) -> None:
        self.check_clamps(output)
        self.need(1 <= self.shift <= SHIFT_MAX, f"must shift by 1 .. {SHIFT_MAX}, not by {self.shift}")
        self.need(
            all(abs(multiplier) <= MULTIPLIER_MAX for multiplier in multipliers),
            f"must have multipliers within +-{MULTIPLIER_MAX}",
        )

    def rounded(self, products: np.ndarray) -> np.ndarray:
        return np.clip((products + (1 << (self.shift - 1))) >> self.shift, self.low, self.high)
