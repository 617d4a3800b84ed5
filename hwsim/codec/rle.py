"""Run-length coding of zeros as in Eyeriss (Chen et al., JSSC 2017).

Pairs of a 5-bit run of zeros and a value are packed into 64-bit words; the last bit of a word says whether
it is the last one. At 16 bits that is three pairs and the bit; at other widths as many pairs as fit. Zeros
fill what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hwsim.arch import WORD_BITS
from hwsim.codec.checks import as_bytes, as_codes, as_count, check_range, largest_of
from hwsim.codec.coder import Coder
from hwsim.codec.fields import pack, unpack
from hwsim.codec.problems import check_canonical
from hwsim.errors import CodecError

RUN_BITS = 5
SPAN = 1 << RUN_BITS  # values that a pair covers at most: 31 zeros and the value behind them


@dataclass(frozen=True)
class Rle(Coder):
    """(run, value) pairs. A run of 32 or more zeros, or one at the end, takes pairs whose value is zero."""

    name: ClassVar[str] = "rle"
    label: ClassVar[str] = "RLE"
    meaning: ClassVar[str] = "5-bit zero run and value, as in Eyeriss"

    @property
    def pairs_per_word(self) -> int:
        """Pairs in a 64-bit word."""
        return (WORD_BITS - 1) // (RUN_BITS + self.bits)

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Pairs of integers of any shape: uint8, whole 64-bit words.

        Raises:
            CodecError: a value out of range or not an integer.
        """
        codes = as_codes(values, self.bits)
        at = _ends(codes)
        spans = np.diff(at, prepend=-1)
        pairs = (spans - 1) << self.bits | codes[at]
        words = -(-len(pairs) // self.pairs_per_word)
        table = np.zeros((words, self.pairs_per_word + 1), np.int64)
        table[:, :-1].flat[: len(pairs)] = pairs
        table[-1:, -1] = 1
        return pack(table.reshape(-1), np.tile(self._widths, words))

    @property
    def _widths(self) -> list[int]:
        width = RUN_BITS + self.bits
        return [width] * self.pairs_per_word + [WORD_BITS - width * self.pairs_per_word]

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D.

        Raises:
            CodecError: the data is no whole number of words, its end is not marked or comes too early or too
                late, the runs do not add up to ``count``, a run is shorter than it could be, or a value does
                not fit ``dtype``.
        """
        buffer = as_bytes(data)
        kind, largest = largest_of(dtype, self.bits)
        bits = 8 * len(buffer)
        if bits % WORD_BITS:
            raise CodecError(f"truncated data: the word at bit {bits // WORD_BITS * WORD_BITS} is not whole")
        words, width = bits // WORD_BITS, RUN_BITS + self.bits
        count = as_count(count, words * self.pairs_per_word * SPAN)
        table = unpack(buffer, 0, WORD_BITS // 2, 2 * words).astype(np.uint64)
        table = table[::2] << np.uint64(WORD_BITS // 2) | table[1::2]
        self._check_marks(table)
        shifts = WORD_BITS - width * np.arange(1, self.pairs_per_word + 1)
        pairs = (table[:, None] >> shifts.astype(np.uint64)).reshape(-1).astype(np.int64) & ((1 << width) - 1)
        at = np.cumsum((pairs >> self.bits) + 1) - 1
        used = int(np.searchsorted(at, count - 1)) + 1 if count else 0
        if count and (used > len(at) or at[used - 1] != count - 1):
            raise CodecError(f"the runs do not add up to {count} values at bit {self._bit(used - 1)}")
        if used <= len(pairs) - self.pairs_per_word or pairs[used:].any():
            raise CodecError(f"more than padding follows the last value at bit {self._bit(used)}")
        nonzeros = pairs[:used] & ((1 << self.bits) - 1)
        check_range(nonzeros, 0, largest, lambda i: self._bit(i) + RUN_BITS)
        out = np.zeros(count, kind)
        out[at[:used]] = nonzeros
        check_canonical(buffer, self.encode(out))
        return out

    def _check_marks(self, table: np.ndarray) -> None:
        spare = (1 << self._widths[-1]) - 1
        marks = table & np.uint64(spare)
        expected = np.zeros(len(table), np.uint64)
        expected[-1:] = 1
        wrong = np.flatnonzero(marks != expected)
        if len(wrong):
            bit = (int(wrong[0]) + 1) * WORD_BITS - 1
            raise CodecError(
                f"the mark of the last word is wrong at bit {bit}: truncated data, or more than one"
            )

    def _bit(self, pair: int) -> int:
        word, pair = divmod(pair, self.pairs_per_word)
        return word * WORD_BITS + pair * (RUN_BITS + self.bits)

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Bits of :meth:`encode`.

        Raises:
            CodecError: as :meth:`encode`.
        """
        codes = as_codes(values, self.bits)
        gaps = np.diff(np.flatnonzero(codes), prepend=-1, append=len(codes)) - 1
        pairs = len(gaps) - 1 + int((gaps[:-1] // SPAN).sum()) - int(-gaps[-1] // SPAN)
        return -(-pairs // self.pairs_per_word) * WORD_BITS


def _ends(codes: np.ndarray) -> np.ndarray:
    """Where a pair ends, int64: at every non-zero, every SPAN-th value since it, and at the end."""
    at = np.arange(len(codes))
    nonzero = codes != 0
    last = np.maximum.accumulate(np.where(nonzero, at, -1))
    distance = at - np.concatenate([[-1], last])[:-1]
    ends = nonzero | (distance % SPAN == 0)
    ends[-1:] = True
    return np.flatnonzero(ends)
