"""What operators between maps compute, in real numbers, as far as integers can do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["max", "mean"]


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


Meaning = Pooling | Reduced | Summed


def windows_of(how: How, sizes: tuple[int, ...], outputs: tuple[int, ...]) -> Pooling | None:
    """An adaptive pool as one of equal windows; None if they are not equal."""
    if len(sizes) != 2 or any(size % made for size, made in zip(sizes, outputs, strict=True)):
        return None
    kernel = (sizes[0] // outputs[0], sizes[1] // outputs[1])
    return Pooling(how, kernel, kernel)
