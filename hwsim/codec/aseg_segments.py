"""Activation maps in the machine's segments (docs/architecture.md, *Segment*), coded by ASEG.

As hwsim/codec/segments.py for SEG, with the same index. ``order`` is that of the map; a segment may say its
own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hwsim.arch import WORD_BYTES
from hwsim.codec.aseg import MAX_SEGMENT, Aseg
from hwsim.codec.checks import MAX_BITS, as_bytes, as_codes, as_integer
from hwsim.codec.segments import INDEX_ENTRY
from hwsim.errors import CodecError


def segment_bits(values: Any, block: int, order: int, bits: int = MAX_BITS) -> np.ndarray:
    """ASEG bits of every segment, before padding.

    Args:
        values: integers 0 .. 2^``bits`` - 1, (C, H, W).
        block: channels of a segment, 1 or more; the last segment of a row may have fewer.
        order: k of ASEG, 0 .. 15.
        bits: width of a value, 1 .. 16.

    Returns:
        int64 (channel blocks, H).

    Raises:
        CodecError: a value, the shape, ``block``, ``order`` or ``bits`` is out of range, or a segment has
            more than 65536 values.
    """
    codes = _as_map(values, bits)
    blocks = list(_blocks(codes, block))
    found = np.zeros((len(blocks), codes.shape[1]), np.int64)
    for number, rows in enumerate(blocks):
        found[number] = _coder(rows, bits).segment_bits(rows, order) if rows.size else 0
    return found


def encode_segments(
    values: Any, block: int, order: int, bits: int = MAX_BITS
) -> tuple[np.ndarray, np.ndarray]:
    """A map in memory: row by row, in a row by channel block, each segment padded with zeros to 64-bit words.

    Args:
        values, block, order, bits: as in :func:`segment_bits`.

    Returns:
        data: uint8 (bytes,), words most significant byte first.
        index: :data:`hwsim.codec.segments.INDEX_ENTRY` (H, channel blocks), in the order of the segments.

    Raises:
        CodecError: as :func:`segment_bits`, or a segment too large for its entry of the index.
    """
    codes = _as_map(values, bits)
    blocks = list(_blocks(codes, block))
    index = np.zeros((codes.shape[1], len(blocks)), INDEX_ENTRY)
    parts = []
    for y in range(codes.shape[1]):
        for number, rows in enumerate(blocks):
            coded = _coder(rows, bits).encode(rows[y], order)
            parts.append(np.pad(coded, (0, -len(coded) % WORD_BYTES)))
            words, nonzeros = len(parts[-1]) // WORD_BYTES, int(np.count_nonzero(rows[y]))
            if max(words, nonzeros) > np.iinfo(np.uint16).max:
                raise CodecError(f"{words} words, {nonzeros} non-zeros do not fit the index: lower block")
            index[y, number] = words, nonzeros
    return np.concatenate([np.zeros(0, np.uint8), *parts]), index


def decode_segments(
    data: Any, index: np.ndarray, shape: tuple[int, int, int], block: int, order: int, bits: int = MAX_BITS
) -> np.ndarray:
    """The map, uint16 ``shape``, that :func:`encode_segments` stored.

    Args:
        data, index: as it returned them.
        shape: (C, H, W).
        block, order, bits: as it was given them.

    Raises:
        CodecError: the index fits neither the shape nor the data, or a segment is damaged or has another
            number of non-zeros than the index says; names row, channel block and bit within the segment.
    """
    buffer = as_bytes(data)
    channels, height, width = (as_integer(size, "shape", 0, None) for size in shape)
    block = as_integer(block, "block", 1, None)
    firsts = range(0, channels, block)
    if index.dtype != INDEX_ENTRY or index.shape != (height, len(firsts)):
        raise CodecError(
            f"a map of shape {shape} in blocks of {block} needs an index of {height} x {len(firsts)}"
        )
    if int(index["words"].sum(dtype=np.int64)) * WORD_BYTES != len(buffer):
        raise CodecError(
            f"the index speaks of {index['words'].sum()} words, the data has {len(buffer)} bytes"
        )
    out = np.empty((channels, height, width), np.uint16)
    start = 0
    for y, number in np.ndindex(index.shape):
        first = firsts[number]
        target = out[first : first + block, y]
        stop = start + int(index["words"][y, number]) * WORD_BYTES
        where = f"row {y}, channel block {number}"
        try:
            values = Aseg(bits, max(target.size, 1)).decode(buffer[start:stop], target.size, order)
        except CodecError as error:
            raise CodecError(f"{error} of {where}") from None
        if np.count_nonzero(values) != index["nonzeros"][y, number]:
            raise CodecError(f"not as many non-zeros as the index says in {where}")
        target[...] = values.reshape(target.shape)
        start = stop
    return out


def _as_map(values: Any, bits: int) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 3:
        raise CodecError(f"a map has the shape (C, H, W), not {array.shape}")
    return as_codes(array, as_integer(bits, "bits", 1, MAX_BITS)).reshape(array.shape)


def _blocks(codes: np.ndarray, block: int) -> Iterator[np.ndarray]:
    """The segments of every channel block, uint16 (H, values)."""
    block = as_integer(block, "block", 1, None)
    for first in range(0, codes.shape[0], block):
        rows = codes[first : first + block].transpose(1, 0, 2)
        yield np.ascontiguousarray(rows).reshape(rows.shape[0], rows.shape[1] * rows.shape[2])


def _coder(rows: np.ndarray, bits: int) -> Aseg:
    if rows.shape[1] > MAX_SEGMENT:
        raise CodecError(f"a segment has {rows.shape[1]} values, {MAX_SEGMENT} at most: lower block")
    return Aseg(bits, max(rows.shape[1], 1))
