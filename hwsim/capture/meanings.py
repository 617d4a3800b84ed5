"""What operators between maps compute, in real numbers, as far as integers can do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hwsim.between.resize import FRACTION

How = Literal["max", "mean"]
Border = Literal["edge", "reflect", "wrap"]


@dataclass(frozen=True)
class Pooling:
    """A pool; a window's padding counts in a mean if ``count_padding``.

    Attributes:
        padding: (top, left, bottom, right).
    """

    how: How
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    count_padding: bool = True


@dataclass(frozen=True)
class Reduced:
    """The largest, or the mean, along axes."""

    how: How
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Summed:
    """A sum of two values, each times a factor."""

    factors: tuple[float, float]


@dataclass(frozen=True)
class Bounded:
    """Values below and above bounds set to these, infinite where there is none; from 0 on it is a ReLU."""

    low: float
    high: float


@dataclass(frozen=True)
class Leaky:
    """What is below 0 times a slope."""

    slope: float


@dataclass(frozen=True)
class Resized:
    """Another height and width, or a border that repeats the map: where each row and column lies, in 256ths
    of a pixel of the map read."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def blends(self) -> bool:
        """Whether some pixel lies between others."""
        return any(place % FRACTION for place in (*self.rows, *self.columns))


Meaning = Pooling | Reduced | Summed | Bounded | Leaky | Resized


def places_of(pixels: np.ndarray, size: int) -> tuple[int, ...]:
    """Places as :class:`Resized` has them, of real ones along an axis of ``size`` pixels; its ends go on."""
    return tuple(np.rint(np.clip(pixels, 0, size - 1) * FRACTION).astype(int).tolist())


def bordered(sizes: Sequence[int], pads: Sequence[tuple[int, int]], how: Border) -> Resized:
    """A border of the map's own rows and columns.

    Args:
        sizes: height and width of what is read.
        pads: rows and columns before and behind.
        how: the outermost ones again, or, without these, mirrored or from the other side.
    """
    rows, columns = (
        FRACTION * np.pad(np.arange(size), around, how) for size, around in zip(sizes, pads, strict=True)
    )
    return Resized(tuple(rows.tolist()), tuple(columns.tolist()))


def windows_of(how: How, sizes: tuple[int, ...], outputs: tuple[int, ...]) -> Pooling | None:
    """An adaptive pool as one of equal windows; None if they are not equal."""
    if len(sizes) != 2 or any(size % made for size, made in zip(sizes, outputs, strict=True)):
        return None
    kernel = (sizes[0] // outputs[0], sizes[1] // outputs[1])
    return Pooling(how, kernel, kernel)
