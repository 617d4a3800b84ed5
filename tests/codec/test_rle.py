"""Eyeriss's run-length words against words written by hand."""

import pytest

from hwsim.codec import golden
from hwsim.codec.rle import Rle
from hwsim.errors import CodecError


def word(*pairs, last, bits=16):
    """A 64-bit word, as a string: (run, value) pairs, zeros, and the mark of the last word."""
    text = "".join(f"{run:05b}{value:0{bits}b}" for run, value in pairs)
    return text.ljust(63, "0") + str(int(last))


CASES = [
    ([], ""),
    ([9], word((0, 9), last=True)),
    ([0, 0, 5, 65535, 0, 3], word((2, 5), (0, 65535), (1, 3), last=True)),
    ([1, 2, 3, 4], word((0, 1), (0, 2), (0, 3), last=False) + word((0, 4), last=True)),
    ([0] * 31 + [6], word((31, 6), last=True)),
    ([0] * 32 + [6], word((31, 0), (0, 6), last=True)),
    ([0] * 70 + [6], word((31, 0), (31, 0), (6, 6), last=True)),
    ([0], word((0, 0), last=True)),
    ([7, 0, 0, 0], word((0, 7), (2, 0), last=True)),
    ([0] * 32, word((31, 0), last=True)),
    ([0] * 33, word((31, 0), (0, 0), last=True)),
]


@pytest.mark.parametrize(("values", "bits"), CASES)
def test_three_pairs_and_the_mark_of_the_last_word_fill_64_bits(values, bits):
    assert golden.to_bits(Rle().encode(values).tobytes()) == bits
    assert Rle().encoded_bits(values) == len(bits)
    assert Rle().decode(golden.to_bytes(bits), len(values)).tolist() == values


def test_four_pairs_of_8_bit_values_fit():
    bits = word((0, 1), (0, 2), (1, 3), (0, 4), last=True, bits=8)
    assert golden.to_bits(Rle(bits=8).encode([1, 2, 0, 3, 4]).tobytes()) == bits
    assert [Rle(bits=bits).pairs_per_word for bits in (1, 4, 8, 16)] == [10, 7, 4, 3]


@pytest.mark.parametrize(
    ("bits", "count", "message"),
    [
        (word((0, 1), last=True)[:56], 1, "not whole"),
        (word((0, 1), last=False), 1, "mark of the last word is wrong at bit 63"),
        (word((0, 1), last=True) + word((0, 1), last=True), 2, "mark of the last word is wrong at bit 63"),
        (word((0, 1), last=True), 5, "do not add up"),
        (word((5, 1), last=True), 3, "do not add up"),
        (word((0, 1), (0, 2), last=True), 1, "more than padding.* at bit 21"),
        (word((0, 1), (0, 1), (0, 1), last=False) + word((0, 0), last=True), 3, "more than padding"),
        ("", 1, "truncated"),
        (word((0, 1), last=True), 97, "truncated"),
    ],
)
def test_damaged_words_are_refused(bits, count, message):
    with pytest.raises(CodecError, match=message):
        Rle().decode(golden.to_bytes(bits), count)


def test_spare_bits_that_are_set_are_refused():
    bits = word((0, 1), last=True, bits=8)
    with pytest.raises(CodecError, match="mark"):
        Rle(bits=8).decode(golden.to_bytes(bits[:60] + "1" + bits[61:]), 1)


def test_a_value_above_the_dtype_is_refused_with_its_bit():
    bits = word((0, 1), (0, 2), (0, 3), last=False) + word((0, 4), (0, 300), last=True)
    with pytest.raises(CodecError, match="300 at bit 90 "):
        Rle().decode(golden.to_bytes(bits), 5, dtype="u1")
