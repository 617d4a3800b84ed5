"""Sizes and places of a map in memory, worked out by hand."""

import numpy as np
import pytest

from hwsim.arch import Arch
from hwsim.machine.storage import Segments, raw_segments, store_map, whole_beats, whole_lines

# Five channels, two by two: of 40 columns of 16 bits, 1280 bits a segment, and 640 the last.
SHAPE = (5, 2, 40)


@pytest.fixture
def raw() -> Segments:
    return raw_segments(SHAPE, 2, 16)


def test_a_raw_segment_has_whole_words_and_a_place_of_whole_beats(raw):
    assert raw.words.tolist() == [[20, 20, 10], [20, 20, 10]]  # of 64 bits
    assert raw.ends.tolist() == [2, 4, 5]
    assert raw.beats.tolist() == [[5, 5, 3], [5, 5, 3]]  # of 4 words
    assert raw.room.tolist() == [160, 160, 96]
    assert raw.raw.all()
    assert raw.bytes == 2 * (20 + 20 + 10) * 8
    assert not raw.coded
    # 63 and 65 bits are one word and two, 256 and 257 a beat and two.
    assert raw_segments((1, 1, 63), 1, 1).words.tolist() == [[1]]
    assert raw_segments((1, 1, 13), 1, 5).words.tolist() == [[2]]
    assert [raw_segments((1, 1, width), 1, 1).room.tolist() for width in (256, 257)] == [[32], [64]]


def test_a_segment_is_coded_unless_it_has_fewer_words_raw():
    values = np.zeros(SHAPE, np.uint16)
    values[:2, 1] = 3
    # SEG_1: a zero is 1 bit, a three 00100; raw, each is 2.
    map_ = store_map(values, 2, 1, 2, compressed=True)
    # 80 and 40 bits, or 160 and 80 raw; of the threes 400 bits, or 160 raw.
    assert map_.words.tolist() == [[2, 2, 1], [3, 2, 1]]
    assert map_.raw.tolist() == [[False, False, False], [True, False, False]]
    assert map_.coded
    assert map_.bytes == 11 * 8 + 6 * 4
    assert map_.room.tolist() == [32, 32, 32]  # 160 and 80 bits
    assert store_map(values, 2, 1, 2, compressed=False).words.tolist() == [[3, 3, 2], [3, 3, 2]]


@pytest.mark.parametrize(("threes", "is_raw"), [(0, False), (8, False), (9, True), (32, True)])
def test_a_segment_of_as_many_words_either_way_is_coded(threes, is_raw):
    # Raw, 32 values of 2 bits are a word. In SEG_1 they take 32 + 4 threes bits: 64 with eight, 68 with nine.
    values = np.zeros((1, 1, 32), np.uint16)
    values[0, 0, :threes] = 3
    map_ = store_map(values, 1, 1, 2, compressed=True)
    assert map_.words.tolist() == [[1]]
    assert map_.raw.tolist() == [[is_raw]]


def test_segments_follow_each_other_in_dram_at_their_places(raw):
    assert raw.addresses.tolist() == [[0, 160, 320], [416, 576, 736]]
    assert raw.place_size == 832


def test_rows_that_pass_by_begin_in_lines_of_their_own(raw):
    # Words of 8 bytes in the map buffer: a row is 416 bytes, or 7 lines of 64.
    assert raw.line_places().tolist() == [[0, 20, 40], [52, 72, 92]]
    assert raw.line_places(together=False).tolist() == [[0, 20, 40], [56, 76, 96]]


def test_sizes_are_filled_up_to_beats_and_lines():
    assert [whole_beats(size) for size in (0, 1, 32, 33, 64, 65)] == [0, 32, 32, 64, 64, 96]
    assert [whole_lines(size) for size in (0, 1, 64, 65, 128, 129)] == [0, 64, 64, 128, 128, 192]


@pytest.mark.parametrize(("entries", "size"), [(0, 0), (1, 32), (8, 32), (9, 64), (16, 64), (17, 96)])
def test_an_index_has_four_bytes_for_a_segment_in_whole_beats(raw, entries, size):
    coded = Segments(raw.words, raw.raw, raw.ends, raw.room, True)
    assert coded.index_size(entries) == size
    assert raw.index_size(entries) == 0


def rows_of(height: int, size: int, coded: bool) -> Segments:
    """A map of one block, whose rows have places of so many bytes."""
    words = np.full((height, 1), size // 8, np.int32)
    return Segments(words, np.ones_like(words, bool), np.array([1]), np.array([size]), coded)


@pytest.mark.parametrize(
    ("half", "coded", "kept"),
    [
        # Eight rows of 96 bytes, and an index of 8 x 4; rows that stay have 128 bytes, unless all do.
        (768, False, 8),
        (767, False, 4),
        (683, False, 4),  # 170 for the ring
        (682, False, 4),
        (681, False, 3),
        (800, True, 8),
        (799, True, 4),
        (725, True, 4),  # the ring has 181, the index 32, and 512 are four rows
        (724, True, 3),
        (0, True, 0),  # no room for the index
    ],
)
def test_a_half_keeps_as_many_rows_as_have_room_beside_ring_and_index(half, coded, kept):
    arch = Arch(map_buffer=2 * half)
    stay = rows_of(8, 96, coded).staying(arch)
    assert stay.sum() == kept
    # Row y stays if floor((y + 1) K / H) > floor(y K / H).
    assert stay.tolist() == [(y + 1) * kept // 8 > y * kept // 8 for y in range(8)]
