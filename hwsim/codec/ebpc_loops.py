"""The compiled loops of ebpc.py, which defines the symbols: measured by benchmarks/test_codec_speed.py."""

from __future__ import annotations

import numpy as np
from numba import njit, types, uint64

from hwsim.codec.problems import ILLEGAL, OK, OUT_OF_RANGE, TRUNCATED
from hwsim.codec.words import BYTES, FOUND, VALUES, put, window

LONGEST_RUN = 16  # zeros in one symbol of the zero stream
_BLOCK = 8  # words
_PLANE_BITS = _BLOCK - 1
_FULL = (1 << _PLANE_BITS) - 1  # a plane of ones
_MOST_SYMBOLS = 18  # of a block: its first word and 17 planes


@njit(inline="always")
def _run_bits(bits):
    """Of the length of a run of planes: ceil(log2(bits))."""
    width = 0
    while (1 << width) < bits:
        width += 1
    return width


@njit(inline="always")
def _zero_planes(run, bits, codes, lengths, at):
    if run == 0:
        return 0
    if run == 1:
        codes[at], lengths[at] = 0b01, 2
    else:
        width = _run_bits(bits)
        codes[at], lengths[at] = 0b001 << width | (run - 2), 3 + width
    return 1


@njit(inline="always")
def _position(one):
    """From the left, of the single one of a plane."""
    position = _PLANE_BITS - 1
    while one > 1:
        one >>= 1
        position -= 1
    return position


@njit(cache=True, nogil=True)
def _block_symbols(words, bits, codes, lengths):
    """Fill in the code and the length of every symbol of a block; returns how many."""
    codes[0] = words[0]
    lengths[0] = bits
    count = 1
    below = 0  # DBP of the plane below
    run = 0
    for j in range(bits + 1):
        dbp = 0
        for i in range(_PLANE_BITS):
            dbp = dbp << 1 | (words[i + 1] - words[i]) >> j & 1
        dbx = dbp ^ below
        below = dbp
        if dbx == 0:
            run += 1
            continue
        count += _zero_planes(run, bits, codes, lengths, count)
        run = 0
        low = dbx & -dbx
        if dbx == _FULL:
            codes[count], lengths[count] = 0b00000, 5
        elif dbp == 0:
            codes[count], lengths[count] = 0b00001, 5
        elif dbx == 3 * low:
            codes[count], lengths[count] = 0b00010 << 3 | _position(2 * low), 8
        elif dbx == low:
            codes[count], lengths[count] = 0b00011 << 3 | _position(low), 8
        else:
            codes[count], lengths[count] = 1 << _PLANE_BITS | dbx, 8
        count += 1
    return count + _zero_planes(run, bits, codes, lengths, count)


@njit(types.int64(VALUES, types.int64), cache=True, nogil=True)
def total_bits(values, bits):
    """Bits of both streams."""
    codes, lengths = np.empty(_MOST_SYMBOLS, np.int64), np.empty(_MOST_SYMBOLS, np.int64)
    words = np.zeros(_BLOCK, np.int64)
    filled = 0
    run = 0
    total = 0
    for value in values:
        if value == 0:
            total += 5 if run == 0 else 0
            run = run + 1 if run + 1 < LONGEST_RUN else 0
            continue
        run = 0
        total += 1
        words[filled] = value
        filled += 1
        if filled == _BLOCK:
            for i in range(_block_symbols(words, bits, codes, lengths)):
                total += lengths[i]
            filled = 0
    if filled:
        words[filled:] = 0
        for i in range(_block_symbols(words, bits, codes, lengths)):
            total += lengths[i]
    return total


