"""The compiled loops of huffman.py: measured by benchmarks/test_codec_speed.py."""

from __future__ import annotations

import numpy as np
from numba import njit, types, uint64

from hwsim.codec.problems import ILLEGAL, OK, TRUNCATED
from hwsim.codec.words import BYTES, FOUND, PUT_BITS, VALUES, window

LONGEST = PUT_BITS
"""Bits of a code at most. A longer one would need more values than Fibonacci's 57th number, 3.6e11."""


@njit(types.int64[::1](types.int64[::1]), cache=True, nogil=True)
def code_lengths(counts):
    """Code lengths of symbols whose ``counts`` ascend, with two queues (van Leeuwen 1976): linear time."""
    n = len(counts)
    lengths = np.ones(n, np.int64)
    if n < 2:
        return lengths
    weight = np.empty(2 * n - 1, np.int64)
    weight[:n] = counts
    parent = np.zeros(2 * n - 1, np.int64)
    leaf, node = 0, n
    for new in range(n, 2 * n - 1):
        total = 0
        for _ in range(2):
            if leaf < n and (node == new or weight[leaf] <= weight[node]):
                child = leaf
                leaf += 1
            else:
                child = node
                node += 1
            parent[child] = new
            total += weight[child]
        weight[new] = total
    depth = np.zeros(2 * n - 1, np.int64)
    for child in range(2 * n - 3, -1, -1):
        depth[child] = depth[parent[child]] + 1
    lengths[:] = depth[:n]
    return lengths


@njit(FOUND(BYTES, types.int64, types.int64[::1], VALUES, types.uint16[::1]), cache=True, nogil=True)
def decode(data, first_bit, per_length, symbols, out):
    """Fill ``out``: a code's length is the first one whose codes reach up to the bits in the window.

    Returns:
        (OK or what is wrong, the bit behind the last code or where the bad one begins, values decoded).
    """
    total = 8 * len(data)
    longest = len(per_length)
    first_code = np.zeros(longest + 1, np.int64)
    first_symbol = np.zeros(longest + 1, np.int64)
    code = 0
    symbol = 0
    for length in range(1, longest + 1):
        code <<= 1
        first_code[length] = code
        first_symbol[length] = symbol
        code += per_length[length - 1]
        symbol += per_length[length - 1]
    bit = first_bit
    for i in range(len(out)):
        word = window(data, bit)
        length = 1
        while length <= longest:
            offset = types.int64(word >> uint64(64 - length)) - first_code[length]
            if offset < per_length[length - 1]:
                break
            length += 1
        if length > longest:
            return (TRUNCATED if bit + longest > total else ILLEGAL), bit, i
        if bit + length > total:
            return TRUNCATED, bit, i
        out[i] = symbols[first_symbol[length] + offset]
        bit += length
    return OK, bit, len(out)
