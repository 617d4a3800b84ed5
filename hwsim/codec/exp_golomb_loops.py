"""The compiled loop of exp_golomb.py: measured by benchmarks/test_codec_speed.py."""

from __future__ import annotations

from numba import njit, types, uint64

from hwsim.codec.problems import ILLEGAL, OK, OUT_OF_RANGE, TRUNCATED
from hwsim.codec.words import BYTES, FOUND, leading_zeros, window


@njit(FOUND(BYTES, types.int64, types.int64, types.uint16[::1]), cache=True, nogil=True)
def decode(data, order, largest, out):
    """Fill ``out``. A code has L = zeros + 1 + order <= 17 bits behind its zeros.

    Returns:
        (OK or what is wrong, the bit behind the last code or where the bad one begins, values decoded).
    """
    total = 8 * len(data)
    most_zeros = 16 - order
    bias = uint64(1) << order
    bit = 0
    for i in range(len(out)):
        word = window(data, bit)
        zeros = leading_zeros(word)
        if zeros > most_zeros:
            return (TRUNCATED if bit + most_zeros >= total else ILLEGAL), bit, i
        length = zeros + 1 + order
        if bit + zeros + length > total:
            return TRUNCATED, bit, i
        value = ((word << zeros) >> (64 - length)) - bias
        if value > uint64(largest):
            return OUT_OF_RANGE, bit, i
        out[i] = value
        bit += zeros + length
    return OK, bit, len(out)
