"""What it takes to pool a map, or to lay it out anew, once its cores have left it raw in the map buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.arch import LINE_WORDS, WORD_BITS, Arch
from hwsim.layer import Layer
from hwsim.machine.chain import Link
from hwsim.machine.descriptors import WINDOW_COLUMNS
from hwsim.machine.storage import raw_segments


@dataclass(frozen=True)
class Remade:
    """What it takes to make another map of the one that a layer's cores left.

    Attributes:
        pooled: else values are only laid out anew.
        averaged: by an average pool.
        cycles: in which windows are read, a line of the map buffer each.
        encoding: more of them until the last value leaves the encoder, where segments wait for their ends.
        values: that are made, one a window.
        joined: how often two values of a window are compared, or added.
        raw_words: words of 64 bits that the cores left.
    """

    pooled: bool
    averaged: bool
    cycles: int
    encoding: int
    values: int
    joined: int
    raw_words: int


def remake(layer: Layer, link: Link, block: int, row_segments: int, arch: Arch) -> Remade | None:
    """Read the raw map of a layer window by window; None if it is not remade.

    A row of a window is read in parts of ``WINDOW_COLUMNS`` columns, of which the last one may have fewer.
    Each takes a cycle for every line in which it lies, and one if it lies in the padding.

    Args:
        layer: what makes the raw map.
        link: what becomes of it.
        block: channels of a segment of the raw map.
        row_segments: places of a row of it.
        arch: the machine.
    """
    if not link.remade:
        return None
    channels, height, width = layer.out_shape
    raw_words = int(raw_segments(layer.out_shape, block, arch.activation_bits).words.sum())
    if not link.pool:
        values = channels * height * width
        encoding = _encoding(np.ones(values, np.int64), [block] if arch.compress else [])
        return Remade(False, False, values, encoding, values, 0, raw_words)
    pool, per_word = link.pool, WORD_BITS // arch.activation_bits
    rows, columns = (
        _windows(size, pool[before], pool[length], pool[stride])
        for size, before, length, stride in (
            (height, "top", "rows", "vertical_stride"),
            (width, "left", "columns", "horizontal_stride"),
        )
    )
    # Of every row, channel, window and part: values of the map buffer before its first and its last column.
    place = -(-block * width // per_word) * per_word
    y, channel = np.arange(height)[:, None, None, None], np.arange(channels)[None, :, None, None]
    before = (y * row_segments + channel // block) * place + channel % block * width
    part = np.arange(0, pool["columns"], WINDOW_COLUMNS)
    first = np.maximum(columns[:, None] + part, 0)
    behind = columns[:, None] + np.minimum(part + WINDOW_COLUMNS, pool["columns"])
    last = np.minimum(behind, width) - 1
    line = per_word * LINE_WORDS
    crossed = np.where(last < first, 0, (before + last) // line - (before + first) // line)
    lines = (1 + crossed).sum(axis=3)
    read = rows[:, None] + np.arange(pool["rows"])
    there = (read >= 0) & (read < height)
    padding = np.count_nonzero(~there, axis=1) * len(part)
    cycles = np.stack(  # of each window: rows of what is made, channels, columns
        [lines[mine[here]].sum(axis=0) + out for mine, here, out in zip(read, there, padding, strict=True)]
    )
    segments = [block]
    if link.flatten:
        cycles = cycles.transpose(1, 0, 2)
    else:
        segments = [min(block, channels - at) * len(columns) for at in range(0, channels, block)]
    in_row = np.maximum(last - first + 1, 0).sum(axis=1)
    in_window = np.outer(there.sum(axis=1), in_row)
    return Remade(
        pooled=True,
        averaged=bool(pool.get("average")),
        cycles=int(cycles.sum()),
        encoding=_encoding(cycles.ravel(), segments if arch.compress else []),
        values=channels * in_window.size,
        joined=channels * int(np.maximum(in_window - 1, 0).sum()),
        raw_words=raw_words,
    )


def _encoding(cycles: np.ndarray, segments: Sequence[int]) -> int:
    """Cycles from the last window to where its value leaves the encoder, as if that had it at once.

    Args:
        cycles: int64, of the windows in their order.
        segments: how many values segments have, over and over; none: no value waits for an end.
    """
    if not segments:
        return 2
    ends = np.cumsum(np.resize(segments, -(-cycles.size // sum(segments)) * len(segments)))
    ends = np.minimum(ends, cycles.size)
    sizes = np.diff(ends, prepend=0)
    behind = cycles.sum() - np.cumsum(cycles)[ends - 1]  # after the end of each segment
    left = np.maximum(sizes, 2) + cycles.size - ends
    return int((left - behind)[sizes > 0].max())


def _windows(size: int, before: int, length: int, stride: int) -> np.ndarray:
    """The first row or column of every window; those above 0 lie in the padding."""
    return np.arange((size + 2 * before - length) // stride + 1) * stride - before
