"""The compiled loops of SEG: measured by benchmarks/test_codec_speed.py.

SEG_0 and SEG_1 are the same code, so the loops know k >= 1 only, and one form of code: a zero is `1`; any
other x is y = x - 1 + 2^k in L bits behind z = L - k >= 1 zeros. Hence L = z + k when reading, z <= 17 - k.
"""

from __future__ import annotations

from numba import njit, types, uint64

from hwsim.codec.words import leading_zeros, store, window

OK, TRUNCATED, ILLEGAL_PREFIX, OUT_OF_RANGE = range(4)

_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_VALUES = types.Array(types.uint16, 1, "C", readonly=True)
_WINDOW_BITS = 57  # that window() promises


@njit(inline="always")
def code_length(value, order):
    """Bits of a value's code, order >= 1."""
    length = 64 - leading_zeros(uint64(value) - uint64(1) + (uint64(1) << order))
    return 1 if value == 0 else 2 * length - order


@njit(types.int64(_VALUES, types.int64), cache=True, nogil=True)
def total_bits(values, order):
    """Bits of the codes of all values."""
    total = 0
    for value in values:
        total += code_length(value, order)
    return total


@njit(types.int64(_VALUES, types.int64, types.uint8[::1]), cache=True, nogil=True)
def encode(values, order, out):
    """Write the codes of all values; ``out`` must be 8 bytes longer than they need. Returns the bits."""
    pending = uint64(0)  # the bits not yet written, at the top
    fill = 0  # how many: fewer than 8 before each value
    byte = 0
    bias = (uint64(1) << order) - uint64(1)
    for value in values:
        code = uint64(1)
        length = 1
        if value:
            code = uint64(value) + bias
            length = 2 * (64 - leading_zeros(code)) - order
        fill += length
        pending |= code << (64 - fill)
        store(out, byte, pending)
        byte += fill >> 3
        pending <<= fill & 56
        fill &= 7
    return 8 * byte + fill


@njit(
    types.UniTuple(types.int64, 3)(_BYTES, types.int64, types.int64, types.int64, types.uint16[::1]),
    cache=True,
    nogil=True,
)
def decode(data, first_bit, order, largest, out):
    """Fill ``out``, all zeros so far, from ``first_bit`` on: a run of zeros and the value behind it at once.

    Returns:
        (OK or what is wrong, the bit behind the last code or where the bad one begins, values decoded).
    """
    total = 8 * len(data)
    count = len(out)
    most_zeros = 17 - order
    longest_run = _WINDOW_BITS - 2 * most_zeros - order  # so that a whole code behind it is in the window
    bias = (uint64(1) << order) - uint64(1)
    bit = first_bit
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
            return (TRUNCATED if bit + most_zeros >= total else ILLEGAL_PREFIX), bit, i
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
