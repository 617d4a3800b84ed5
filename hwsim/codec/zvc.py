"""Zero-value compression: a bitmap of the non-zeros, then the non-zeros (Rhu et al., HPCA 2018).

There, in the *Compressing DMA Engine*, the bitmap comes in pieces of 32 values, each before its non-zeros;
the length is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hwsim.codec.checks import as_bytes, as_codes, as_count, check_range, largest_of
from hwsim.codec.coder import Coder
from hwsim.codec.fields import pack, unpack
from hwsim.codec.problems import check_padding


@dataclass(frozen=True)
class Zvc(Coder):
    """One bit a value, 1 for a non-zero; then every non-zero in ``bits`` bits."""

    name: ClassVar[str] = "zvc"
    label: ClassVar[str] = "ZVC"
    meaning: ClassVar[str] = "zero-value compression: a bitmap and the non-zero values"

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Bitmap and non-zeros of integers of any shape: uint8, the last byte padded with zero bits.

        Raises:
            CodecError: a value out of range or not an integer.
        """
        codes = as_codes(values, self.bits)
        present = codes != 0
        nonzeros = codes[present]
        lengths = np.repeat([1, self.bits], [len(codes), len(nonzeros)])
        return pack(np.concatenate([present, nonzeros]), lengths)

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D; behind them only padding may follow.

        Raises:
            CodecError: the data is truncated, a value does not fit ``dtype``, or more than padding follows.
        """
        buffer = as_bytes(data)
        kind, largest = largest_of(dtype, self.bits)
        count = as_count(count, 8 * len(buffer))
        present = np.unpackbits(buffer, count=count).view(bool)
        nonzeros = unpack(buffer, count, self.bits, int(np.count_nonzero(present)))
        check_range(nonzeros, 1, largest, lambda i: count + i * self.bits)
        check_padding(buffer, count + self.bits * len(nonzeros))
        out = np.zeros(count, kind)
        out[present] = nonzeros
        return out

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Bits of :meth:`encode` before padding.

        Raises:
            CodecError: as :meth:`encode`.
        """
        codes = as_codes(values, self.bits)
        return len(codes) + self.bits * int(np.count_nonzero(codes))
