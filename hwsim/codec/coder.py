"""What all coders have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from hwsim.codec.checks import MAX_BITS, MAX_ORDER, as_codes, as_integer


@dataclass(frozen=True)
class Coder(ABC):
    """What every coder is: a small frozen dataclass, derived from this one.

    Values are unsigned integers of ``bits`` bits, arrays of any shape are read in C order. A coder without an
    order ignores the argument ``order``. Methods raise CodecError on input that they cannot take.

    Attributes:
        name: in the registry. label: in tables and plots. meaning: of the label, half a sentence.
        bits: width of a value, 1 .. 16; a larger value is an error in both directions.

    Raises:
        CodecError: ``bits`` is out of range.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    meaning: ClassVar[str]
    bits: int = MAX_BITS

    def __post_init__(self) -> None:
        as_integer(self.bits, "bits", 1, MAX_BITS)

    @classmethod
    def for_map(cls, shape: tuple[int, int, int], bits: int) -> Self:
        """As it codes maps of a shape (C, H, W), of ``bits`` bits, wherever coders are compared."""
        return cls(bits)

    @abstractmethod
    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Bytes, uint8 (n,), of unsigned integers of any shape, in C order."""

    @abstractmethod
    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D.

        It takes what :meth:`encode` makes of them, and up to 63 zero bits behind it, such as fill a word;
        ASEG alone also takes other choices of an encoder (hwsim.codec.aseg).
        """

    @abstractmethod
    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Exact length of the encoding in bits, before padding to bytes, without encoding."""

    def best_order(self, values: Any) -> int:
        """The order with the fewest bits, exact; 0 for a coder without one."""
        as_codes(values, self.bits)
        return 0


def cheapest_order(histogram: np.ndarray, lengths: Callable[[int], np.ndarray]) -> int:
    """The order with the fewest bits, the lowest of equals.

    Args:
        histogram: int64, how often each value 0, 1, ... comes; at most 65536 of them.
        lengths: of an order, the bits of every value 0 .. 65535.
    """
    present = np.flatnonzero(histogram)
    counts = histogram[present]
    return int(np.argmin([lengths(order)[present] @ counts for order in range(MAX_ORDER + 1)]))


def bit_length(numbers: np.ndarray) -> np.ndarray:
    """Bits of integers 0 .. 2^53, int64 of the same shape; 0 for 0."""
    _, exponent = np.frexp(numbers.astype(np.float64))
    return exponent.astype(np.int64)
