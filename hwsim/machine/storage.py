"""Maps in memory: the places of their segments, on chip and in DRAM, and which rows the map buffer keeps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwsim.arch import BEAT_BYTES, BURST_BYTES, INDEX_BYTES, RING_SHARE, WORD_BITS, WORD_BYTES, Arch
from hwsim.codec.seg_lengths import code_lengths
from hwsim.codec.segment_lengths import segment_bits


@dataclass(frozen=True, eq=False)
class Segments:
    """A map as it lies in memory: only sizes matter; equal only to itself.

    Attributes:
        words: int32 (H, channel blocks), length of every segment in 64-bit words.
        ends: int64 (channel blocks,), the channel behind each block.
        raw: int64 (channel blocks,), bytes of a segment's place in the map buffer: its raw size, in whole
            beats.
        longest: int64 (channel blocks,), bytes of its place in DRAM: the longest that it can be, in whole
            beats.
        coded: whether it has an index; of a raw map the lengths of all segments are known.
    """

    words: np.ndarray
    ends: np.ndarray
    raw: np.ndarray
    longest: np.ndarray
    coded: bool

    @property
    def bytes(self) -> int:
        """Bytes of all segments and index entries, as the encoder makes them."""
        return int(self.words.sum(dtype=np.int64)) * WORD_BYTES + self.coded * self.words.size * INDEX_BYTES

    @cached_property
    def beats(self) -> np.ndarray:
        """Beats that every segment takes over the channel, int64 (H, channel blocks)."""
        return -(-self.words.astype(np.int64) * WORD_BYTES // BEAT_BYTES)

    @cached_property
    def addresses(self) -> np.ndarray:
        """Place of every segment in DRAM, int64 (H, channel blocks): bytes from the beginning of the map."""
        height = len(self.words)
        in_row = np.cumsum(self.longest) - self.longest
        return np.arange(height)[:, None] * int(self.longest.sum()) + in_row

    @property
    def place_size(self) -> int:
        """Bytes of all places in DRAM."""
        return len(self.words) * int(self.longest.sum())

    def line_places(self, together: bool = True) -> np.ndarray:
        """Place of every segment in lines of the map buffer, int64 (H, channel blocks): words from line 0.

        Args:
            together: rows follow each other; else each begins in a line of its own.
        """
        row = int(self.raw.sum()) if together else whole_lines(int(self.raw.sum()))
        in_row = np.cumsum(self.raw) - self.raw
        return (np.arange(len(self.words))[:, None] * row + in_row) // WORD_BYTES

    def index_size(self, segments: int) -> int:
        """Bytes over the channel of the index entries of so many segments; 0 if there is no index."""
        return whole_beats(segments * INDEX_BYTES) if self.coded else 0

    def staying(self, arch: Arch) -> np.ndarray:
        """The rows that a half of the map buffer keeps, bool (H,); known before the map is.

        All if their places and the index fit; else a part of the half is a ring, through which the others
        pass, and those that stay lie evenly among them. These begin in lines of their own.
        """
        height, half = len(self.words), arch.map_buffer // 2
        index, row = self.index_size(self.words.size), int(self.raw.sum())
        if index + height * row <= half:
            return np.ones(height, bool)
        kept = max(0, half - half // RING_SHARE - index) // whole_lines(row)
        return np.diff(np.arange(height + 1) * kept // height) > 0


def whole_beats(size: int) -> int:
    """Bytes of the beats that hold ``size`` bytes."""
    return -(-size // BEAT_BYTES) * BEAT_BYTES


def whole_lines(size: int) -> int:
    """Bytes of the lines of the map buffer that hold ``size`` bytes."""
    return -(-size // BURST_BYTES) * BURST_BYTES


def store_map(values: np.ndarray, block: int, order: int, bits: int, compressed: bool) -> Segments:
    """Lay out a map: SEG_``order`` segments with an index, or raw words of ``bits`` bits.

    Args:
        values: uint16 (C, H, W).
        block: channels of a segment.
        order: k of SEG.
        bits: width of a raw value.
        compressed: False for the dense baseline.
    """
    sizes = raw_segments(values.shape, block, bits)
    words, longest = sizes.words, sizes.longest
    if compressed:
        words = np.ascontiguousarray(-(-segment_bits(values, block, order).T // WORD_BITS), dtype=np.int32)
        longest_code = int(code_lengths(order)[: 1 << bits].max())
        longest = _places(values.shape, block, longest_code)
    return Segments(words, sizes.ends, sizes.raw, longest, compressed)


def raw_segments(shape: tuple[int, ...], block: int, bits: int) -> Segments:
    """The segments of a raw map (C, H, W) of values of ``bits`` bits."""
    channels, height, width = shape
    starts = np.arange(0, channels, block)
    bits_of = np.minimum(block, channels - starts) * width * bits
    words = np.tile((-(-bits_of // WORD_BITS)).astype(np.int32), (height, 1))
    places = _places(shape, block, bits)
    return Segments(words, np.minimum(starts + block, channels), places, places, False)


def _places(shape: tuple[int, ...], block: int, bits: int) -> np.ndarray:
    """Bytes of whole beats that hold each segment of a row, if a value takes ``bits`` bits."""
    channels, _, width = shape
    values = np.minimum(block, channels - np.arange(0, channels, block)) * width
    return -(-values * bits // (8 * BEAT_BYTES)) * BEAT_BYTES
