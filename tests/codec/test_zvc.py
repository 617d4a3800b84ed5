"""Zero-value compression against streams written by hand."""

import pytest

from hwsim.codec import golden
from hwsim.codec.zvc import Zvc
from hwsim.errors import CodecError


def test_a_bitmap_then_the_non_zeros():
    bits = "01001" + "00000111" + "11111111"
    assert Zvc(bits=8).encode([0, 7, 0, 0, 255]).tobytes() == golden.to_bytes(bits)
    assert Zvc(bits=8).decode(golden.to_bytes(bits), 5).tolist() == [0, 7, 0, 0, 255]
    assert Zvc(bits=16).encode([0, 258]).tobytes() == golden.to_bytes("01" + "0000000100000010")
    assert Zvc(bits=3).encoded_bits([0, 7, 0, 0, 1]) == 5 + 2 * 3


def test_a_non_zero_that_is_zero_is_refused_with_its_bit():
    with pytest.raises(CodecError, match="at bit 12 "):
        Zvc(bits=8).decode(golden.to_bytes("1100" + "00000001" + "00000000"), 4)


def test_a_value_above_the_dtype_is_refused_with_its_bit():
    with pytest.raises(CodecError, match="256 at bit 2 "):
        Zvc().decode(golden.to_bytes("10" + f"{256:016b}"), 2, dtype="u1")


def test_padding_that_is_not_zero_is_refused():
    with pytest.raises(CodecError, match="padding"):
        Zvc(bits=8).decode(golden.to_bytes("01" + "00000111" + "001"), 2)
