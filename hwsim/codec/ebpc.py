"""EBPC, extended bit-plane compression (Cavigelli, Rutishauser and Benini 2019, arXiv 1908.11645).

The bits are those of the authors' hardware (https://github.com/pulp-platform/stream-ebpc: ``src/encoder``,
and the variant ``paper`` of its model ``py/common/bpc.py``), which has words of 8, 16 or 32 bits; others
follow the same rules. Two streams, here one behind the other:

- *Zeros*: `1` for a non-zero; `0` and 4 bits for a run of 1 .. 16 zeros.
- *Bit planes* of the non-zeros, in blocks of 8 (Kim et al., *Bit-Plane Compression*, ISCA 2016); zeros fill
  up the last block. A block is its first word, then the 7 differences of neighbours, in two's complement of
  ``bits`` + 1 bits, plane by plane from the least significant one: DBP_j is bit j of all differences, first
  difference on the left; DBX_j = DBP_j xor DBP_(j-1), and DBX_0 = DBP_0. The symbols:

| plane | code |
|---|---|
| DBX all zeros, once | `01` |
| DBX all zeros, n = 2 .. ``bits`` + 1 planes in a row | `001`, n - 2 in ceil(log2(``bits``)) bits |
| DBX all ones | `00000` |
| DBX not zero, DBP all zeros | `00001` |
| DBX has two ones, side by side | `00010`, position of the left one in 3 bits |
| DBX has a single one | `00011`, its position in 3 bits |
| any other | `1`, DBX in 7 bits |

The first row of the table that fits is the one that is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hwsim.codec import ebpc_loops
from hwsim.codec.checks import as_bytes, as_codes, as_count, largest_of
from hwsim.codec.coder import Coder
from hwsim.codec.problems import check, check_canonical, check_padding


@dataclass(frozen=True)
class Ebpc(Coder):
    """Zero runs, then bit planes of blocks of 8 non-zeros of ``bits`` bits (the paper: 8 and 16)."""

    name: ClassVar[str] = "ebpc"
    label: ClassVar[str] = "EBPC"
    meaning: ClassVar[str] = "extended bit-plane compression (Cavigelli, Rutishauser and Benini, 2019)"

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Both streams of integers of any shape: uint8, the last byte padded with zero bits.

        Raises:
            CodecError: a value out of range or not an integer.
        """
        codes = as_codes(values, self.bits)
        size = -(-ebpc_loops.total_bits(codes, self.bits) // 8)
        out = np.zeros(size + 8, np.uint8)
        ebpc_loops.encode(codes, self.bits, out)
        return out[:size]

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D; behind them only padding may follow.

        Raises:
            CodecError: the data is truncated, has an illegal symbol or one where another is to be used, a
                zero run beyond ``count``, a zero or a value too large for ``bits`` or ``dtype`` among the
                non-zeros, a block that is not filled up with zeros, or more than padding follows; names the
                bit.
        """
        buffer = as_bytes(data)
        kind, largest = largest_of(dtype, self.bits)
        out = np.zeros(as_count(count, 8 * len(buffer) * ebpc_loops.LONGEST_RUN), np.uint16)
        problem, bit, done = ebpc_loops.decode(buffer, self.bits, largest, out)
        check(problem, bit, f"value {done}", largest)
        check_padding(buffer, bit)
        check_canonical(buffer, self.encode(out))
        return out.astype(kind, copy=False)

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Bits of :meth:`encode` before padding.

        Raises:
            CodecError: as :meth:`encode`.
        """
        return int(ebpc_loops.total_bits(as_codes(values, self.bits), self.bits))
