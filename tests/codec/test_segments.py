"""Whole maps in segments against the golden model, segment by segment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwsim.arch import INDEX_BYTES
from hwsim.codec import golden
from hwsim.codec.segment_lengths import stored_words
from hwsim.codec.segments import (
    INDEX_ENTRY,
    RAW,
    decode_segments,
    encode_segments,
    lengths_of,
    raw_segments,
    segment_bits,
    store_segments,
)
from hwsim.errors import CodecError

relaxed = settings(deadline=None)


@st.composite
def stored_maps(draw):
    """(map, block, order)."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 40)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0, 0.05, 0.3, 1]))
    top = draw(st.sampled_from([2, 256, 65536]))
    values = np.where(random.random(shape) < density, random.integers(0, top, shape), 0).astype(np.uint16)
    return values, draw(st.integers(1, 12)), draw(st.integers(0, 15))


def golden_segments(values, block, order):
    """Bit string of every segment, in the order of memory, by (row, channel block)."""
    channels, height, _ = values.shape
    return {
        (y, first // block): golden.encode(values[first : first + block, y].ravel().tolist(), order)
        for y in range(height)
        for first in range(0, channels, block)
    }


def to_words(bits):
    return bits.ljust(-(-len(bits) // 64) * 64, "0")


@relaxed
@given(stored_maps())
def test_the_bits_of_every_segment_are_those_of_the_golden_model(stored):
    values, block, order = stored
    bits = segment_bits(values, block, order)
    assert bits.dtype == np.int64
    segments = golden_segments(values, block, order)
    assert bits.size == len(segments)
    assert {(y, b): int(bits[b, y]) for y, b in segments} == {at: len(s) for at, s in segments.items()}


@relaxed
@given(stored_maps())
def test_a_map_lies_in_memory_row_by_row_in_whole_words_with_its_index(stored):
    values, block, order = stored
    data, index = encode_segments(values, block, order)
    segments = golden_segments(values, block, order)
    assert golden.to_bits(data.tobytes()) == "".join(to_words(bits) for bits in segments.values())
    assert index.dtype == INDEX_ENTRY
    assert index["words"].ravel().tolist() == [len(to_words(bits)) // 64 for bits in segments.values()]
    nonzeros = [np.count_nonzero(values[b * block : (b + 1) * block, y]) for y, b in segments]
    assert index["nonzeros"].ravel().tolist() == nonzeros


@relaxed
@given(stored_maps())
def test_decoding_gives_the_map_back(stored):
    values, block, order = stored
    decoded = decode_segments(*encode_segments(values, block, order), values.shape, block, order)
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded, values)


@relaxed
@given(stored_maps())
def test_a_machine_stores_of_each_segment_the_form_of_fewer_words(stored):
    values, block, order = stored
    bits = max(1, int(values.max()).bit_length())
    text, expected = "", []
    for (y, b), coded in golden_segments(values, block, order).items():
        flat = values[b * block : (b + 1) * block, y].ravel()
        both = to_words(coded), to_words("".join(f"{value:0{bits}b}" for value in flat))
        text += min(both, key=len)
        expected.append((min(map(len, both)) // 64, len(both[1]) < len(both[0])))
    words, raw = stored_words(values, block, order, bits)
    assert list(zip(words.ravel().tolist(), raw.ravel().tolist(), strict=True)) == expected
    data, index = store_segments(values, block, order, bits, raw)
    assert golden.to_bits(data.tobytes()) == text
    assert np.array_equal(lengths_of(index), words)
    assert np.array_equal(index["words"] >= RAW, raw)
    assert index["nonzeros"].tolist() == encode_segments(values, block, order)[1]["nonzeros"].tolist()


@pytest.mark.parametrize("shape", [(0, 3, 2), (3, 0, 2), (3, 2, 0)])
def test_an_empty_map_has_empty_segments(shape):
    data, index = encode_segments(np.zeros(shape, np.uint16), 2, 3)
    assert data.size == 0
    assert decode_segments(data, index, shape, 2, 3).shape == shape


def test_an_entry_of_the_index_has_the_bytes_of_the_machine():
    assert INDEX_ENTRY.itemsize == INDEX_BYTES == 4


def test_a_block_larger_than_the_map_is_the_whole_row():
    values = np.arange(12).reshape(3, 2, 2)
    assert segment_bits(values, 10**15, 0).tolist() == segment_bits(values, 3, 0).tolist()
    data, index = encode_segments(values, 10**15, 0)
    assert np.array_equal(decode_segments(data, index, (3, 2, 2), 10**15, 0), values)


@pytest.mark.parametrize(
    ("values", "block", "order", "message"),
    [
        (np.zeros((2, 2), np.uint16), 1, 0, "C, H, W"),
        (np.full((1, 1, 1), 65536), 1, 0, "65536 at position 0"),
        (np.zeros((1, 1, 1)), 1, 0, "float64"),
        (np.zeros((1, 1, 1), np.uint16), 0, 0, "block"),
        (np.zeros((1, 1, 1), np.uint16), 1, 16, "order"),
    ],
)
def test_wrong_maps_blocks_and_orders_are_refused(values, block, order, message):
    for call in (segment_bits, encode_segments):
        with pytest.raises(CodecError, match=message):
            call(values, block, order)


def test_a_segment_too_large_for_the_index_is_refused():
    with pytest.raises(CodecError, match="lower block"):
        encode_segments(np.ones((70000, 1, 1), np.uint16), 70000, 1)


def example():
    values = np.zeros((5, 3, 20), np.uint16)
    values[1, 1, 5:9] = [1, 2, 3000, 65535]
    return values, *encode_segments(values, 2, 4)


def test_a_damaged_segment_is_refused_and_located():
    values, data, index = example()
    bits = golden_segments(values, 2, 4)
    at = 64 * sum(len(to_words(bits[y, b])) // 64 for y, b in bits if (y, b) < (1, 0))
    first_value = at + len(golden.encode([0] * 25, 4))
    damaged = data.copy()
    damaged[first_value // 8 : first_value // 8 + 4] = 0
    where = rf"at bit {first_value // 8 * 8} \(row 1, channel block 0\)"
    with pytest.raises(CodecError, match=f"illegal prefix.* {where}"):
        decode_segments(damaged, index, values.shape, 2, 4)


def test_a_word_of_padding_is_refused():
    values, data, index = example()
    index["words"][0, 1] += 1
    padded = np.insert(data, 16, np.zeros(8, np.uint8))
    with pytest.raises(CodecError, match=r"more than padding.*row 0, channel block 1"):
        decode_segments(padded, index, values.shape, 2, 4)


@pytest.mark.parametrize("where", [63, 64 + 63, -1])
def test_padding_that_is_not_zero_is_refused(where):
    values, data, index = example()
    bits = np.unpackbits(data)
    assert bits[where] == 0
    bits[where] = 1
    with pytest.raises(CodecError, match="more than padding"):
        decode_segments(np.packbits(bits), index, values.shape, 2, 4)


def test_a_wrong_number_of_non_zeros_is_refused():
    values, data, index = example()
    index["nonzeros"][1, 0] += 1
    with pytest.raises(CodecError, match=r"non-zeros.*row 1, channel block 0"):
        decode_segments(data, index, values.shape, 2, 4)


def test_an_index_that_fits_neither_shape_nor_data_is_refused():
    values, data, index = example()
    with pytest.raises(CodecError, match="index"):
        decode_segments(data, index, (5, 4, 20), 2, 4)
    with pytest.raises(CodecError, match="index"):
        decode_segments(data, index.astype([("words", "<u4"), ("nonzeros", "<u2")]), values.shape, 2, 4)
    with pytest.raises(CodecError, match="words"):
        decode_segments(data[:-8], index, values.shape, 2, 4)
    with pytest.raises(CodecError, match="truncated"):
        decode_segments(data, index, (5, 3, 10**12), 2, 4)
    index["words"][0, 0] += 1
    index["words"][0, 1] -= 1
    with pytest.raises(CodecError, match=r"truncated|padding"):
        decode_segments(data, index, values.shape, 2, 4)


@settings(deadline=None, max_examples=300)
@given(stored_maps(), st.data())
def test_any_damage_is_refused_or_decodes_to_a_map_of_the_same_bytes(stored, data):
    values, block, order = stored
    coded, index = encode_segments(values, block, order)
    damaged, entries = coded.copy(), index.copy()
    for at in data.draw(st.lists(st.integers(0, 8 * len(coded) - 1), max_size=3)):
        damaged[at >> 3] ^= 0x80 >> (at & 7)
    if data.draw(st.booleans()):
        entry = data.draw(st.integers(0, index.size - 1))
        entries["words"].flat[entry] ^= data.draw(st.integers(0, 3))
        entries["nonzeros"].flat[entry] ^= data.draw(st.integers(0, 3))
    try:
        decoded = decode_segments(damaged, entries, values.shape, block, order)
    except CodecError:
        return
    again, index_again = encode_segments(decoded, block, order)
    assert np.array_equal(again, damaged)
    assert np.array_equal(index_again, entries)


@given(
    arrays(np.uint16, st.tuples(*[st.integers(1, 9)] * 3), elements=st.integers(0, 31)),
    st.integers(1, 9),
    st.integers(5, 16),
)
def test_raw_segments_are_the_values_written_one_after_the_other(values, block, bits):
    data, words = raw_segments(values, block, bits)
    expected = ""
    for y in range(values.shape[1]):
        for first in range(0, values.shape[0], block):
            text = "".join(f"{value:0{bits}b}" for value in values[first : first + block, y].ravel())
            text += "0" * (-len(text) % 64)
            assert words[y, first // block] == len(text) // 64
            expected += text
    assert "".join(f"{byte:08b}" for byte in data) == expected


def test_a_raw_map_refuses_values_that_are_too_wide():
    with pytest.raises(CodecError, match="raw map of 4 bits holds no 16"):
        raw_segments(np.full((1, 1, 1), 16, np.uint16), 1, 4)
