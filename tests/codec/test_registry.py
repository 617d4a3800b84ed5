"""What holds for every coder: round trip, exact length, and an error, never a crash, on damaged data."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import codec
from hwsim.errors import CodecError

CODES = [name for name in codec.names() if name != "entropy"]


@st.composite
def sparse_values(draw):
    """(bits, values): zeros in runs, the other values uniform or small."""
    bits = draw(st.integers(1, 16))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    runs = draw(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 20)), max_size=6))
    top = draw(st.integers(1, 2**bits))
    parts = [np.concatenate([np.zeros(zeros), random.integers(0, top, others)]) for zeros, others in runs]
    return bits, np.concatenate([np.zeros(0), *parts]).astype(np.uint16)


def test_all_coders_are_there_by_name():
    names = ("seg", "aseg", "exp_golomb", "zvc", "rle", "csr", "huffman", "ebpc", "entropy")
    assert codec.names() == names
    assert [codec.get(name).name for name in names] == list(names)


@pytest.mark.parametrize("name", CODES)
@settings(deadline=None)
@given(sparse_values(), st.integers(0, 15))
def test_values_survive_and_the_length_is_known_before(name, case, order):
    bits, values = case
    coder = codec.get(name, bits=bits)
    data = coder.encode(values, order)
    assert data.dtype == np.uint8
    assert len(data) == -(-coder.encoded_bits(values, order) // 8)
    decoded = coder.decode(data, len(values), order)
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded, values)


@pytest.mark.parametrize("name", CODES)
@settings(deadline=None)
@given(sparse_values().filter(lambda case: len(case[1])))
def test_a_byte_less_is_refused(name, case):
    bits, values = case
    coder = codec.get(name, bits=bits)
    with pytest.raises(CodecError):
        coder.decode(coder.encode(values)[:-1], len(values))


@pytest.mark.parametrize("name", CODES)
@settings(deadline=None)
@given(sparse_values())
def test_eight_bytes_more_are_refused(name, case):
    bits, values = case
    coder = codec.get(name, bits=bits)
    with pytest.raises(CodecError):
        coder.decode(np.concatenate([coder.encode(values), np.zeros(8, np.uint8)]), len(values))


@pytest.mark.parametrize("name", CODES)
@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=64), st.integers(0, 300), st.integers(0, 15), st.integers(1, 16))
def test_random_bytes_decode_to_values_in_range_or_are_refused(name, data, count, order, bits):
    try:
        values = codec.get(name, bits=bits).decode(data, count, order)
    except CodecError:
        return
    assert values.shape == (count,)
    assert values.max(initial=0) < 2**bits


@pytest.mark.parametrize("name", CODES)
@settings(deadline=None, max_examples=200)
@given(sparse_values().filter(lambda case: len(case[1])), st.data())
def test_flipped_bits_decode_to_values_in_range_or_are_refused(name, case, draw):
    bits, values = case
    coder = codec.get(name, bits=bits)
    data = coder.encode(values).copy()
    for at in draw.draw(st.lists(st.integers(0, 8 * len(data) - 1), min_size=1, max_size=3)):
        data[at >> 3] ^= 0x80 >> (at & 7)
    try:
        decoded = coder.decode(data, len(values))
    except CodecError:
        return
    assert decoded.shape == values.shape
    assert decoded.max() < 2**bits


def assert_as_the_encoder_writes(name, coder, data, values, order=0):
    """Nothing else is taken; of ASEG, whose header is the encoder's choice, nothing shorter is."""
    data = np.frombuffer(bytes(data), np.uint8)
    if name == "aseg":
        assert coder.encoded_bits(values, order) <= 8 * len(data)
    else:
        again = coder.encode(values, order)
        assert np.array_equal(data[: len(again)], again)
        assert not data[len(again) :].any()
        assert len(data) - len(again) < 8


@pytest.mark.parametrize("name", CODES)
@settings(deadline=None)
@given(sparse_values().filter(lambda case: len(case[1])), st.data(), st.integers(0, 15))
def test_no_other_bits_stand_for_the_same_values(name, case, draw, order):
    """Of bits that are flipped, and of words and fields that are swapped or repeated."""
    bits, values = case
    coder = codec.get(name, bits=bits)
    data = bytearray(coder.encode(values, order))
    for at in draw.draw(st.lists(st.integers(0, 8 * len(data) - 1), min_size=1, max_size=4)):
        data[at >> 3] ^= 0x80 >> (at & 7)
    try:
        decoded = coder.decode(bytes(data), len(values), order)
    except CodecError:
        return
    assert_as_the_encoder_writes(name, coder, data, decoded, order)


@pytest.mark.parametrize("name", [name for name in CODES if name != "rle"])  # whose words have 64 bits
@pytest.mark.parametrize("bits", [1, 2])
def test_every_short_stream_is_what_the_encoder_writes_or_refused(name, bits):
    coder, taken = codec.get(name, bits=bits), 0
    for stream in range(1 << 12):
        data = (stream << 4).to_bytes(2, "big")
        for count in (1, 3, 6):
            try:
                values = coder.decode(data, count)
            except CodecError:
                continue
            taken += 1
            assert_as_the_encoder_writes(name, coder, data, values)
    assert taken >= 3  # zeros, at least


def rle_words(*pairs, bits=16):
    """A stream of (run, value) pairs, three to a word."""
    words = [pairs[k : k + 3] for k in range(0, len(pairs), 3)]
    text = ""
    for number, word in enumerate(words, 1):
        fields = "".join(f"{run:05b}{value:0{bits}b}" for run, value in word)
        text += fields.ljust(63, "0") + str(int(number == len(words)))
    return int(text, 2).to_bytes(8 * len(words), "big")


