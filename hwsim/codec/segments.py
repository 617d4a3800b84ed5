"""Activation maps as the machine stores them: segments of SEG codes (docs/architecture.md, *Segment*)."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.codec import segment_loops
from hwsim.codec.checks import as_codes, as_integer, as_order
from hwsim.errors import CodecError


def segment_bits(values: Any, block: int, order: int) -> np.ndarray:
    """SEG_``order`` bits of every segment, before padding.

    Args:
        values: integers 0 .. 65535, (C, H, W); a uint16 map is read in place.
        block: channels of a segment, 1 or more; the last segment of a row may have fewer.
        order: k of SEG, 0 .. 15.

    Returns:
        int64 (channel blocks, H).

    Raises:
        CodecError: a value, the shape, ``block`` or ``order`` is out of range.
    """
    codes = _as_map(values)
    block = as_integer(block, "block", 1, None)
    bits = np.zeros((-(-codes.shape[0] // block), codes.shape[1]), np.int64)
    segment_loops.segment_bits(codes, block, max(as_order(order), 1), bits)
    return bits


def _as_map(values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 3:
        raise CodecError(f"a map has the shape (C, H, W), not {array.shape}")
    return as_codes(array).reshape(array.shape)
