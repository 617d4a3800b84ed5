"""Whole maps in ASEG segments, against the golden model segment by segment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.codec import golden, golden_aseg
from hwsim.codec.aseg_segments import decode_segments, encode_segments, segment_bits
from hwsim.codec.segments import INDEX_ENTRY
from hwsim.errors import CodecError


@st.composite
def stored_maps(draw):
    """(map, block, order, bits)."""
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(1, 12)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density, bits = draw(st.sampled_from([0, 0.1, 0.5, 1])), draw(st.integers(1, 16))
    values = np.where(random.random(shape) < density, random.integers(0, 1 << bits, shape), 0)
    return values.astype(np.uint16), draw(st.integers(1, 9)), draw(st.integers(0, 15)), bits


def golden_segments(values, block, order, bits):
    """Bit string of every segment, a list a row."""
    return [
        [
            golden_aseg.encode(part.ravel().tolist(), order, bits, part.size)
            for part in (values[first : first + block, y] for first in range(0, len(values), block))
        ]
        for y in range(values.shape[1])
    ]


@given(stored_maps())
def test_segments_are_those_of_the_golden_model_in_words(case):
    values, block, order, bits = case
    expected = golden_segments(values, block, order, bits)
    data, index = encode_segments(values, block, order, bits)
    words = [[-(-len(segment) // 64) for segment in row] for row in expected]
    stream = "".join(segment.ljust(-(-len(segment) // 64) * 64, "0") for row in expected for segment in row)
    assert golden.to_bits(data.tobytes()) == stream
    assert index["words"].tolist() == words
    assert index["nonzeros"].sum() == np.count_nonzero(values)
    assert segment_bits(values, block, order, bits).T.tolist() == [[len(s) for s in row] for row in expected]


@given(stored_maps())
def test_a_map_survives(case):
    values, block, order, bits = case
    decoded = decode_segments(*encode_segments(values, block, order, bits), values.shape, block, order, bits)
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded, values)


@given(stored_maps(), st.data())
def test_flipped_bits_decode_to_values_in_range_or_are_refused(case, draw):
    values, block, order, bits = case
    data, index = encode_segments(values, block, order, bits)
    for at in draw.draw(st.lists(st.integers(0, 8 * len(data) - 1), min_size=1, max_size=3)):
        data[at >> 3] ^= 0x80 >> (at & 7)
    try:
        decoded = decode_segments(data, index, values.shape, block, order, bits)
    except CodecError:
        return
    assert decoded.max() < 1 << bits
    assert np.count_nonzero(decoded) == np.count_nonzero(values)


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 2, 0)])
def test_an_empty_map_has_an_index_but_no_word(shape):
    data, index = encode_segments(np.zeros(shape, np.uint16), 2, 3)
    assert data.size == 0
    assert not index["words"].any()
    assert not segment_bits(np.zeros(shape, np.uint16), 2, 3).any()
    assert decode_segments(data, index, shape, 2, 3).shape == shape


MAP = np.arange(24, dtype=np.uint16).reshape(4, 3, 2)


def test_what_does_not_fit_together_is_refused():
    data, index = encode_segments(MAP, 2, 3)
    for arguments, message in [
        ((data, index, (4, 3, 2), 3, 2), "at bit|non-zeros|follow"),
        ((data, index, (4, 3, 2), 1, 3), "index of 3 x 4"),
        ((data, index[:2], (4, 3, 2), 2, 3), "index of 3 x 2"),
        ((data, np.zeros((3, 2)), (4, 3, 2), 2, 3), "index of 3 x 2"),
        ((data[8:], index, (4, 3, 2), 2, 3), "the index speaks of"),
        ((data, index, (4, 3, 2), 0, 3), "block"),
        ((data, index, (4, 3, 2), 2, 16), "order"),
    ]:
        with pytest.raises(CodecError, match=message):
            decode_segments(*arguments)
    wrong = index.copy()
    wrong["nonzeros"][1, 0] += 1
    with pytest.raises(CodecError, match="non-zeros as the index says in row 1, channel block 0"):
        decode_segments(data, wrong, MAP.shape, 2, 3)


@pytest.mark.parametrize(
    ("values", "block", "bits", "message"),
    [
        (MAP[0], 2, 16, "shape"),
        (MAP, 0, 16, "block"),
        (MAP, 2, 4, "value 16 at position 16"),
        (MAP, 2, 17, "bits"),
        (np.zeros((2, 1, 32769), np.uint16), 2, 16, "65538 values.*lower block"),
    ],
)
def test_maps_that_cannot_be_stored_are_refused(values, block, bits, message):
    for call in (encode_segments, segment_bits):
        with pytest.raises(CodecError, match=message):
            call(values, block, 3, bits)


def test_an_index_entry_that_overflows_is_refused():
    values = np.ones((1, 1, 65536), np.uint16)
    assert INDEX_ENTRY["nonzeros"] == np.uint16
    with pytest.raises(CodecError, match="do not fit the index: lower block"):
        encode_segments(values, 1, 0)