@njit(types.void(VALUES, types.int64, types.uint8[::1]), cache=True, nogil=True)
def encode(values, bits, out):
    """Write both streams; ``out`` must be 8 bytes longer than they are."""
    byte, pending, fill = 0, uint64(0), 0
    count = len(values)
    i = 0
    while i < count:
        run = 0
        while i + run < count and run < LONGEST_RUN and values[i + run] == 0:
            run += 1
        if run:
            byte, pending, fill = put(out, byte, pending, fill, uint64(run - 1), 5)
            i += run
        else:
            byte, pending, fill = put(out, byte, pending, fill, uint64(1), 1)
            i += 1
    codes, lengths = np.empty(_MOST_SYMBOLS, np.int64), np.empty(_MOST_SYMBOLS, np.int64)
    words = np.zeros(_BLOCK, np.int64)
    filled = 0
    for i in range(count):
        if values[i]:
            words[filled] = values[i]
            filled += 1
        if filled == _BLOCK or (filled and i == count - 1):
            words[filled:] = 0
            for symbol in range(_block_symbols(words, bits, codes, lengths)):
                byte, pending, fill = put(out, byte, pending, fill, uint64(codes[symbol]), lengths[symbol])
            filled = 0


@njit(cache=True, nogil=True)
def _decode_block(data, bit, bits, words):
    """Read one block into ``words``, unchecked: (OK or ILLEGAL, the bit behind it or of the bad symbol)."""
    words[0] = window(data, bit) >> uint64(64 - bits)
    words[1:] = 0  # the differences, first
    bit += bits
    width = _run_bits(bits)
    below = 0
    j = 0
    while j <= bits:
        word = window(data, bit)
        planes = 1
        dbx = 0
        prefix = word >> uint64(59)
        position = types.int64(word >> uint64(56)) & 7
        if prefix >> uint64(4):
            dbx = types.int64(word >> uint64(56)) & _FULL
            size = 8
        elif prefix >> uint64(3):
            size = 2
        elif prefix >> uint64(2):
            planes = 2 + (types.int64(word >> uint64(61 - width)) & ((1 << width) - 1))
            size = 3 + width
        elif prefix == 0b00000:
            dbx = _FULL
            size = 5
        elif prefix == 0b00001:
            dbx = below
            size = 5
        elif prefix == 0b00010:
            if position > _PLANE_BITS - 2:
                return ILLEGAL, bit
            dbx = 3 << (_PLANE_BITS - 2 - position)
            size = 8
        else:
            if position > _PLANE_BITS - 1:
                return ILLEGAL, bit
            dbx = 1 << (_PLANE_BITS - 1 - position)
            size = 8
        if planes > bits + 1 - j:
            return ILLEGAL, bit
        below ^= dbx
        for _ in range(planes):
            for i in range(_PLANE_BITS):
                words[i + 1] |= (below >> (_PLANE_BITS - 1 - i) & 1) << j
            j += 1
        bit += size
    sign = 1 << bits
    for i in range(_PLANE_BITS):
        words[i + 1] = words[i] + ((words[i + 1] ^ sign) - sign)
    return OK, bit


@njit(FOUND(BYTES, types.int64, types.int64, types.uint16[::1]), cache=True, nogil=True)
def decode(data, bits, largest, out):
    """Fill ``out``, all zeros so far.

    Returns:
        (OK or what is wrong, the bit behind the last symbol or of the bad one or its block, values done).
    """
    total = 8 * len(data)
    count = len(out)
    bit = 0
    i = 0
    while i < count:  # mark the non-zeros
        word = window(data, bit)
        if word >> uint64(63):
            out[i] = 1
            i += 1
            bit += 1
        else:
            run = types.int64(word >> uint64(59)) + 1
            if bit + 5 > total:
                return TRUNCATED, bit, i
            if i + run > count:
                return ILLEGAL, bit, i
            i += run
            bit += 5
    words = np.empty(_BLOCK, np.int64)
    filled = _BLOCK
    for i in range(count):
        if out[i] == 0:
            continue
        if filled == _BLOCK:
            start = bit
            problem, bit = _decode_block(data, start, bits, words)
            if problem == OK and bit > total:
                problem, bit = TRUNCATED, start
            if problem != OK:
                return problem, bit, i
            filled = 0
        if not 0 < words[filled] <= largest:
            return OUT_OF_RANGE, start, i
        out[i] = words[filled]
        filled += 1
    return OK, bit, count
