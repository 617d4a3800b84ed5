"""Exponential-Golomb codes of order k (Teuhola 1978; k = 0 is H.264's ue(v)), where a zero has k + 1 bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from hwsim.codec import exp_golomb_loops
from hwsim.codec.checks import MAX_BITS, as_bytes, as_codes, as_count, as_order, largest_of
from hwsim.codec.coder import Coder, bit_length, cheapest_order
from hwsim.codec.fields import pack
from hwsim.codec.problems import check, check_padding


@dataclass(frozen=True)
class ExpGolomb(Coder):
    """EG_k of every value: with y = x + 2^k in L bits, L - 1 - k zeros, then y."""

    name: ClassVar[str] = "exp_golomb"
    label: ClassVar[str] = "exp-Golomb"
    meaning: ClassVar[str] = "plain exponential-Golomb code"

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Codes of integers of any shape: uint8, the last byte padded with zero bits.

        Raises:
            CodecError: a value out of range or not an integer, or an order outside 0..15.
        """
        codes, order = as_codes(values, self.bits), as_order(order)
        lengths = code_lengths(order)[codes]
        return pack(codes.astype(np.uint64) + np.uint64(1 << order), lengths)

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D; behind them only padding may follow.

        Raises:
            CodecError: as hwsim.codec.seg.SegCoder.decode.
        """
        buffer = as_bytes(data)
        kind, largest = largest_of(dtype, self.bits)
        out = np.empty(as_count(count, 8 * len(buffer)), np.uint16)
        problem, bit, done = exp_golomb_loops.decode(buffer, as_order(order), largest, out)
        check(problem, bit, f"value {done}", largest)
        check_padding(buffer, bit)
        return out.astype(kind, copy=False)

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Bits of :meth:`encode` before padding.

        Raises:
            CodecError: as :meth:`encode`.
        """
        return int(code_lengths(as_order(order))[as_codes(values, self.bits)].sum(dtype=np.int64))

    def best_order(self, values: Any) -> int:
        """The order with the fewest bits, from the histogram; the lowest of equals.

        Raises:
            CodecError: a value out of range or not an integer.
        """
        return cheapest_order(np.bincount(as_codes(values, self.bits)), code_lengths)


@cache
def code_lengths(order: int) -> np.ndarray:
    """Bits of EG_order of every value 0 .. 65535: uint8 (65536,), read-only.

    Raises:
        CodecError: an order outside 0..15.
    """
    order = as_order(order)
    lengths = (2 * bit_length(np.arange(1 << MAX_BITS) + (1 << order)) - 1 - order).astype(np.uint8)
    lengths.setflags(write=False)
    return lengths
