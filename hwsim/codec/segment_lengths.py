"""Lengths of the segments of a map, without writing them: all that a simulation asks of SEG."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.arch import WORD_BITS
from hwsim.codec import length_loops
from hwsim.codec.checks import as_codes, as_integer
from hwsim.codec.seg_lengths import loop_order
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
    codes = as_map(values)
    block = as_block(block, codes.shape[0])
    bits = np.zeros((-(-codes.shape[0] // block), codes.shape[1]), np.int64)
    length_loops.segment_bits(codes, block, loop_order(order), bits)
    return bits


def stored_words(values: Any, block: int, order: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """How a machine that compresses stores a map: each segment in SEG, or raw if it has fewer words so.

    Args:
        values, block, order: as in :func:`segment_bits`.
        bits: width of a raw value, 1 .. 16.

    Returns:
        int32 (H, channel blocks), words of every segment; bool, the same shape, which are raw.

    Raises:
        CodecError: as :func:`segment_bits`.
    """
    coded = -(-segment_bits(values, block, order).T // WORD_BITS)
    channels, _, width = values.shape
    plain = raw_words(channels, width, block, bits)
    raw = coded > plain
    return np.where(raw, plain, coded).astype(np.int32), raw


def raw_words(channels: int, width: int, block: int, bits: int) -> np.ndarray:
    """Words of a row's segments, each value in ``bits`` bits: int64 (channel blocks,)."""
    values = np.minimum(block, channels - np.arange(0, channels, block)) * width
    return -(-values * bits // WORD_BITS)


def as_map(values: Any) -> np.ndarray:
    """A map of codes, uint16 (C, H, W).

    Raises:
        CodecError: another shape, no integers, or one out of range.
    """
    array = np.asarray(values)
    if array.ndim != 3:
        raise CodecError(f"a map has the shape (C, H, W), not {array.shape}")
    return as_codes(array).reshape(array.shape)


def as_block(block: Any, channels: int) -> int:
    """Channels of a segment: as many as there are at most.

    Raises:
        CodecError: no integer of 1 or more.
    """
    return min(as_integer(block, "block", 1, None), max(channels, 1))
