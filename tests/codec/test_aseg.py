"""ASEG against streams written by hand and against the golden model."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hwsim.codec import aseg_code, aseg_loops, golden, golden_aseg
from hwsim.codec.aseg import Aseg
from hwsim.errors import CodecError


@st.composite
def cases(draw):
    """(values, order, bits, segment): zeros in runs, sizes that wander as in real maps, and some jumps."""
    bits = draw(st.integers(1, 16))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(0, 150))
    jump = draw(st.sampled_from([0.02, 0.3]))
    size, values = int(random.integers(0, bits + 1)), []
    while len(values) < count:
        wander = random.integers(0, bits + 1) if random.random() < jump else size + random.integers(-1, 2)
        size = int(np.clip(wander, 0, bits))
        if size == 0:
            values += [0] * int(random.integers(1, draw(st.sampled_from([3, 60]))))
        else:
            values.append(int(random.integers(1 << (size - 1), 1 << size)))
    return values, draw(st.integers(0, 15)), bits, draw(st.sampled_from([1, 7, 64, 512, 65536]))


HAND_MADE = [
    # start: level 0 is `00`, level 5 `10`; EG_1(0) = `10`
    (8, 3, [], ""),
    (8, 3, [0], "1" + "00" + "10"),
    (8, 3, [0, 0, 0], "1" + "00" + "0100"),
    # k = 3: 9 has four digits, so level 5, and `001` behind the code; then, in state 5, level 5 is `0`
    (8, 3, [9, 9], "1" + "10" + "001" + "0" + "001"),
    # behind a run, in state 0, level 5 is `10`
    (8, 3, [0, 9], "1" + "00" + "10" + "10" + "001"),
    # state 5: level 0 is `1110`, then EG_1(0)
    (8, 3, [9, 0], "1" + "10" + "001" + "1110" + "10"),
]


@pytest.mark.parametrize(("bits", "order", "values", "stream"), HAND_MADE)
def test_streams_are_those_written_by_hand(bits, order, values, stream):
    coder = Aseg(bits)
    assert golden.to_bits(coder.encode(values, order).tobytes()).rstrip("0") == stream.rstrip("0")
    assert coder.encoded_bits(values, order) == len(stream)
    assert coder.decode(golden.to_bytes(stream), len(values), order).tolist() == values


def test_a_segment_that_the_order_does_not_suit_says_its_own():
    # 200 has 8 digits: k = 7, level 5 `10` at first, then `0`; 7 raw digits each. Of equals r is the lowest.
    stream = "0" + "0" + "0111" + "00" + "10" + "1001000" + ("0" + "1001000") * 5
    assert golden.to_bits(Aseg(8).encode([200] * 6, 0).tobytes()).rstrip("0") == stream.rstrip("0")
    assert Aseg(8).encoded_bits([200] * 6, 0) == len(stream)


def test_table_1_is_read_too():
    # k = 3, r = 0. Start: level 0 is `0`, EG_0(1) = `010`. State 0: level 5 is `10`. State 5: level 0 is `0`.
    stream = "0" + "1" + "0011" + "00" + "0" + "010" + "10" + "001" + "0" + "1"
    assert Aseg(8).decode(golden.to_bytes(stream), 4).tolist() == [0, 0, 9, 0]


def test_every_state_has_a_complete_prefix_code():
    for lengths in aseg_code.CODE_LENGTHS.reshape(-1, aseg_code.LEVELS):
        assert sum(2.0 ** -int(length) for length in lengths if length) == 1


@given(cases())
def test_the_stream_is_that_of_the_golden_model(case):
    values, order, bits, segment = case
    coder = Aseg(bits, segment)
    stream = golden_aseg.encode(values, order, bits, segment)
    assert coder.encode(values, order).tobytes() == golden.to_bytes(stream)
    assert coder.encoded_bits(values, order) == len(stream)


@given(cases())
@example(([0] + [1] * 9, 0, 1, 1))  # segments shorter than a run of zeros
def test_both_decoders_undo_the_encoding(case):
    values, order, bits, segment = case
    coder = Aseg(bits, segment)
    data = coder.encode(values, order)
    assert coder.decode(data, len(values), order).tolist() == values
    stream = golden.to_bits(data.tobytes())
    assert golden_aseg.decode(stream, len(values), order, bits, segment) == values


@given(cases())
def test_the_best_order_is_the_lowest_of_the_shortest(case):
    values, _, bits, segment = case
    coder = Aseg(bits, segment)
    sizes = [coder.encoded_bits(values, order) for order in range(16)]
    assert coder.best_order(values) == sizes.index(min(sizes))


@given(cases(), st.integers(0, 1), st.integers(0, 15), st.integers(0, 3))
def test_a_decoder_takes_all_that_a_header_can_say(case, table, k, r):
    values, order, bits, _ = case
    header = f"0{table}{k:04b}{r:02b}"
    stream = header + golden_aseg.body(values, table, k, r, bits) if values else ""
    coder = Aseg(bits, 65536)
    assert coder.decode(golden.to_bytes(stream), len(values), order).tolist() == values
    assert coder.encoded_bits(values, order) <= len(stream)


@given(cases(), st.data())
def test_damaged_data_is_refused_or_decodes_as_the_golden_model_does(case, draw):
    """Truncated and with flipped bits; a bad code is named with a bit inside the data."""
    values, order, bits, segment = case
    coder = Aseg(bits, segment)
    data = coder.encode(values, order).copy()
    if not len(data):
        return
    for at in draw.draw(st.lists(st.integers(0, 8 * len(data) - 1), max_size=3)):
        data[at >> 3] ^= 0x80 >> (at & 7)
    data = data[: draw.draw(st.integers(0, len(data)))]
    problem = ""
    try:
        decoded = coder.decode(data, len(values), order)
    except CodecError as error:
        problem = str(error)
    if problem:
        assert all(int(bit) <= 8 * len(data) for bit in re.findall(r" at bit (\d+)", problem))
    else:
        stream = golden.to_bits(data.tobytes())
        assert decoded.tolist() == golden_aseg.decode(stream, len(values), order, bits, segment)


def test_a_map_of_65536_zeros_and_values_of_all_sizes_survives():
    values = np.concatenate([np.zeros(65536), [65535], np.zeros(65535), 1 << np.arange(16), np.zeros(5)])
    for segment in (1, 3, 512, 2048, 2049, 65536):
        coder = Aseg(16, segment)
        for order in (0, 7, 15):
            data = coder.encode(values.astype(np.uint16), order)
            assert np.array_equal(coder.decode(data, len(values), order), values)


def test_costs_of_long_segments_do_not_overflow():
    """The dearest values for many orders: 2048 of them are added up in one lane of 16 bits."""
    values = np.tile([65535, 1], 32768)
    coder = Aseg(16, 65536)
    for order in (0, 15):
        assert len(coder.encode(values, order)) == -(-coder.encoded_bits(values, order) // 8)
    stream = golden_aseg.encode(values[:5000].tolist(), 0, 16, 65536)
    assert coder.encoded_bits(values[:5000], 0) == len(stream)


def test_no_code_is_longer_than_its_lane_allows():
    for lengths in aseg_code.CODE_LENGTHS:
        assert aseg_code.size_costs(16, lengths).max() * aseg_loops._CHUNK < 1 << 16
    assert aseg_code.run_costs(aseg_loops._CHUNK).max() * aseg_loops._CHUNK // 2 < 1 << 16


@pytest.mark.parametrize("segment", [1, 2, 3, 10, 512, 65536])
def test_no_segment_is_shorter_than_the_bound_that_refuses_large_counts(segment):
    coder = Aseg(16, segment)
    for values in (np.zeros(3 * segment, int), np.ones(3 * segment, int)):
        for order in range(16):
            assert coder.decode(coder.encode(values, order), len(values), order).tolist() == values.tolist()
    with pytest.raises(CodecError, match="there is room"):
        coder.decode(bytes(8), 64 * segment)


def test_a_run_beyond_the_segment_is_illegal():
    data = golden.to_bytes("1" + "00" + "0110")  # of 5
    assert Aseg(8).decode(data, 5).tolist() == [0] * 5
    for count, coder in ((4, Aseg(8)), (6, Aseg(8, segment=4))):
        with pytest.raises(CodecError, match=r"illegal prefix.* at bit 1 "):
            coder.decode(data, count)


@pytest.mark.parametrize(
    ("k", "level", "digits", "message"),
    [
        (3, 1, "", "illegal"),  # no value has fewer digits
        (5, 1, "00", "illegal"),  # zero has a code of its own
        (2, 2, "", "illegal"),  # no value has no digit
        (3, 9, "01111111", "illegal"),  # 127 is no level 9: that begins with 128
        (4, 8, "0000000", "outside 0..127"),
        (3, 9, "", "truncated"),
    ],
)
def test_a_code_that_stands_for_no_value_is_an_error(k, level, digits, message):
    stream = f"00{k:04b}00" + golden_aseg.TABLES[0][1][level] + digits
    bits = 8 if level == 9 else 7
    with pytest.raises(CodecError, match=message):
        Aseg(bits).decode(golden.to_bytes(stream), 1)


@pytest.mark.parametrize("segment", [0, -1, 65537, 3.5, "9"])
def test_a_segment_of_an_impossible_length_is_refused(segment):
    with pytest.raises(CodecError, match="segment"):
        Aseg(8, segment)


@pytest.mark.parametrize("order", [-1, 16, None])
def test_an_order_out_of_range_is_refused(order):
    for call in (Aseg().encode, Aseg().encoded_bits):
        with pytest.raises(CodecError, match="order"):
            call([1], order)
    with pytest.raises(CodecError, match="order"):
        Aseg().decode(bytes(2), 1, order)


def test_the_neighbour_is_used():
    """Values that stay in one size cost less than the same values shuffled."""
    random = np.random.default_rng(1)
    sizes = np.repeat(random.integers(3, 9, 256), 16)
    values = random.integers(1 << (sizes - 1), 1 << sizes)
    coder = Aseg(8)
    together = coder.encoded_bits(values, coder.best_order(values))
    shuffled = random.permutation(values)
    assert together < 0.8 * coder.encoded_bits(shuffled, coder.best_order(shuffled))
