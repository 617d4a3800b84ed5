"""Signed integers as unsigned codes: the mapping of H.264's se(v) (ITU-T H.264, 9.1.1); zero stays zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.codec.checks import as_codes
from hwsim.errors import CodecError


def to_unsigned(values: Any) -> np.ndarray:
    """v > 0 -> 2v - 1, else -2v: uint16 of the same shape.

    Args:
        values: integers -32767 .. 32768. (int16's smallest, -32768, would need 17 bits.)

    Raises:
        CodecError: a value out of range or not an integer; names its position.
    """
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise CodecError(f"values must be integers, not {array.dtype}: quantize them first")
    bad = (array < -32767) | (array > 32768)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise CodecError(f"value {array.flat[at]} at position {at} is outside -32767..32768")
    wide = array.astype(np.int32)
    return np.where(wide > 0, 2 * wide - 1, -2 * wide).astype(np.uint16)


def to_signed(codes: Any) -> np.ndarray:
    """The opposite of :func:`to_unsigned`: int32 of the same shape.

    Raises:
        CodecError: a code outside 0..65535 or not an integer.
    """
    wide = as_codes(codes).reshape(np.shape(codes)).astype(np.int32)
    return np.where(wide & 1, (wide + 1) >> 1, -(wide >> 1))
