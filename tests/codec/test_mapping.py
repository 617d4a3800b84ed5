"""The mapping of H.264's se(v)."""

import numpy as np
import pytest

from hwsim.codec.mapping import to_signed, to_unsigned
from hwsim.errors import CodecError


def test_codes_count_up_as_in_the_table_of_h264():
    assert to_unsigned([0, 1, -1, 2, -2, 3, -3]).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert to_signed([0, 1, 2, 3, 4, 5, 6]).tolist() == [0, 1, -1, 2, -2, 3, -3]


def test_all_codes_are_used_once_and_come_back():
    values = np.arange(-32767, 32769)
    codes = to_unsigned(values)
    assert codes.dtype == np.uint16
    assert np.array_equal(np.sort(codes), np.arange(65536))
    assert np.array_equal(to_signed(codes), values)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.uint8])
def test_shape_is_kept_for_every_integer_type(dtype):
    values = np.array([[[0, 1], [127, 3]]], dtype)
    assert np.array_equal(to_signed(to_unsigned(values)), values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1, -32768], np.int16), "-32768 at position 1"),
        ([[0, 0], [0, 32769]], "32769 at position 3"),
        ([0.0], "float64"),
    ],
)
def test_values_without_a_code_are_refused(values, message):
    with pytest.raises(CodecError, match=message):
        to_unsigned(values)


def test_codes_that_are_none_are_refused():
    with pytest.raises(CodecError, match="-1 at position 0"):
        to_signed([-1])
