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
