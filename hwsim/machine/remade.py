"""What it takes to pool a map, or to lay it out anew, once its cores have left it raw in the map buffer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.arch import LINE_WORDS, WORD_BITS, Arch
from hwsim.layer import Layer
from hwsim.machine.chain import Link
from hwsim.machine.storage import raw_segments


@dataclass(frozen=True)
class Remade:
    """What it takes to make another map of the one that a layer's cores left.

    Attributes:
        pooled: by a max pool; else values are only laid out anew.
        cycles: in which windows are read, a line of the map buffer each.
        values: that are made, one a window.
        comparisons: of two values of a window.
        raw_words: words of 64 bits that the cores left.
    """

    pooled: bool
    cycles: int
    values: int
    comparisons: int
    raw_words: int


def remake(layer: Layer, link: Link, block: int, row_segments: int, arch: Arch) -> Remade | None:
    """Read the raw map of a layer window by window; None if it is not remade.

    Each row of a window takes a cycle for every line in which it lies, and one if it lies in the padding.

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
        return Remade(False, values, values, 0, raw_words)
    pool, per_word = link.pool, WORD_BITS // arch.activation_bits
    rows, columns = (
        _windows(size, pool[before], pool[length], pool[stride])
        for size, before, length, stride in (
            (height, "top", "rows", "vertical_stride"),
            (width, "left", "columns", "horizontal_stride"),
        )
    )
    # Of every row, channel and window: values of the map buffer before its first and its last column.
    place = -(-block * width // per_word) * per_word
    y, channel = np.arange(height)[:, None, None], np.arange(channels)[None, :, None]
    before = (y * row_segments + channel // block) * place + channel % block * width
    first, last = np.maximum(columns, 0), np.minimum(columns + pool["columns"], width) - 1
    line = per_word * LINE_WORDS
    lines = np.maximum((before + last) // line - (before + first) // line + 1, 1).sum(axis=(1, 2))
    read = rows[:, None] + np.arange(pool["rows"])
    there = (read >= 0) & (read < height)
    padding = int(np.count_nonzero(~there)) * channels * len(columns)
    in_window = np.outer(there.sum(axis=1), np.maximum(last - first + 1, 0))
    return Remade(
        pooled=True,
        cycles=int(lines[read[there]].sum()) + padding,
        values=channels * in_window.size,
        comparisons=channels * int(np.maximum(in_window - 1, 0).sum()),
        raw_words=raw_words,
    )


def _windows(size: int, before: int, length: int, stride: int) -> np.ndarray:
    """The first row or column of every window; those above 0 lie in the padding."""
    return np.arange((size + 2 * before - length) // stride + 1) * stride - before
