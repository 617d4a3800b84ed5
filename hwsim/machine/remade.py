"""What it takes to pool a map, or to lay it out anew, once its cores have left it raw in the map buffer."""

from __future__ import annotations

import numpy as np

from hwsim.arch import LINE_WORDS, WORD_BITS, Arch
from hwsim.layer import Layer
from hwsim.machine.chain import Link


def remade_cycles(layer: Layer, link: Link, block: int, row_segments: int, arch: Arch) -> int:
    """Cycles in which windows are read: each row of a window takes one for every line in which it lies.

    Args:
        layer: what makes the raw map.
        link: what becomes of it.
        block: channels of a segment of the raw map.
        row_segments: places of a row of it.
        arch: the machine.
    """
    if not link.remade:
        return 0
    channels, height, width = layer.out_shape
    if not link.pool:
        return channels * height * width
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
    read = (rows[:, None] + np.arange(pool["rows"])).ravel()
    inside = read[(read >= 0) & (read < height)]
    return int(lines[inside].sum()) + (len(read) - len(inside)) * channels * len(columns)


def _windows(size: int, before: int, length: int, stride: int) -> np.ndarray:
    """The first row or column of every window; those above 0 lie in the padding."""
    return np.arange((size + 2 * before - length) // stride + 1) * stride - before
