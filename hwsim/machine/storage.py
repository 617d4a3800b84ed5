"""Maps in memory: the places of their segments, on chip and in DRAM, and which rows the map buffer keeps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwsim.arch import BEAT_BYTES, BURST_BYTES, INDEX_BYTES, RING_SHARE, WORD_BYTES, Arch
from hwsim.codec.segment_lengths import raw_words, stored_words


@dataclass(frozen=True, eq=False)
class Segments:
    """A map as it lies in memory: only sizes matter; equal only to itself.

    Attributes:
        words: int32 (H, channel blocks), length of every segment in 64-bit words.
        raw: bool (H, channel blocks), segments that are not coded.
        ends: int64 (channel blocks,), the channel behind each block.
        room: int64 (channel blocks,), bytes of a segment's place: its raw size, in whole beats.
        coded: whether it has an index; of a raw map the lengths of all segments are known.
    """

    words: np.ndarray
    raw: np.ndarray
    ends: np.ndarray
    room: np.ndarray
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
        in_row = np.cumsum(self.room) - self.room
        return np.arange(height)[:, None] * int(self.room.sum()) + in_row

    @property
    def place_size(self) -> int:
        """Bytes of all places in DRAM."""
        return len(self.words) * int(self.room.sum())

    def line_places(self, together: bool = True) -> np.ndarray:
        """Place of every segment in lines of the map buffer, int64 (H, channel blocks): words from line 0.

        Args:
            together: rows follow each other; else each begins in a line of its own.
        """
        row = int(self.room.sum()) if together else whole_lines(int(self.room.sum()))
        in_row = np.cumsum(self.room) - self.room
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
        index, row = self.index_size(self.words.size), int(self.room.sum())
        if index + height * row <= half:
            return np.ones(height, bool)
        kept = (half - half // RING_SHARE - index) // whole_lines(row)  # none stays if it is below 0
        return np.diff(np.arange(height + 1) * kept // height) > 0


def whole_beats(size: int) -> int:
    """Bytes of the beats that hold ``size`` bytes."""
    return -(-size // BEAT_BYTES) * BEAT_BYTES


def whole_lines(size: int) -> int:
    """Bytes of the lines of the map buffer that hold ``size`` bytes."""
    return -(-size // BURST_BYTES) * BURST_BYTES


def store_map(values: np.ndarray, block: int, order: int, bits: int, compressed: bool) -> Segments:
    """Lay out a map: segments with an index, each in SEG_``order`` or raw, or all of them raw.

    Args:
        values: uint16 (C, H, W).
        block: channels of a segment.
        order: k of SEG.
        bits: width of a raw value.
        compressed: False for the dense baseline.
    """
    sizes = raw_segments(values.shape, block, bits)
    if not compressed:
        return sizes
    words, raw = stored_words(values, block, order, bits)
    return Segments(words, raw, sizes.ends, sizes.room, True)


def raw_segments(shape: tuple[int, ...], block: int, bits: int) -> Segments:
    """The segments of a raw map (C, H, W) of values of ``bits`` bits."""
    channels, height, width = shape
    words = raw_words(channels, width, block, bits)
    return Segments(
        np.tile(words.astype(np.int32), (height, 1)),
        np.ones((height, len(words)), bool),
        np.minimum(np.arange(0, channels, block) + block, channels),
        -(-words * WORD_BYTES // BEAT_BYTES) * BEAT_BYTES,
        False,
    )
