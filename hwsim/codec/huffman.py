"""Canonical Huffman coding (Huffman 1952: the best prefix code of single values), its table in the stream.

The table is stored as JPEG does (ITU-T T.81, annex C): how many codes there are of each length, then the
values by length and size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hwsim.codec import huffman_loops
from hwsim.codec.checks import MAX_BITS, as_bytes, as_codes, as_count, check_range, largest_of
from hwsim.codec.coder import Coder
from hwsim.codec.fields import pack, unpack
from hwsim.codec.problems import check, check_canonical, check_padding
from hwsim.errors import CodecError

LENGTH_BITS = 6  # of the field that says the longest code's length


@dataclass(frozen=True)
class Huffman(Coder):
    """The longest length in 6 bits; of each length 1 .. longest the number of codes in ``bits`` + 1 bits;
    every value that occurs in ``bits`` bits, by length, then ascending; then the codes of all values.
    """

    name: ClassVar[str] = "huffman"
    label: ClassVar[str] = "Huffman"
    meaning: ClassVar[str] = "canonical Huffman code, its table included"

    def _table(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, code lengths (ascending) and counts of what occurs, int64."""
        histogram = np.bincount(codes, minlength=1)
        symbols = np.flatnonzero(histogram)
        rarest_first = np.argsort(histogram[symbols], kind="stable")
        symbols = symbols[rarest_first]
        lengths = huffman_loops.code_lengths(histogram[symbols])
        canonical = np.lexsort((symbols, lengths))
        symbols = symbols[canonical]
        return symbols, lengths[canonical], histogram[symbols]

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Table and codes of integers of any shape: uint8, the last byte padded with zero bits.

        Raises:
            CodecError: a value out of range or not an integer.
        """
        codes = as_codes(values, self.bits)
        symbols, lengths, _ = self._table(codes)
        longest = int(lengths.max(initial=0))
        per_length = np.bincount(lengths, minlength=longest + 1)[1:]
        code_of = np.zeros(1 << MAX_BITS, np.uint64)
        length_of = np.zeros(1 << MAX_BITS, np.uint8)
        code_of[symbols] = canonical_codes(lengths)
        length_of[symbols] = lengths
        fields = ([longest], per_length, symbols, code_of[codes])
        widths = np.repeat([LENGTH_BITS, self.bits + 1, self.bits], [1, longest, len(symbols)])
        return pack(
            np.concatenate([np.asarray(field, np.uint64) for field in fields]),
            np.concatenate([widths.astype(np.uint8), length_of[codes]]),
        )

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D; behind them only padding may follow.

        Raises:
            CodecError: the data is truncated, the table is none of a prefix code or not the one that these
                values have, a code is not in it, a value does not fit ``dtype``, or more than padding
                follows; names the bit.
        """
        buffer = as_bytes(data)
        kind, largest = largest_of(dtype, self.bits)
        count = as_count(count, 8 * len(buffer))
        longest = int(unpack(buffer, 0, LENGTH_BITS, 1)[0])
        if longest > huffman_loops.LONGEST:
            raise CodecError(
                f"the table at bit 0 has codes of {longest} bits: {huffman_loops.LONGEST} at most"
            )
        per_length = unpack(buffer, LENGTH_BITS, self.bits + 1, longest)
        symbols_at = LENGTH_BITS + longest * (self.bits + 1)
        if sum(n << (longest - length) for length, n in enumerate(per_length.tolist(), 1)) > 1 << longest:
            raise CodecError(f"the table before bit {symbols_at} has more codes than a prefix code can have")
        symbols = unpack(buffer, symbols_at, self.bits, int(per_length.sum()))
        check_range(symbols, 0, largest, lambda i: symbols_at + i * self.bits)
        out = np.empty(count, np.uint16)
        first_code_bit = symbols_at + self.bits * len(symbols)
        problem, bit, done = huffman_loops.decode(
            buffer, first_code_bit, per_length, symbols.astype(np.uint16), out
        )
        check(problem, bit, f"value {done}", largest)
        check_padding(buffer, bit)
        check_canonical(buffer, self.encode(out))
        return out.astype(kind, copy=False)

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Bits of :meth:`encode` before padding, table included.

        Raises:
            CodecError: as :meth:`encode`.
        """
        symbols, lengths, counts = self._table(as_codes(values, self.bits))
        table = LENGTH_BITS + int(lengths.max(initial=0)) * (self.bits + 1) + self.bits * len(symbols)
        return table + int(lengths @ counts)


def canonical_codes(lengths: np.ndarray) -> np.ndarray:
    """The canonical codes of ascending lengths, uint64: consecutive numbers, shifted left where they grow."""
    if not len(lengths):
        return np.zeros(0, np.uint64)
    longest = int(lengths[-1])
    spans = np.uint64(1) << (longest - lengths).astype(np.uint64)  # of the interval of longest codes
    starts = np.concatenate([np.zeros(1, np.uint64), np.cumsum(spans, dtype=np.uint64)[:-1]])
    return starts >> (longest - lengths).astype(np.uint64)
