"""Plain exponential-Golomb codes against hand-made ones and the golden model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.codec import golden
from hwsim.codec.exp_golomb import ExpGolomb, code_lengths
from hwsim.errors import CodecError

CODER = ExpGolomb()
ORDERS = st.integers(0, 15)
VALUES = st.lists(st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 65535)), max_size=60)


def golden_bits(values, order):
    return "".join(golden.exp_golomb(value, order) for value in values)


def test_hand_made_streams():
    assert CODER.encode([0, 1, 2, 3], 0).tobytes() == bytes([0b10100110, 0b01000000])
    assert CODER.decode(bytes([0b10011101, 0b00000000]), 3, 2).tolist() == [0, 3, 4]


@settings(deadline=None)
@given(VALUES, ORDERS)
def test_coding_equals_the_golden_model(values, order):
    bits = golden_bits(values, order)
    assert CODER.encode(values, order).tobytes() == golden.to_bytes(bits)
    assert CODER.encoded_bits(values, order) == len(bits)
    assert CODER.decode(golden.to_bytes(bits), len(values), order).tolist() == values


@settings(deadline=None)
@given(VALUES)
def test_best_order_is_the_cheapest_of_all_and_the_lowest_of_equals(values):
    sizes = [len(golden_bits(values, order)) for order in range(16)]
    assert CODER.best_order(np.array(values, np.uint16)) == sizes.index(min(sizes))


@pytest.mark.parametrize("order", range(16))
def test_illegal_prefixes_and_values_out_of_range_are_refused_with_their_bit(order):
    longest = golden.exp_golomb(65535, order)
    assert CODER.decode(golden.to_bytes(longest), 1, order).tolist() == [65535]
    first = golden.exp_golomb(0, order)
    with pytest.raises(CodecError, match=rf"illegal prefix.* at bit {len(first)} \(value 1\)"):
        CODER.decode(golden.to_bytes(first + "0" * (17 - order) + "1" * 60), 2, order)
    with pytest.raises(CodecError, match=rf"outside 0..65535 at bit {len(first)} "):
        CODER.decode(golden.to_bytes(first + golden.exp_golomb(65536, order)), 2, order)
    with pytest.raises(CodecError, match="order"):
        code_lengths(order + 16)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=40), st.integers(0, 300), ORDERS)
def test_random_bytes_decode_to_what_they_encode_or_are_refused(data, count, order):
    try:
        values = CODER.decode(data, count, order)
    except CodecError:
        return
    assert golden.to_bits(data) == golden_bits(values.tolist(), order).ljust(8 * len(data), "0")
