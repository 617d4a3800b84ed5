"""Canonical Huffman codes against hand-made tables and against the best possible total."""

import heapq
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwsim.codec import golden
from hwsim.codec.huffman import Huffman
from hwsim.errors import CodecError


def fields(*pairs):
    return "".join(f"{n:0{width}b}" for width, n in pairs)


# 4 x 7, 2 x 0, 1 x 3, 1 x 9 -> lengths 1, 2, 3, 3 -> 7: 0, 0: 10, 3: 110, 9: 111
VALUES = [7, 0, 7, 3, 7, 9, 0, 7]
TABLE = fields((6, 3), (5, 1), (5, 1), (5, 2), (4, 7), (4, 0), (4, 3), (4, 9))
CODES = "01001100111100"


def test_the_table_and_the_codes_are_canonical():
    coder = Huffman(bits=4)
    assert coder.encode(VALUES).tobytes() == golden.to_bytes(TABLE + CODES)
    assert coder.encoded_bits(VALUES) == len(TABLE + CODES)
    assert coder.decode(golden.to_bytes(TABLE + CODES), 8).tolist() == VALUES


def test_no_value_and_one_value_have_a_table_too():
    assert Huffman(bits=4).encode([]).tobytes() == b"\0"
    only = golden.to_bytes(fields((6, 1), (5, 1), (4, 12)) + "000")
    assert Huffman(bits=4).encode([12, 12, 12]).tobytes() == only
    assert Huffman(bits=4).decode(only, 3).tolist() == [12, 12, 12]


def least_total(values):
    """Bits of the best prefix code: the sum of all merged weights; one symbol alone has a bit."""
    heap = list(Counter(values).values())
    heapq.heapify(heap)
    if len(heap) == 1:
        return heap[0]
    total = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total


@settings(deadline=None)
@given(st.lists(st.integers(0, 255) | st.sampled_from([0, 0, 0, 1, 2]), max_size=300))
@example(
    [value for value, count in enumerate([1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]) for _ in range(count)]
)
def test_no_prefix_code_is_shorter(values):
    coder = Huffman(bits=8)
    data = coder.encode(values)
    longest = data[0] >> 2 if len(values) else 0
    table = 6 + 9 * int(longest) + 8 * len(set(values))
    assert coder.encoded_bits(values) == table + least_total(values)
    assert coder.decode(data, len(values)).tolist() == values


def test_all_65536_values_survive():
    values = np.random.default_rng(3).permutation(65536).repeat(2)
    coder = Huffman()
    assert np.array_equal(coder.decode(coder.encode(values), len(values)), values)


@pytest.mark.parametrize(
    ("bits", "count", "message"),
    [
        (fields((6, 57)), 1, "codes of 57 bits"),
        (fields((6, 1), (5, 3), (4, 1), (4, 2), (4, 3)), 1, "more codes than a prefix code"),
        (fields((6, 2), (5, 2), (5, 1), (4, 1), (4, 2), (4, 3)), 1, "more codes than a prefix code"),
        (fields((6, 2), (5, 1), (5, 1), (4, 1), (4, 2)) + "11" + "0" * 60, 5, "illegal prefix.* at bit 24"),
        (fields((6, 3), (5, 1)), 1, "truncated"),
        (TABLE + CODES, 20, "truncated"),
        (TABLE + CODES, 6, "padding"),
        (fields((6, 0)), 1, "illegal prefix|truncated"),
    ],
)
def test_damaged_tables_and_codes_are_refused(bits, count, message):
    with pytest.raises(CodecError, match=message):
        Huffman(bits=4).decode(golden.to_bytes(bits), count)


def test_a_value_of_the_table_above_the_dtype_is_refused_with_its_bit():
    data = golden.to_bytes(fields((6, 1), (17, 1), (16, 300)) + "0")
    assert Huffman().decode(data, 1).tolist() == [300]
    with pytest.raises(CodecError, match="300 at bit 23 "):
        Huffman().decode(data, 1, dtype=np.uint8)
