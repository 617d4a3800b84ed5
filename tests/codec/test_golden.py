"""The golden model against codes written by hand from the definition."""

import pytest

from hwsim.codec import golden

CODES = [
    (0, {0: "1", 1: "010", 2: "011", 3: "00100", 7: "0001000"}),
    (1, {0: "1", 1: "010", 2: "011", 3: "00100", 4: "00101"}),
    (2, {0: "1", 1: "0100", 4: "0111", 5: "001000", 13: "00010000"}),
    (4, {0: "1", 1: "010000", 17: "00100000"}),
    (15, {0: "1", 1: "01" + 15 * "0", 32768: "01" + 15 * "1", 32769: "001" + 16 * "0"}),
]


@pytest.mark.parametrize(("order", "codes"), CODES)
def test_codes_are_those_of_the_definition(order, codes):
    assert {value: golden.seg(value, order) for value in codes} == codes


def test_the_longest_code_has_33_bits():
    assert max(len(golden.seg(65535, order)) for order in range(16)) == 33
    assert golden.seg(65535, 0) == 16 * "0" + "1" + 16 * "0"


def test_plain_exp_golomb_is_that_of_h264():
    assert [golden.exp_golomb(n, 0) for n in range(5)] == ["1", "010", "011", "00100", "00101"]
    assert [golden.exp_golomb(n, 2) for n in (0, 3, 4)] == ["100", "111", "01000"]


@pytest.mark.parametrize("order", range(16))
def test_decoding_undoes_encoding(order):
    values = [0, 0, 1, 2, 0, 255, 256, 4095, 0, 65535, 0, 0, 0, 32768]
    assert golden.decode(golden.encode(values, order), len(values), order) == values


@pytest.mark.parametrize("order", range(16))
def test_a_cut_string_is_an_error(order):
    bits = golden.encode([0, 3, 65535], order)
    for length in range(len(bits)):
        with pytest.raises(ValueError, match=r"cut off|substring"):
            golden.decode(bits[:length], 3, order)


def test_bits_fill_bytes_from_the_top():
    assert golden.to_bytes("110010011") == bytes([0b11001001, 0b10000000])
    assert golden.to_bits(bytes([0b11001001, 0b10000000])) == "1100100110000000"
