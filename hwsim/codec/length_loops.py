"""The compiled loops that measure SEG and write nothing: measured by benchmarks/test_codec_speed.py.

Apart from those that write and read it (seg_loops.py), since a simulation needs lengths alone, and every loop
that a program loads takes it time. Their orders are those of these loops: k >= 1.
"""

from __future__ import annotations

from numba import njit, types, uint64

from hwsim.codec.words import MAP, VALUES, leading_zeros


@njit(inline="always")
def _code_length(value, order):
    length = 64 - leading_zeros(uint64(value) + ((uint64(1) << order) - uint64(1)))
    return 1 if value == 0 else 2 * length - order


@njit(types.int64(VALUES, types.int64), cache=True, nogil=True)
def total_bits(values, order):
    """Bits of the codes of all values. Indexed, not iterated over, which LLVM would not vectorise."""
    total = 0
    for i in range(len(values)):
        total += _code_length(values[i], order)
    return total


@njit(types.void(MAP, types.int64, types.int64, types.int64[:, ::1]), cache=True, nogil=True)
def segment_bits(values, block, order, bits):
    """Add the code lengths of every row of every channel to its segment; one pass in the order of memory."""
    channels, height, width = values.shape
    for c in range(channels):
        for y in range(height):
            total = 0
            for x in range(width):
                total += _code_length(values[c, y, x], order)
            bits[c // block, y] += total
