"""Bit strings made of fields: what most coders are built from. Most significant bit first."""

from __future__ import annotations

import numpy as np

from hwsim.codec import field_loops
from hwsim.errors import CodecError


def pack(codes: np.ndarray, lengths: np.ndarray | int) -> np.ndarray:
    """Concatenate ``codes[i]`` in ``lengths[i]`` bits (0 .. 56): uint8, the last byte padded with zero bits.

    Args:
        codes: unsigned integers that fit their fields.
        lengths: one a code, or one for all.
    """
    lengths = np.ascontiguousarray(np.broadcast_to(lengths, codes.shape), np.uint8)
    size = -(-int(lengths.sum(dtype=np.int64)) // 8)
    out = np.zeros(size + 8, np.uint8)
    field_loops.pack(np.ascontiguousarray(codes, np.uint64), lengths, out)
    return out[:size]


def unpack(data: np.ndarray, first_bit: int, width: int, count: int) -> np.ndarray:
    """``count`` fields of ``width`` bits (0 .. 57) of uint8 data from ``first_bit`` on: int64 (count,).

    Raises:
        CodecError: the data ends before; names the bit.
    """
    end = first_bit + width * count
    if end > 8 * len(data):
        raise CodecError(f"truncated data: {8 * len(data)} bits, fields of {width} bits reach to bit {end}")
    out = np.zeros(count, np.int64)
    if width:
        field_loops.unpack(data, first_bit, width, out)
    return out
