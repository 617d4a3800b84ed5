"""Activation maps as the machine stores them: segments of SEG codes (docs/architecture.md, *Segment*)."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.arch import WORD_BITS, WORD_BYTES
from hwsim.codec import seg_loops
from hwsim.codec.checks import MAX_BITS, as_bytes, as_integer
from hwsim.codec.problems import check
from hwsim.codec.seg_lengths import loop_order
from hwsim.codec.segment_lengths import as_block, as_map, segment_bits, stored_words
from hwsim.errors import CodecError

INDEX_ENTRY = np.dtype([("words", "<u2"), ("nonzeros", "<u2")])
"""What the index says of a segment: its length in 64-bit words, with :data:`RAW`, and its non-zeros."""
RAW = 0x8000
"""Of the length in an entry: the segment is raw. No segment that is stored has as many words, since one of
65,535 values has 16,384 at most."""


def store_segments(
    values: Any, block: int, order: int, bits: int, raw: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A map in memory of which some segments are raw.

    Args:
        values, block, order: as in :func:`encode_segments`.
        bits: width of a raw value, 1 .. 16.
        raw: bool (H, channel blocks), which segments are; those of fewer words, as
            :func:`hwsim.codec.segment_lengths.stored_words` says, if it is not given.

    Returns:
        data: uint8 (bytes,), as :func:`encode_segments`.
        index: :data:`INDEX_ENTRY` (H, channel blocks); the words of a raw segment have :data:`RAW`.

    Raises:
        CodecError: as :func:`encode_segments` and :func:`raw_segments`.
    """
    if raw is None:
        _, raw = stored_words(values, block, order, bits)
    coded, index = encode_segments(values, block, order)
    plain, plain_words = raw_segments(values, block, bits)
    coded_words = index["words"].astype(np.int64)
    words = np.where(raw, plain_words, coded_words)
    out = np.empty((int(words.sum()), WORD_BYTES), np.uint8)
    for data, counts, mine in ((coded, coded_words, ~raw), (plain, plain_words, raw)):
        kept = np.repeat(mine.ravel(), counts.ravel())
        out[np.repeat(mine.ravel(), words.ravel())] = data.reshape(-1, WORD_BYTES)[kept]
    index["words"] = words | np.where(raw, RAW, 0)
    return out.reshape(-1), index


def lengths_of(index: np.ndarray) -> np.ndarray:
    """Words of the segments of an index, int64 of its shape."""
    return (index["words"] & (RAW - 1)).astype(np.int64)


def encode_segments(values: Any, block: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """A map in memory: row by row, in a row by channel block, each segment padded with zeros to 64-bit words.

    Args:
        values, block, order: as in :func:`segment_bits`.

    Returns:
        data: uint8 (bytes,), words most significant byte first.
        index: :data:`INDEX_ENTRY` (H, channel blocks), in the order of the segments.

    Raises:
        CodecError: as :func:`segment_bits`, or a segment too large for its entry of the index.
    """
    codes = as_map(values)
    block = as_block(block, codes.shape[0])
    words = np.ascontiguousarray(-(-segment_bits(codes, block, order).T // WORD_BITS))
    counts = np.count_nonzero(codes, axis=2)
    starts = np.arange(0, codes.shape[0], block)
    nonzeros = np.add.reduceat(counts, starts, axis=0).T if codes.size else np.zeros_like(words)
    for name, entries in (("words", words), ("non-zeros", nonzeros)):
        if entries.max(initial=0) > np.iinfo(np.uint16).max:
            raise CodecError(f"a segment of {entries.max()} {name} does not fit the index: lower block")
    index = np.empty(words.shape, INDEX_ENTRY)
    index["words"], index["nonzeros"] = words, nonzeros
    size = int(words.sum()) * WORD_BYTES
    out = np.empty(size + WORD_BYTES, np.uint8)
    seg_loops.encode_segments(codes, block, loop_order(order), words, out)
    return out[:size], index


def raw_segments(values: Any, block: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """A map in memory without compression: every value in ``bits`` bits, else as :func:`encode_segments`.

    Args:
        values, block: as in :func:`segment_bits`.
        bits: width of a value, 1 .. 16.

    Returns:
        data: uint8 (bytes,), words most significant byte first.
        words: int64 (H, channel blocks), length of every segment in 64-bit words.

    Raises:
        CodecError: a value of more than ``bits`` bits, or the shape or ``block`` is out of range.
    """
    codes = as_map(values)
    bits = as_integer(bits, "bits", 1, MAX_BITS)
    if codes.max(initial=0) >> bits:
        raise CodecError(f"a raw map of {bits} bits holds no {codes.max()}: raise bits")
    channels, height, _ = codes.shape
    block = as_block(block, channels)
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint16)
    parts, words = [], []
    for first in range(0, channels, block):
        segment = codes[first : first + block].transpose(1, 0, 2).reshape(height, -1, 1)
        packed = np.packbits((segment >> shifts & 1).astype(np.uint8).reshape(height, -1), axis=1)
        parts.append(np.pad(packed, ((0, 0), (0, -packed.shape[1] % WORD_BYTES))))
        words.append(np.full(height, parts[-1].shape[1] // WORD_BYTES, np.int64))
    return np.concatenate(parts, axis=1).reshape(-1), np.stack(words, axis=1)


def decode_segments(
    data: Any, index: np.ndarray, shape: tuple[int, int, int], block: int, order: int
) -> np.ndarray:
    """The map, uint16 ``shape``, that :func:`encode_segments` stored.

    Args:
        data, index: as it returned them.
        shape: (C, H, W).
        block, order: as it was given them.

    Raises:
        CodecError: the index fits neither the shape nor the data, or a segment is truncated, has an illegal
            code, padding that is not zero or another number of non-zeros than the index says; names the bit.
    """
    buffer = as_bytes(data)
    channels, height, width = (as_integer(size, "shape", 0, None) for size in shape)
    block = as_block(block, channels)
    starts = np.arange(0, channels, block)
    blocks = len(starts)
    if index.dtype != INDEX_ENTRY or index.shape != (height, blocks):
        raise CodecError(
            f"a map of shape {shape} in blocks of {block} needs an index of shape {(height, blocks)}"
        )
    words, nonzeros = (np.ascontiguousarray(index[name], np.int64) for name in ("words", "nonzeros"))
    if int(words.sum()) * WORD_BITS != 8 * len(buffer):
        raise CodecError(f"the index speaks of {words.sum()} words, the data has {len(buffer)} bytes")
    if (np.minimum(block, channels - starts) * width > words * WORD_BITS).any():
        raise CodecError(f"truncated data: a segment has fewer bits than values, which are {width} a channel")
    out = np.empty((channels, height, width), np.uint16)
    problem, bit, number = seg_loops.decode_segments(buffer, block, loop_order(order), words, nonzeros, out)
    row, number = divmod(number, max(blocks, 1))
    check(problem, bit, f"row {row}, channel block {number}", (1 << MAX_BITS) - 1)
    return out