def packed(text):
    """A stream of digits, spaces between them for the reader."""
    digits = text.replace(" ", "")
    return int(digits.ljust(-(-len(digits) // 8) * 8, "0"), 2).to_bytes(-(-len(digits) // 8), "big")


ALL_ONES = "00000"  # planes of a block whose differences are all -1
OTHER_BITS = {  # what could stand for the same values, by the rules of the decoder alone
    "rle: a run in two pairs": ("rle", 16, rle_words((1, 0), (1, 7)), [0, 0, 0, 7]),
    "rle: a run that ends too early": ("rle", 16, rle_words((30, 0), (1, 7)), [0] * 32 + [7]),
    "rle: a pair of nothing but a zero": ("rle", 16, rle_words((0, 5), (0, 0), (0, 6)), [5, 0, 6]),
    # The table: longest in 6 bits, codes of each length in bits + 1, values.
    "huffman: a value that does not occur": ("huffman", 2, packed("000001 010 00 01 0 0"), [0, 0]),
    "huffman: values of a length not in order": ("huffman", 2, packed("000001 010 01 00 1 0"), [0, 1]),
    "huffman: codes longer than they need be": ("huffman", 2, packed("000010 000 010 00 01 00 01"), [0, 1]),
    "huffman: a value twice": ("huffman", 2, packed("000001 010 01 01 0 1"), [1, 1]),
    "huffman: no codes of the longest length": ("huffman", 2, packed("000010 001 000 01 0"), [1]),
    "huffman: a table of no values": ("huffman", 2, packed("000001 000"), []),
    "ebpc: a run of zeros in two": ("ebpc", 4, packed("0 0000 0 0001"), [0, 0, 0]),
    # One non-zero, 1: the first difference is -1, so DBP_j is 1000000 in every plane.
    "ebpc: a plane with a single one in full": ("ebpc", 4, packed("1 0001 1 1000000 001 10 "), [1]),
    "ebpc: planes of zeros one by one": ("ebpc", 4, packed("1 0001 00011 000 01 01 01 01"), [1]),
    "ebpc: a block filled up with ones": ("ebpc", 4, packed("1 0001 001 11"), [1]),
}


@pytest.mark.parametrize("what", OTHER_BITS)
def test_what_no_encoder_writes_is_refused(what):
    name, bits, data, values = OTHER_BITS[what]
    coder = codec.get(name, bits=bits)
    assert coder.decode(coder.encode(values), len(values)).tolist() == values
    with pytest.raises(CodecError, match=r"no encoder writes this: other bits, from bit [0-9]+ on"):
        coder.decode(data, len(values))


def test_aseg_takes_any_header_of_a_segment():
    coder = codec.get("aseg")
    given = "".join(f"{byte:08b}" for byte in coder.encode([0, 0, 1], 0))
    assert given[0] == "1"
    own = packed(f"0 0 0000 01 {given[1:]}")  # table 0, order 0 and run order 1: what `1` stands for
    assert coder.decode(own, 3).tolist() == [0, 0, 1]


@pytest.mark.parametrize("name", CODES)
def test_a_shape_is_flattened_and_a_dtype_is_kept(name):
    values = np.arange(24).reshape(2, 3, 4) % 5
    coder = codec.get(name, bits=8)
    decoded = coder.decode(coder.encode(values).tobytes(), 24, dtype=np.uint8)
    assert decoded.dtype == np.uint8
    assert decoded.tolist() == values.ravel().tolist()


@pytest.mark.parametrize("name", codec.names())
@pytest.mark.parametrize("values", [[-1], [16], [0.5]])
def test_values_that_do_not_fit_are_refused(name, values):
    coder = codec.get(name, bits=4)
    for call in (coder.encode, coder.encoded_bits, coder.best_order):
        with pytest.raises(CodecError):
            call(values)


@pytest.mark.parametrize("name", CODES)
def test_a_huge_count_is_refused_before_memory_is_taken(name):
    with pytest.raises(CodecError):
        codec.get(name).decode(bytes(16), 10**15)


@pytest.mark.parametrize("name", codec.names())
def test_the_best_order_is_the_cheapest_or_0_if_there_is_none(name):
    values = [5000, 6000, 7000, 0]
    order = codec.get(name).best_order(values)
    sizes = [codec.get(name).encoded_bits(values, k) for k in range(16)]
    assert order == sizes.index(min(sizes))
    assert (order > 0) == (name in ("seg", "aseg", "exp_golomb"))


def test_unknown_names_and_options_are_refused():
    with pytest.raises(CodecError, match=r"no coder 'zip'.*seg"):
        codec.get("zip")
    with pytest.raises(CodecError, match=r"no option 'columns', only bits"):
        codec.get("seg", columns=3)
    for bits in (0, 17, 8.0, "8"):
        with pytest.raises(CodecError, match="bits"):
            codec.get("zvc", bits=bits)
    with pytest.raises(AttributeError):
        _ = codec.loop_order  # of seg, not of the package


def test_importing_the_package_loads_no_compiler():
    code = "import sys, hwsim.codec; hwsim.codec.names(); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_functions_of_the_package_are_those_of_seg():
    data = codec.encode([0, 0, 3, 0], 0)
    assert data.tobytes() == bytes([0b11001001])
    assert codec.decode(data, 4, 0).tolist() == [0, 0, 3, 0]
    assert codec.encoded_bits([0, 0, 3, 0], 0) == 8
    assert codec.best_order([0, 0, 3, 0]) == 2  # `0110` for the 3
