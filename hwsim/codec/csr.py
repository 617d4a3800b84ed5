"""Compressed sparse rows: the form of sparse linear algebra, for rows of a fixed number of values.

There is no header: the width of a row pointer follows from the number of values, that of a column index from
``columns``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from hwsim.codec.checks import as_bytes, as_codes, as_integer, check_range, largest_of
from hwsim.codec.coder import Coder
from hwsim.codec.fields import pack, unpack
from hwsim.codec.problems import check_padding
from hwsim.errors import CodecError

MAX_COLUMNS = 1 << 20


@dataclass(frozen=True)
class Csr(Coder):
    """Row pointers, the first one, which is 0, included; then a column index a non-zero; then the non-zeros.

    Attributes:
        columns: values of a row, 1 .. 2^20; the last row may be shorter. A row of zeros takes the bits of one
            pointer, so the bound is also one on what a few bytes can be expanded into.
    """

    name: ClassVar[str] = "csr"
    label: ClassVar[str] = "CSR"
    meaning: ClassVar[str] = "compressed sparse rows, each a row of the map: column numbers and values"
    columns: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        as_integer(self.columns, "columns", 1, MAX_COLUMNS)

    @classmethod
    def for_map(cls, shape: tuple[int, int, int], bits: int) -> Csr:
        """A row is a row of the map, or as much of it as may be if its rows have one value."""
        return cls(bits, min(shape[2] if shape[2] > 1 else prod(shape), MAX_COLUMNS))

    def _layout(self, count: int) -> tuple[int, int, int]:
        """(row pointers, bits of a pointer, bits of a column index) for ``count`` values."""
        return -(-count // self.columns) + 1, count.bit_length(), (self.columns - 1).bit_length()

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Rows of integers of any shape (C order): uint8, the last byte padded with zero bits.

        Raises:
            CodecError: a value out of range or not an integer.
        """
        codes = as_codes(values, self.bits)
        at = np.flatnonzero(codes)
        pointers, pointer_bits, column_bits = self._layout(len(codes))
        row_starts = np.searchsorted(at, np.arange(pointers) * self.columns)
        lengths = np.repeat([pointer_bits, column_bits, self.bits], [pointers, len(at), len(at)])
        return pack(np.concatenate([row_starts, at % self.columns, codes[at]]), lengths)

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D; behind them only padding may follow.

        Raises:
            CodecError: the data is truncated, row pointers or columns are out of order or range, a value is
                zero or does not fit ``dtype``, or more than padding follows; names the bit.
        """
        buffer = as_bytes(data)
        kind, largest = largest_of(dtype, self.bits)
        count = as_integer(count, "count", 0, None)
        pointers, pointer_bits, column_bits = self._layout(count)
        starts = unpack(buffer, 0, pointer_bits, pointers)
        per_row = np.diff(starts)
        if starts[0] != 0 or (per_row < 0).any() or (per_row > self.columns).any() or starts[-1] > count:
            raise CodecError(
                f"row pointers before bit {pointers * pointer_bits} do not ascend from 0 row by row"
            )
        columns_at, found = pointers * pointer_bits, int(starts[-1])
        values_at = columns_at + found * column_bits
        columns = unpack(buffer, columns_at, column_bits, found)
        nonzeros = unpack(buffer, values_at, self.bits, found)
        at = np.repeat(np.arange(pointers - 1) * self.columns, per_row) + columns
        if (columns >= self.columns).any() or (np.diff(at) <= 0).any() or at.max(initial=-1) >= count:
            raise CodecError(f"column indices from bit {columns_at} on do not ascend within their rows")
        check_range(nonzeros, 1, largest, lambda i: values_at + i * self.bits)
        check_padding(buffer, values_at + found * self.bits)
        out = np.zeros(count, kind)
        out[at] = nonzeros
        return out

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Bits of :meth:`encode` before padding.

        Raises:
            CodecError: as :meth:`encode`.
        """
        codes = as_codes(values, self.bits)
        pointers, pointer_bits, column_bits = self._layout(len(codes))
        return pointers * pointer_bits + int(np.count_nonzero(codes)) * (column_bits + self.bits)
