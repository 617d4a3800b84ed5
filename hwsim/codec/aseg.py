"""ASEG, an adaptive successor of SEG: the code of a value depends on the size of the value before it.

The bit format (docs/codes.md says why, and what it gains):

- Values are cut into segments of ``segment`` values, the last one may be shorter; each is decodable alone.
- *Header*: `1`: code table 0, the order k given beside the data, run order r = 1; or `0`, then the table in a
  bit, k in 4, r in 2.
- *Level* of a value, by the order: 0 for zero; 5 for k + 1 binary digits, 4 for k, 6 for k + 2 ... 2 for
  k - 2 and 8 for k + 4; 1 for fewer and 9 for more digits.
- *State*: level of the value before, 8 instead of 9; 1 at the start of a segment.
- A non-zero value is the code of its level in the present state (tables: hwsim/codec/aseg_code.py), then its
  digits without the first one; level 1: k - 3 digits; level 9: ``bits`` digits.
- A run of n zeros, as long as it can be, is the code of level 0 in the present state, then EG_r(n - 1)
  (hwsim/codec/seg.py); the state behind it is 0, in which there is no code for level 0.

A value in the code of another level is an error (level 1 with value 0, level 9 with too small a value). The
header is the encoder's choice: a decoder takes any, also one that is not the shortest, and only there can
other bits stand for the same values.
Segments follow each other bit by bit; the last byte is filled up with zero bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from hwsim.codec import aseg_code, aseg_loops
from hwsim.codec.checks import MAX_ORDER, as_bytes, as_codes, as_count, as_integer, as_order, largest_of
from hwsim.codec.coder import Coder
from hwsim.codec.problems import check, check_padding

MAX_SEGMENT = 1 << 16


@dataclass(frozen=True)
class Aseg(Coder):
    """ASEG as a coder of the registry.

    The order is that of the whole array: a segment takes it, with table 0 and run order 1, or says its own.

    Attributes:
        segment: values of a segment, 1 .. 65536.
    """

    name: ClassVar[str] = "aseg"
    label: ClassVar[str] = "ASEG"
    meaning: ClassVar[str] = "adaptive SEG (docs/codes.md), in segments of 512 values"
    segment: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        as_integer(self.segment, "segment", 1, MAX_SEGMENT)

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Segments of unsigned integers of any shape (C order): uint8, the last byte padded with zero bits.

        Raises:
            CodecError: a value out of range or not an integer, or an order outside 0..15.
        """
        codes = as_codes(values, self.bits)
        order = as_order(order)
        headers, bits = self._choose(codes, order)
        size = -(-int(bits.sum()) // 8)
        out = np.empty(size + 8, np.uint8)
        aseg_loops.encode(codes, self.segment, order, headers, encoder_table(self.bits), out)
        return out[:size]

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D. Behind them only padding may follow: fewer than 64 bits, all zero.

        Raises:
            CodecError: the data is truncated, has an illegal code, a run of zeros beyond its segment, a value
                above the range of ``bits`` or ``dtype``, or more than padding behind the last value (the
                message names the bit); or a wrong order.
        """
        buffer = as_bytes(data)
        order = as_order(order)
        kind, largest = largest_of(dtype, self.bits)
        out = np.zeros(as_count(count, self._most_values(8 * len(buffer))), np.uint16)
        tables = decoder_tables(self.bits)
        problem, bit, done = aseg_loops.decode(  # type: ignore[call-arg]
            buffer, self.segment, order, largest, *tables, out
        )
        check(problem, bit, f"value {done}", largest)
        check_padding(buffer, bit)
        return out.astype(kind, copy=False)

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Bits of :meth:`encode` before padding.

        Raises:
            CodecError: as :meth:`encode`.
        """
        return int(self.segment_bits(values, order).sum())

    def segment_bits(self, values: Any, order: int = 0) -> np.ndarray:
        """Bits of every segment, before padding: int64 (segments,).

        Raises:
            CodecError: as :meth:`encode`.
        """
        return self._choose(as_codes(values, self.bits), as_order(order))[1]

    def best_order(self, values: Any) -> int:
        """The order with the fewest bits, the lowest of equals: that which most segments can go without.

        Raises:
            CodecError: a value out of range or not an integer.
        """
        codes = as_codes(values, self.bits)
        totals = np.zeros(MAX_ORDER + 1, np.int64)
        aseg_loops.total_bits(codes, self.segment, *self._costs(), totals)
        return int(np.argmin(totals))

    def _choose(self, codes: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
        """Header, uint8, and bits, int64, of every segment."""
        segments = -(-len(codes) // self.segment)
        headers, bits = np.empty(segments, np.uint8), np.empty(segments, np.int64)
        aseg_loops.choose(codes, self.segment, order, *self._costs(), headers, bits)
        return headers, bits

    def _costs(self) -> tuple[np.ndarray, np.ndarray]:
        return cost_table(self.bits), run_cost_table(self.segment)

    def _most_values(self, bits: int) -> int:
        """That ``bits`` bits can hold at most, by the least that a segment takes.

        A segment with m values that are not zero takes a bit for each, and a bit and the length of the
        longest of its m + 1 runs of zeros at the most, which has its share of the zeros or more.
        """
        others = np.arange(self.segment + 1)
        longest = -(-(self.segment - others) // (others + 1))
        runs = aseg_code.run_costs(self.segment).min(axis=1).astype(np.int64)
        lengths = np.where(longest > 0, 1 + runs[longest], 0)
        least = 1 + int((others + lengths).min())
        return (bits // least + 1) * self.segment


@cache
def cost_table(bits: int) -> np.ndarray:
    """:func:`aseg_code.size_costs` of all tables, four numbers to a uint64, the first in the low 16 bits."""
    costs = [aseg_code.size_costs(bits, lengths) for lengths in aseg_code.CODE_LENGTHS]
    return _lanes(np.concatenate(costs, axis=2))


@cache
def run_cost_table(longest: int) -> np.ndarray:
    """:func:`aseg_code.run_costs`, as in :func:`cost_table`."""
    return _lanes(aseg_code.run_costs(longest))[:, 0].copy()


@cache
def encoder_table(bits: int) -> np.ndarray:
    """:func:`aseg_code.size_codes`."""
    return aseg_code.size_codes(bits)


@cache
def decoder_tables(bits: int) -> tuple[np.ndarray, ...]:
    """Look-up table of the codes, raw digits, offsets and smallest values."""
    return aseg_code.level_lut(), aseg_code.raw_digits(bits), *aseg_code.value_ranges(bits)


def _lanes(bits: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(bits, "<u2").view("<u8").astype(np.uint64)
