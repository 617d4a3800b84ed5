"""Odd arguments of coders are CodecErrors of one line, and take no memory."""

import tracemalloc

import numpy as np
import pytest

from hwsim.codec import chunk, registry
from hwsim.codec.csr import MAX_COLUMNS
from hwsim.errors import CodecError

CODERS = registry.names()
NO_INTEGERS = (
    *([[1, 2], [3]], [1, "a"], "abc", [1.5], [None], object(), [1 + 2j], np.array([True])),
    *([10**30], [-1], [65536], np.array(["2020-01-01"], "M8[D]"), np.zeros(2, "u2,u2")),
)
NO_DTYPES = (
    "i2,,",
    "u2,u2",
    "f4",
    "x" * 10_000,
    "(2,)u2",
    "M8",
    object(),
    {"a": 1},
    ["x"],
    "u2;import os",
)
NO_ORDERS = (
    float("nan"),
    float("inf"),
    1.0,
    "1",
    True,
    False,
    None,
    [1],
    np.array([1, 2]),
    -1,
    16,
    10**5000,
    np.True_,
)

# 16 is no order, but a width.
NO_WIDTHS = (0, 17, *(order for order in NO_ORDERS if type(order) is not int or order != 16))


def named(value: object) -> str:
    """A name for the value's test, which is the same in every process."""
    return "object" if type(value) is object else repr(value)[:30]


def refusal(action) -> None:
    with pytest.raises(CodecError) as error:
        action()
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", CODERS)
@pytest.mark.parametrize("values", NO_INTEGERS, ids=named)
def test_only_integers_in_range_are_encoded(name, values):
    coder = registry.get(name)
    for method in (coder.encode, coder.encoded_bits, coder.best_order):
        refusal(lambda method=method: method(values))


@pytest.mark.parametrize("name", [name for name in CODERS if name != "entropy"])
@pytest.mark.parametrize("dtype", NO_DTYPES, ids=lambda dtype: repr(dtype)[:20])
def test_only_integer_types_are_decoded_into(name, dtype):
    coder = registry.get(name)
    refusal(lambda: coder.decode(coder.encode([1]), 1, 0, dtype))


@pytest.mark.parametrize("dtype", [*NO_DTYPES, None, "u4", "i8", bool], ids=lambda dtype: repr(dtype)[:20])
def test_only_integers_of_8_and_16_bits_are_stored(dtype):
    refusal(lambda: chunk.as_dtype(dtype))


@pytest.mark.parametrize("order", NO_ORDERS, ids=lambda order: repr(type(order)))
@pytest.mark.parametrize("name", ["seg", "exp_golomb", "aseg"])
def test_only_a_whole_number_is_an_order(name, order):
    refusal(lambda: registry.get(name).encode([1], order))
    refusal(lambda: registry.get(name).decode(b"\xff", 1, order))


@pytest.mark.parametrize("bits", NO_WIDTHS, ids=lambda bits: repr(type(bits)))
@pytest.mark.parametrize("name", CODERS)
def test_only_a_whole_number_is_a_width(name, bits):
    refusal(lambda: registry.get(name, bits=bits))


@pytest.mark.parametrize("count", [-1, 1.0, True, None, float("nan"), 10**30, 1 << 33])
@pytest.mark.parametrize("name", [name for name in CODERS if name != "entropy"])
def test_a_count_beyond_what_data_can_hold_takes_no_memory(name, count):
    coder = registry.get(name, columns=MAX_COLUMNS) if name == "csr" else registry.get(name)
    data = bytes(26)
    tracemalloc.start()
    refusal(lambda: coder.decode(data, count))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("columns", [0, -1, MAX_COLUMNS + 1, 2**31 - 1, 2**63, True, 64.0])
def test_a_row_is_not_as_long_as_anybody_likes(columns):
    refusal(lambda: registry.get("csr", columns=columns))


def test_the_longest_row_bounds_what_a_few_bytes_are_expanded_into():
    coder = registry.get("csr", columns=MAX_COLUMNS)
    zeros = np.zeros(MAX_COLUMNS, np.uint16)
    data = coder.encode(zeros)
    assert len(data) < 8
    np.testing.assert_array_equal(coder.decode(data, len(zeros)), zeros)


def test_a_map_of_longer_rows_is_cut_into_several():
    from hwsim.codec.csr import Csr

    assert Csr.for_map((3 << 20, 1, 1), 16).columns == MAX_COLUMNS
    assert Csr.for_map((100, 1, 1), 16).columns == 100
    assert Csr.for_map((4, 5, 6), 16).columns == 6
