"""What the decoder sees: the symbols of every segment of a map (docs/architecture.md, *Symbol*)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from hwsim.arch import LONG_RUN, WORD_BITS

NO_VALUE = 65535  # as a position: the symbol is a run of zeros alone


@dataclass(frozen=True, eq=False)
class Symbols:
    """All symbols of a map, segment by segment.

    Attributes:
        word: uint16 (symbols,), word of its segment in which a symbol starts.
        x: uint16 (symbols,), column of its value, or :data:`NO_VALUE`.
        first, end: int64 (H, channel blocks), which symbols are those of a segment.
    """

    word: np.ndarray
    x: np.ndarray
    first: np.ndarray
    end: np.ndarray


def stored_symbols(
    values: np.ndarray, block: int, raw: np.ndarray, lengths: np.ndarray, bits: int, run_max: int
) -> Symbols:
    """The symbols of a map whose segments are in SEG or raw.

    Args:
        values: uint16 (C, H, W); W at most 65534.
        block: channels of a segment.
        raw: bool (H, channel blocks), which segments are raw.
        lengths: uint8 (65536,), bits of the code of every value.
        bits: of a raw value.
        run_max: of a machine that skips zeros; 0: every value is a symbol, zero or not.
    """
    return Symbols(*_stored(values, block, raw, lengths, bits, run_max, LONG_RUN * run_max))


def raw_symbols(shape: tuple[int, int, int], block: int, bits: int) -> Symbols:
    """Without skipping, those of a raw map (C, H, W) of values of ``bits`` bits: alike in all segments."""
    channels, height, width = shape
    value = np.arange(min(block, channels) * width)
    counts = np.minimum(block, channels - np.arange(0, channels, block)) * width
    end = np.cumsum(counts[[0, -1]])
    first = np.zeros(len(counts), np.int64)
    first[-1] = end[0]
    return Symbols(
        np.concatenate([value[:count] * bits // WORD_BITS for count in counts[[0, -1]]]).astype(np.uint16),
        np.concatenate([value[:count] % width for count in counts[[0, -1]]]).astype(np.uint16),
        np.tile(first, (height, 1)),
        np.tile(first + counts, (height, 1)),
    )


@njit(cache=True, nogil=True)
def _stored(values, block, raw, lengths, bits, run_max, long_run):
    channels, height, width = values.shape
    blocks = (channels + block - 1) // block
    word = np.empty(values.size, np.uint16)
    xs = np.empty(values.size, np.uint16)
    first = np.empty((height, blocks), np.int64)
    end = np.empty((height, blocks), np.int64)
    segment = np.empty(block * width, np.uint16)
    columns = np.empty(block * width, np.uint16)
    for i in range(block * width):
        columns[i] = i % width
    symbol = 0
    for y in range(height):
        for b in range(blocks):
            count = (min(block * (b + 1), channels) - block * b) * width
            for c in range(count // width):
                segment[c * width : (c + 1) * width] = values[block * b + c, y]
            first[y, b] = symbol
            if raw[y, b]:
                for i in range(count):
                    word[symbol] = i * bits >> 6
                    skipped = run_max > 0 and segment[i] == 0
                    xs[symbol] = NO_VALUE if skipped else columns[i]
                    symbol += 1
                end[y, b] = symbol
                continue
            bit = np.int64(0)  # a sum with the bytes of ``lengths`` is as wide, uncompiled too
            i = 0
            while i < count:
                word[symbol] = bit >> 6
                stop = min(i + long_run, count)
                begin = i
                while i < stop and segment[i] == 0:
                    i += 1
                bit += i - begin
                if i < count and i - begin <= run_max:
                    xs[symbol] = columns[i]
                    bit += lengths[segment[i]]
                    i += 1
                else:
                    xs[symbol] = NO_VALUE
                symbol += 1
            end[y, b] = symbol
    return word[:symbol].copy(), xs[:symbol].copy(), first, end
