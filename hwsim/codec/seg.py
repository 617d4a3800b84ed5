"""SEG_k, the sparse exponential-Golomb code: a zero is one bit, whatever the order k.

The bit format, the one place that defines it:

- EG_k(n), n >= 0: with y = n + 2^k and L the bit length of y, L - 1 - k zero bits, then y in L bits, most
  significant first (the exponential-Golomb code of order k: Teuhola 1978; H.264 uses k = 0).
- SEG_0(x) = EG_0(x). For k > 0: SEG_k(0) = `1`, and SEG_k(x) = `0` then EG_k(x - 1) for x > 0
  (Georgiadis, CVPR 2019, arXiv 1812.04056).
- Bits fill bytes from the most significant end. The last byte, or the last 64-bit word of a segment, is
  filled up with zero bits.

A zero is `1` and everything else starts with `0`: a run of zeros is a unary run of ones. Values have 16 bits
at most, so the longest code has 33 bits (k = 0 or 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hwsim.codec import length_loops, seg_loops
from hwsim.codec.checks import as_bytes, as_codes, as_count, largest_of
from hwsim.codec.coder import Coder
from hwsim.codec.problems import check, check_padding
from hwsim.codec.seg_lengths import best_order_of, loop_order


@dataclass(frozen=True)
class SegCoder(Coder):
    """SEG as a coder of the registry."""

    name: ClassVar[str] = "seg"
    label: ClassVar[str] = "SEG"
    meaning: ClassVar[str] = "sparse exponential-Golomb code"

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Codes of unsigned integers of any shape (C order): uint8, the last byte padded with zero bits.

        Raises:
            CodecError: a value out of range or not an integer, or an order outside 0..15.
        """
        codes = as_codes(values, self.bits)
        order = loop_order(order)
        size = -(-length_loops.total_bits(codes, order) // 8)
        out = np.empty(size + 8, np.uint8)
        seg_loops.encode(codes, order, out)
        return out[:size]

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D. Behind them only padding may follow: fewer than 64 bits, all zero.

        Raises:
            CodecError: the data is truncated, has an illegal prefix, a value above the range of ``bits`` or
                ``dtype``, or more than padding behind the last value (the message names the bit); or a
                wrong order.
        """
        buffer = as_bytes(data)
        order = loop_order(order)
        kind, largest = largest_of(dtype, self.bits)
        out = np.zeros(as_count(count, 8 * len(buffer)), np.uint16)
        problem, bit, done = seg_loops.decode(buffer, order, largest, out)
        check(problem, bit, f"value {done}", largest)
        check_padding(buffer, bit)
        return out.astype(kind, copy=False)

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Bits of :meth:`encode` before padding.

        Raises:
            CodecError: as :meth:`encode`.
        """
        return int(length_loops.total_bits(as_codes(values, self.bits), loop_order(order)))

    def best_order(self, values: Any) -> int:
        """The order with the fewest bits, from the histogram; the lowest of equals (so never 1, which is 0).

        Raises:
            CodecError: a value out of range or not an integer.
        """
        return best_order_of(np.bincount(as_codes(values, self.bits)))


_SEG = SegCoder()
encode = _SEG.encode
decode = _SEG.decode
encoded_bits = _SEG.encoded_bits
best_order = _SEG.best_order
