"""The compiled loops over the segments of a map: measured by benchmarks/test_codec_speed.py."""

from __future__ import annotations

from numba import njit, types

from hwsim.codec.seg_loops import code_length

_MAP = types.Array(types.uint16, 3, "C", readonly=True)


@njit(types.void(_MAP, types.int64, types.int64, types.int64[:, ::1]), cache=True, nogil=True)
def segment_bits(values, block, order, bits):
    """Add the code lengths of every row of every channel to its segment; one pass in the order of memory."""
    channels, height, width = values.shape
    for c in range(channels):
        for y in range(height):
            total = 0
            for x in range(width):
                total += code_length(values[c, y, x], order)
            bits[c // block, y] += total
