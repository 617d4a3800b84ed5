"""EBPC against hand-made streams and a slow model on strings, written from the authors' rules."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.codec import golden
from hwsim.codec.ebpc import Ebpc
from hwsim.errors import CodecError


def zero_stream(values):
    text, run = "", 0
    for value in [*values, None]:
        if value == 0:
            run += 1
        if run and (value != 0 or run == 16):
            text += f"0{run - 1:04b}"
            run = 0
        if value:
            text += "1"
    return text


def plane_symbols(words, bits):
    """Symbols of a block, as a list of strings."""
    wide = bits + 1
    differences = [f"{(b - a) % 2**wide:0{wide}b}" for a, b in pairwise(words)]
    dbps = ["".join(column) for column in zip(*differences, strict=True)][::-1]  # lowest plane first
    symbols = [f"{words[0]:0{bits}b}"]
    below, zeros = "0" * 7, 0
    run_bits = (bits - 1).bit_length()
    for dbp in [*dbps, None]:
        dbx = None if dbp is None else "".join(str(int(a != b)) for a, b in zip(dbp, below, strict=True))
        if dbx == "0" * 7:
            zeros += 1
        else:
            if zeros == 1:
                symbols.append("01")
            elif zeros:
                symbols.append("001" + (f"{zeros - 2:0{run_bits}b}" if run_bits else ""))
            zeros = 0
            if dbx == "1" * 7:
                symbols.append("00000")
            elif dbx and "1" not in dbp:
                symbols.append("00001")
            elif dbx and dbx.strip("0") == "11":
                symbols.append(f"00010{dbx.index('1'):03b}")
            elif dbx and dbx.strip("0") == "1":
                symbols.append(f"00011{dbx.index('1'):03b}")
            elif dbx:
                symbols.append("1" + dbx)
        below = dbp
    return symbols


def model(values, bits):
    nonzeros = [value for value in values if value]
    nonzeros += [0] * (-len(nonzeros) % 8)
    blocks = [nonzeros[at : at + 8] for at in range(0, len(nonzeros), 8)]
    return zero_stream(values) + "".join("".join(plane_symbols(block, bits)) for block in blocks)


def test_zero_runs_are_a_zero_and_4_bits():
    assert zero_stream([0, 0, 3]) == "000011"
    assert golden.to_bits(Ebpc(bits=8).encode([0] * 16).tobytes()) == "01111000"
    assert golden.to_bits(Ebpc(bits=8).encode([0] * 17).tobytes()) == "01111" + "00000" + "000000"


def test_a_block_of_equal_words_is_its_first_word_and_one_run_of_planes():
    bits = "1" * 8 + "00000101" + "001" + "111"
    assert Ebpc(bits=8).encode([5] * 8).tobytes() == golden.to_bytes(bits)
    assert Ebpc(bits=8).decode(golden.to_bytes(bits), 8).tolist() == [5] * 8


def test_every_symbol_of_the_table_by_hand():
    # Differences of words that rise by 1: plane 0 is all ones, plane 1 falls back to zeros, seven stay so.
    assert plane_symbols([1, 2, 3, 4, 5, 6, 7, 8], 8) == ["00000001", "00000", "00000", "001101"]
    # The same once more with a first plane of zeros: steps of 2.
    assert plane_symbols([1, 3, 5, 7, 9, 11, 13, 15], 8) == ["00000001", "01", "00000", "00000", "001100"]
    # A single step of 2 at the third difference: plane 1 has a single one, plane 2 is all zeros again.
    assert plane_symbols([1, 1, 1, 3, 3, 3, 3, 3], 8) == ["00000001", "01", "00011010", "00001", "001100"]
    # A peak of 1: +1, -1; plane 0 has both ones, plane 1 loses the +1, the others are like it.
    assert plane_symbols([1, 1, 2, 1, 1, 1, 1, 1], 8) == ["00000001", "00010001", "00011001", "001101"]
    # +2, +2: two ones side by side in plane 1.
    assert plane_symbols([1, 3, 5, 5, 5, 5, 5, 5], 8) == ["00000001", "01", "00010000", "00001", "001100"]
    # +2, 0, +2 is none of these.
    assert plane_symbols([1, 3, 3, 5, 5, 5, 5, 5], 8) == ["00000001", "01", "11010000", "00001", "001100"]
    # +6: plane 2 is like plane 1, which makes one plane of zeros alone.
    symbols = ["00000001", "01", "00011000", "01", "00001", "001011"]
    assert plane_symbols([1, 7, 7, 7, 7, 7, 7, 7], 8) == symbols
    bits = "1" * 8 + "".join(symbols)
    assert Ebpc(bits=8).encode([1, 7, 7, 7, 7, 7, 7, 7]).tobytes() == golden.to_bytes(bits)


WORDS = st.integers(1, 16).flatmap(
    lambda bits: st.tuples(
        st.just(bits),
        st.lists(st.just(0) | st.integers(0, 2**bits - 1) | st.integers(0, min(7, 2**bits - 1)), max_size=70),
    )
)


@settings(deadline=None, max_examples=300)
@given(WORDS)
def test_coding_equals_the_model(case):
    bits, values = case
    coder = Ebpc(bits=bits)
    expected = model(values, bits)
    assert golden.to_bits(coder.encode(values).tobytes()).rstrip("0") == expected.rstrip("0")
    assert coder.encode(values).tobytes() == golden.to_bytes(expected)
    assert coder.encoded_bits(values) == len(expected)
    assert coder.decode(golden.to_bytes(expected), len(values)).tolist() == values


def test_smooth_words_take_fewer_bits_than_rough_ones():
    smooth = np.arange(100, 228)
    rough = np.random.default_rng(0).permutation(smooth)
    assert Ebpc(bits=8).encoded_bits(smooth) < 0.5 * Ebpc(bits=8).encoded_bits(rough)


BLOCK = "1" * 8 + "00000101"  # eight non-zeros, the first is 5


@pytest.mark.parametrize(
    ("bits", "count", "message"),
    [
        ("00111", 7, r"illegal prefix.* at bit 0 \(value 0\)"),
        ("1", 9, "truncated"),
        (BLOCK + "0010", 8, r"truncated.* at bit 8 \(value 0\)"),
        (BLOCK + "01" + "001111", 8, "illegal prefix.* at bit 18"),
        (BLOCK + "00011111", 8, "illegal prefix.* at bit 16"),
        (BLOCK + "00010110", 8, "illegal prefix.* at bit 16"),
        ("1" * 8 + "00000000" + "001111", 8, r"outside 0..255 at bit 8 \(value 0\)"),
        ("1" * 8 + "11111111" + "001110" + "00000", 8, r"outside 0..255 at bit 8 \(value 1\)"),
        (BLOCK + "001111" + "1", 8, "padding"),
    ],
)
def test_damaged_streams_are_refused(bits, count, message):
    with pytest.raises(CodecError, match=message):
        Ebpc(bits=8).decode(golden.to_bytes(bits), count)
