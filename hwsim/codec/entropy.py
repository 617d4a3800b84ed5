"""The zeroth-order entropy: a bound on codes of single values by a fixed table (Shannon 1948)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hwsim.codec.checks import as_codes
from hwsim.codec.coder import Coder
from hwsim.errors import CodecError


@dataclass(frozen=True)
class Estimate:
    """The entropy of a histogram. It is too low where ``distinct`` is not small beside ``samples``.

    Attributes:
        bits_per_value: -sum(p log2 p).
        samples: values that the histogram has.
        distinct: different ones among them.
    """

    bits_per_value: float
    samples: int
    distinct: int


@dataclass(frozen=True)
class Entropy(Coder):
    """The bound: it has a length, but no code. A table that a decoder would need is not counted."""

    name: ClassVar[str] = "entropy"
    label: ClassVar[str] = "entropy"
    meaning: ClassVar[str] = "zeroth-order entropy: a bound for codes of single values, not a code"

    def estimate(self, values: Any) -> Estimate:
        """The entropy of the histogram of ``values``, and the number of samples it rests on.

        Raises:
            CodecError: a value out of range or not an integer.
        """
        histogram = np.bincount(as_codes(values, self.bits))
        counts = histogram[histogram > 0]
        p = counts / max(counts.sum(), 1)
        return Estimate(float(-(p @ np.log2(p))) + 0.0, int(counts.sum()), len(counts))

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """samples x entropy, rounded up.

        Raises:
            CodecError: as :meth:`estimate`.
        """
        found = self.estimate(values)
        return math.ceil(found.samples * found.bits_per_value - 1e-6)

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Not possible.

        Raises:
            CodecError: always.
        """
        raise CodecError("entropy is a bound, not a code: ask for encoded_bits")

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """Not possible.

        Raises:
            CodecError: always.
        """
        raise CodecError("entropy is a bound, not a code: nothing is encoded with it")
