"""The compiled loops of aseg.py, which defines the format: measured by benchmarks/test_codec_speed.py.

Bits for all tables and orders are added up at once, in 16-bit lanes of eight words; those for the four run
orders in the lanes of one. A *choice* is table << 4 | order.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types, uint64

from hwsim.codec.aseg_code import DEFAULT_RUN_ORDER, LUT_BITS, RUN_ORDERS, SIZES, START, STATES, TABLES
from hwsim.codec.problems import ILLEGAL, OK, OUT_OF_RANGE, TRUNCATED
from hwsim.codec.words import BYTES, FOUND, PUT_BITS, VALUES, leading_zeros, put, store, window

WORDS = types.Array(types.uint64, 1, "C", readonly=True)
COSTS = types.Array(types.uint64, 3, "C", readonly=True)
CODES = types.Array(types.uint64, 3, "C", readonly=True)
FIELDS = types.Array(types.int64, 2, "C", readonly=True)
_ORDERS = 16
_CHOICES = TABLES * _ORDERS
GIVEN = 255
"""Header of a segment that takes the given order."""
_LONG_HEADER, _SHORT_HEADER = 8, 1
_CHUNK = 2048  # values of at most 25 bits, so that no lane overflows
_MOST_RUN_BITS = 33  # of the length of a run of 65536 zeros, r = 0


@njit(inline="always")
def _size(value):
    return 64 - leading_zeros(uint64(value))


@njit(inline="always")
def _lane(word, i):
    return types.int64(word >> uint64(16 * i)) & 0xFFFF


@njit(cache=True, nogil=True)
def _add_costs(values, costs, run_costs, by_choice, by_run_order):
    """Set the bits of a segment's values for every choice, and of its runs for every run order.

    No branch depends on a value: a zero behind a zero costs nothing, and a run costs where it ends.
    """
    by_choice[:] = 0
    by_run_order[:] = 0
    before = SIZES
    run = 0
    for start in range(0, len(values), _CHUNK):
        a = b = c = d = e = f = g = h = runs = uint64(0)
        for i in range(start, min(start + _CHUNK, len(values))):
            size = _size(values[i])
            a += costs[before, size, 0]
            b += costs[before, size, 1]
            c += costs[before, size, 2]
            d += costs[before, size, 3]
            e += costs[before, size, 4]
            f += costs[before, size, 5]
            g += costs[before, size, 6]
            h += costs[before, size, 7]
            runs += run_costs[0 if size == 0 else run]
            run = run + 1 if size == 0 else 0
            before = size
        for i in range(4):
            by_choice[i] += _lane(a, i)
            by_choice[4 + i] += _lane(b, i)
            by_choice[8 + i] += _lane(c, i)
            by_choice[12 + i] += _lane(d, i)
            by_choice[16 + i] += _lane(e, i)
            by_choice[20 + i] += _lane(f, i)
            by_choice[24 + i] += _lane(g, i)
            by_choice[28 + i] += _lane(h, i)
            by_run_order[i] += _lane(runs, i)
    for i in range(RUN_ORDERS):
        by_run_order[i] += _lane(run_costs[run], i)


@njit(cache=True, nogil=True)
def _lowest(numbers):
    """Where the least number is, the first of equals."""
    at = 0
    for i in range(1, len(numbers)):
        if numbers[i] < numbers[at]:
            at = i
    return at


@njit(types.void(VALUES, types.int64, COSTS, WORDS, types.int64[::1]), cache=True, nogil=True)
def total_bits(values, segment, costs, run_costs, totals):
    """Add the bits of all segments for every given order to ``totals`` (orders,)."""
    by_choice, by_run_order = np.empty(_CHOICES, np.int64), np.empty(RUN_ORDERS, np.int64)
    for start in range(0, len(values), segment):
        _add_costs(values[start : start + segment], costs, run_costs, by_choice, by_run_order)
        own = _LONG_HEADER + by_choice.min() + by_run_order.min()
        given_runs = _SHORT_HEADER + by_run_order[DEFAULT_RUN_ORDER]
        for order in range(_ORDERS):
            totals[order] += min(own, by_choice[order] + given_runs)


@njit(
    types.void(VALUES, types.int64, types.int64, COSTS, WORDS, types.uint8[::1], types.int64[::1]),
    cache=True,
    nogil=True,
)
def choose(values, segment, order, costs, run_costs, headers, bits):
    """Set the header, choice << 2 | r or GIVEN, and the bits of every segment.

    A segment takes the given order where that is not worse than its own best one.
    """
    by_choice, by_run_order = np.empty(_CHOICES, np.int64), np.empty(RUN_ORDERS, np.int64)
    for number in range(len(headers)):
        part = values[number * segment : (number + 1) * segment]
        _add_costs(part, costs, run_costs, by_choice, by_run_order)
        choice, r = _lowest(by_choice), _lowest(by_run_order)
        own = _LONG_HEADER + by_choice[choice] + by_run_order[r]
        given = _SHORT_HEADER + by_choice[order] + by_run_order[DEFAULT_RUN_ORDER]
        headers[number] = GIVEN if given <= own else choice << 2 | r
        bits[number] = min(given, own)


@njit(inline="always")
def _zeros_code(codes, choice, state, run, r):
    """(code, length) of a run of zeros, 1 or more."""
    entry = codes[choice, state, 0]
    length = uint64(run - 1 + (1 << r))
    bits = 2 * _size(length) - 1 - r
    return (entry & uint64(0xFFFFFFFF)) << bits | length, types.int64(entry >> uint64(40)) & 63, bits


@njit(types.int64(VALUES, types.int64, types.int64, BYTES, CODES, types.uint8[::1]), cache=True, nogil=True)
def encode(values, segment, order, headers, codes, out):
    """Write all segments, zeros up to a multiple of 64 bits; returns the bits of the codes.

    ``out`` must be 8 bytes longer than the codes. The positions of a segment's non-zeros are listed first, so
    that a run and the value behind it are written at once, as in seg_loops.py.
    """
    positions = np.empty(min(segment, len(values)) + 1, np.int64)
    byte, pending, fill = 0, uint64(0), 0
    for number in range(len(headers)):
        start = number * segment
        stop = min(start + segment, len(values))
        if headers[number] == GIVEN:
            choice, r = order, types.int64(DEFAULT_RUN_ORDER)
            byte, pending, fill = put(out, byte, pending, fill, uint64(1), _SHORT_HEADER)
        else:
            choice, r = types.int64(headers[number] >> 2), types.int64(headers[number] & 3)
            byte, pending, fill = put(out, byte, pending, fill, uint64(headers[number]), _LONG_HEADER)
        found = 0
        for i in range(start, stop):
            positions[found] = i
            found += values[i] != 0
        state = START
        last = start - 1
        for j in range(found):
            i = positions[j]
            run = i - last - 1
            last = i
            zeros, zeros_length = uint64(0), 0
            if run:
                zeros, code_length, run_length = _zeros_code(codes, choice, state, run, r)
                zeros_length = code_length + run_length
                state = 0
            value = uint64(values[i])
            entry = codes[choice, state, _size(value)]
            raw = entry >> uint64(32) & uint64(31)
            length = types.int64(entry >> uint64(40)) & 63
            state = types.int64(entry >> uint64(48))
            code = (entry & uint64(0xFFFFFFFF)) | (value & ((uint64(1) << raw) - uint64(1)))
            if zeros_length + length > PUT_BITS:
                byte, pending, fill = put(out, byte, pending, fill, zeros, zeros_length)
                zeros, zeros_length = uint64(0), 0
            byte, pending, fill = put(out, byte, pending, fill, zeros << length | code, zeros_length + length)
        run = stop - last - 1
        if run:
            zeros, code_length, run_length = _zeros_code(codes, choice, state, run, r)
            byte, pending, fill = put(out, byte, pending, fill, zeros, code_length + run_length)
    store(out, byte, pending)
    return 8 * byte + fill


@njit(
    FOUND(BYTES, types.int64, types.int64, types.int64, BYTES, FIELDS, FIELDS, FIELDS, types.uint16[::1]),
    cache=True,
    nogil=True,
)
def decode(data, segment, order, largest, lut, raw_digits, offsets, smallest, out):
    """Fill ``out``, all zeros so far: a run of zeros, if there is one, and the value behind it in one step.

    Returns:
        (OK or what is wrong, the bit behind the last code or where the bad one begins, values decoded).
    """
    total = 8 * len(data)
    bit = 0
    for start in range(0, len(out), segment):
        stop = min(start + segment, len(out))
        word = window(data, bit)
        if word >> uint64(63):
            k, r, first, header = order, types.int64(DEFAULT_RUN_ORDER), 0, _SHORT_HEADER
        else:
            k, r = types.int64(word >> uint64(58)) & 15, types.int64(word >> uint64(56)) & 3
            first, header = types.int64(word >> uint64(62)) * STATES, _LONG_HEADER
        if bit + header > total:
            return TRUNCATED, bit, start
        bit += header
        state = START
        i = start
        while i < stop:
            word = window(data, bit)
            entry = types.int64(lut[(first + state) << LUT_BITS | types.int64(word >> uint64(64 - LUT_BITS))])
            if entry & 15 == 0:
                word <<= entry >> 4
                length = 2 * leading_zeros(word) + 1 + r
                end = bit + (entry >> 4) + length
                if end > total:
                    return TRUNCATED, bit, i
                if length > _MOST_RUN_BITS:
                    return ILLEGAL, bit, i
                run = types.int64(word >> uint64(64 - length)) - (1 << r) + 1
                if run > stop - i:
                    return ILLEGAL, bit, i
                bit = end
                i += run
                if i == stop:
                    break
                word = window(data, bit)
                entry = types.int64(lut[first << LUT_BITS | types.int64(word >> uint64(64 - LUT_BITS))])
            level = entry & 15
            raw = raw_digits[k, level]
            end = bit + (entry >> 4) + raw
            if end > total:
                return TRUNCATED, bit, i
            value = types.int64(((word << (entry >> 4)) >> uint64(32)) >> (32 - raw)) + offsets[k, level]
            if value < smallest[k, level]:
                return ILLEGAL, bit, i
            if value > largest:
                return OUT_OF_RANGE, bit, i
            out[i] = value
            i += 1
            bit = end
            state = min(level, STATES - 1)
    return OK, bit, len(out)
