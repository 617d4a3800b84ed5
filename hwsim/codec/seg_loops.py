"""The compiled loops of SEG: measured by benchmarks/test_codec_speed.py.

SEG_0 and SEG_1 are the same code, so the loops know k >= 1 only, and one form of code: a zero is `1`; any
other x is y = x - 1 + 2^k in L bits behind z = L - k >= 1 zeros. Hence L = z + k when reading, z <= 17 - k.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types, uint64

from hwsim.arch import WORD_BITS, WORD_BYTES
from hwsim.codec.problems import COUNT, ILLEGAL, OK, OUT_OF_RANGE, PADDING, TRUNCATED
from hwsim.codec.words import (
    BYTES,
    FOUND,
    MAP,
    PUT_BITS,
    VALUES,
    WINDOW_BITS,
    leading_zeros,
    put,
    store,
    window,
)

_CHUNK = 1024  # values whose non-zeros are found together; the positions stay in the first-level cache


@njit(inline="always")
def _ones(count):
    return (uint64(1) << count) - uint64(1)


@njit(types.int64(VALUES, types.int64, types.uint8[::1]), cache=True, nogil=True)
def encode(values, order, out):
    """Write the codes of all values, zeros up to a multiple of 64 bits; returns the bits of the codes.

    ``out`` must be 8 bytes longer than the codes. Two passes over a chunk, with no branch that depends on
    whether a value is zero: one lists the positions of the non-zeros, one writes a run of zeros and the
    value behind it at once. A loop with a branch a value runs at half the speed where zeros are scattered.
    """
    byte, pending, fill = 0, uint64(0), 0
    bias = (uint64(1) << order) - uint64(1)
    count = len(values)
    positions = np.empty(min(count, _CHUNK), np.int64)
    last = -1
    for start in range(0, count, _CHUNK):
        found = 0
        for i in range(start, min(start + _CHUNK, count)):
            positions[found] = i
            found += values[i] != 0
        for j in range(found):
            i = positions[j]
            run = i - last - 1
            last = i
            code = uint64(values[i]) + bias
            length = 2 * (64 - leading_zeros(code)) - order
            while run + length > PUT_BITS:
                ones = min(run, PUT_BITS)
                byte, pending, fill = put(out, byte, pending, fill, _ones(ones), ones)
                run -= ones
            byte, pending, fill = put(out, byte, pending, fill, _ones(run) << length | code, run + length)
    run = count - last - 1
    while run > 0:
        ones = min(run, PUT_BITS)
        byte, pending, fill = put(out, byte, pending, fill, _ones(ones), ones)
        run -= ones
    store(out, byte, pending)
    return 8 * byte + fill


@njit(FOUND(BYTES, types.int64, types.int64, types.uint16[::1]), cache=True, nogil=True)
def decode(data, order, largest, out):
    """Fill ``out``, all zeros so far: a run of zeros and the value behind it in one step.

    Returns:
        (OK or what is wrong, the bit behind the last code or where the bad one begins, values decoded).
    """
    total = 8 * len(data)
    count = len(out)
    most_zeros = 17 - order
    longest_run = WINDOW_BITS - 2 * most_zeros - order  # so that a whole code behind it is in the window
    bias = (uint64(1) << order) - uint64(1)
    bit = 0
    i = 0
    while i < count:
        word = window(data, bit)
        run = leading_zeros(~word)
        if run > longest_run or i + run >= count:
            run = min(run, count - i)
            i += run
            bit += run
            continue
        i += run
        bit += run
        word <<= run
        zeros = leading_zeros(word)
        if zeros > most_zeros:
            return (TRUNCATED if bit + most_zeros >= total else ILLEGAL), bit, i
        length = zeros + order
        value = ((word << zeros) >> (64 - length)) - bias
        if bit + zeros + length > total:
            return TRUNCATED, bit, i
        if value > uint64(largest):
            return OUT_OF_RANGE, bit, i
        out[i] = value
        i += 1
        bit += zeros + length
    return OK, bit, i


@njit(
    types.void(MAP, types.int64, types.int64, types.int64[:, ::1], types.uint8[::1]), cache=True, nogil=True
)
def encode_segments(values, block, order, words, out):
    """Write the segments of a map, row by row; ``words`` (H, channel blocks) are their lengths."""
    channels, height, width = values.shape
    segment = np.empty(block * width, np.uint16)
    byte = 0
    for y in range(height):
        for first in range(0, channels, block):
            some = min(block, channels - first)
            for c in range(some):
                segment[c * width : (c + 1) * width] = values[first + c, y]
            encode(segment[: some * width], order, out[byte:])
            byte += words[y, first // block] * WORD_BYTES


@njit(
    FOUND(BYTES, types.int64, types.int64, types.int64[:, ::1], types.int64[:, ::1], types.uint16[:, :, ::1]),
    cache=True,
    nogil=True,
)
def decode_segments(data, block, order, words, nonzeros, out):
    """The opposite of :func:`encode_segments`; ``words`` must add up to the length of ``data``.

    Returns:
        (OK or what is wrong, the bit in ``data``, the number of the segment).
    """
    channels, height, width = out.shape
    segment = np.empty(block * width, np.uint16)
    byte = 0
    number = 0
    for y in range(height):
        for first in range(0, channels, block):
            some = min(block, channels - first)
            values = segment[: some * width]
            values[:] = 0
            size = words[y, first // block] * WORD_BYTES
            coded = data[byte : byte + size]
            problem, bit, _ = decode(coded, order, 65535, values)
            if problem == OK:
                if 8 * size - bit >= WORD_BITS or (bit < 8 * size and window(coded, bit) != 0):
                    problem = PADDING
                elif np.count_nonzero(values) != nonzeros[y, first // block]:
                    problem = COUNT
            if problem != OK:
                return problem, 8 * byte + bit, number
            for c in range(some):
                out[first + c, y] = values[c * width : (c + 1) * width]
            byte += size
            number += 1
    return OK, 8 * byte, number
