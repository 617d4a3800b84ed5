"""SEG against hand-made streams, against the golden model, and against damaged data."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwsim.codec import golden, seg, seg_lengths, seg_loops
from hwsim.errors import CodecError

ORDERS = st.integers(0, 15)
MAGNITUDES = st.integers(0, 16).flatmap(lambda bits: st.integers(0, max(0, 2**bits - 1)))
RUNS = st.tuples(st.integers(0, 150), MAGNITUDES).map(lambda run: [0] * run[0] + [run[1]])
SPARSE = st.lists(RUNS, max_size=20).map(lambda runs: list(chain(*runs)))
relaxed = settings(deadline=None)


@pytest.mark.parametrize(
    ("order", "values", "data"),
    [
        (0, [], b""),
        (0, [0], b"\x80"),
        (0, [0, 0, 3, 0], bytes([0b11001001])),
        (1, [4, 2, 1], bytes([0b00101011, 0b01000000])),
        (4, [0, 1, 17], bytes([0b10100000, 0b01000000])),
        (0, [65535], bytes([0, 0, 0b10000000, 0, 0])),
        (15, [32769, 0], bytes([0b00100000, 0, 0b00010000])),
    ],
)
def test_hand_made_streams(order, values, data):
    assert seg.encode(np.array(values, np.uint16), order).tobytes() == data
    assert seg.decode(data, len(values), order).tolist() == values


@relaxed
@given(SPARSE, ORDERS)
@example([0] * 5000, 3)
@example([0] * 1023 + [9] + [0] * 1024 + [65535], 0)
def test_encode_equals_the_golden_model(values, order):
    bits = golden.encode(values, order)
    data = seg.encode(values, order)
    assert data.dtype == np.uint8
    assert data.tobytes() == golden.to_bytes(bits)
    assert seg.encoded_bits(values, order) == len(bits)


@relaxed
@given(SPARSE, ORDERS)
@example([0] * 5000, 3)
def test_decode_undoes_the_golden_model(values, order):
    data = golden.to_bytes(golden.encode(values, order))
    decoded = seg.decode(data, len(values), order)
    assert decoded.dtype == np.uint16
    assert decoded.tolist() == values


@pytest.mark.parametrize("order", range(16))
def test_every_value_survives(order):
    values = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(seg.decode(seg.encode(values, order), 65536, order), values)


@pytest.mark.parametrize("order", range(16))
@pytest.mark.parametrize("value", [1, 65535])
def test_every_run_of_zeros_before_a_value_survives(order, value):
    values = list(chain(*([0] * run + [value] for run in range(80))))
    data = golden.to_bytes(golden.encode(values, order))
    assert seg.encode(values, order).tobytes() == data
    assert seg.decode(data, len(values), order).tolist() == values


@pytest.mark.parametrize("order", range(16))
def test_code_lengths_are_those_of_the_golden_model(order):
    edges = {max(0, min(65535, 2**b + d)) for b in range(17) for d in (-2, -1, 0, 1, 2)}
    edges |= {max(0, min(65535, 2**b - 2**order + d)) for b in range(18) for d in range(-1, 3)}
    lengths = seg_lengths.code_lengths(order)
    assert lengths.shape == (65536,)
    assert lengths.dtype == np.uint8
    assert not lengths.flags.writeable
    assert {v: int(lengths[v]) for v in edges} == {v: len(golden.seg(v, order)) for v in edges}


@relaxed
@given(SPARSE)
@example([])
@example([1, 1, 1])
def test_best_order_is_the_cheapest_of_all_and_the_lowest_of_equals(values):
    sizes = [len(golden.encode(values, order)) for order in range(16)]
    assert seg.best_order(np.array(values, np.uint16)) == sizes.index(min(sizes))


def test_arrays_of_any_shape_layout_and_integer_type_are_taken():
    values = np.arange(24).reshape(2, 3, 4) * 10
    flat = values.ravel().tolist()
    data = golden.to_bytes(golden.encode(flat, 2))
    unaligned = np.frombuffer(bytes(1) + values.astype("<u2").tobytes(), np.uint8)[1:].view("<u2")
    read_only = np.frombuffer(values.astype("<u2").tobytes(), "<u2").reshape(values.shape)
    for same in (values, values.tolist(), values.astype("u1"), values.astype(">u2"), unaligned, read_only):
        assert seg.encode(same, 2).tobytes() == data
        assert seg.encoded_bits(same, 2) == len(golden.encode(flat, 2))
    turned = values.transpose(2, 0, 1)
    assert seg.encode(turned, 2).tobytes() == golden.to_bytes(golden.encode(turned.ravel().tolist(), 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, ">u2"])
def test_bytes_of_any_kind_decode_to_any_integer_type(dtype):
    values = [0, 7, 0, 255]
    data = golden.to_bytes(golden.encode(values, 3))
    for same in (data, bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        decoded = seg.decode(same, 4, 3, dtype)
        assert decoded.dtype == dtype
        assert decoded.tolist() == values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, -1], "-1 at position 1"),
        ([1, 2, 65536], "65536 at position 2"),
        (np.array([[0, 0], [70000, 0]]), "70000 at position 2"),
        (np.array([2**63], np.uint64), "at position 0"),
        ([0.5], "float64"),
        ([True], "bool"),
        (["a"], "integers"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    for call in (seg.encode, seg.encoded_bits):
        with pytest.raises(CodecError, match=message):
            call(values, 0)
    with pytest.raises(CodecError, match=message):
        seg.best_order(values)


@pytest.mark.parametrize("order", [-1, 16, 1.0, None, "3", 10**30])
def test_wrong_orders_are_refused(order):
    for call in (
        lambda: seg.encode([1], order),
        lambda: seg.decode(b"\x80", 1, order),
        lambda: seg.encoded_bits([1], order),
        lambda: seg_lengths.code_lengths(order),
    ):
        with pytest.raises(CodecError, match="order"):
            call()


@pytest.mark.parametrize(
    ("data", "count", "dtype"),
    [
        ("10", 1, np.uint16),
        (np.zeros(2, np.uint16), 1, np.uint16),
        (None, 1, np.uint16),
        (b"\x80", -1, np.uint16),
        (b"\x80", 1.5, np.uint16),
        (b"\x80", 1, np.float32),
        (b"\x80", 1, "no type"),
    ],
)
def test_wrong_arguments_are_refused(data, count, dtype):
    with pytest.raises(CodecError):
        seg.decode(data, count, 0, dtype)


@relaxed
@given(SPARSE.filter(len), ORDERS, st.data())
def test_truncated_data_is_refused_with_the_bit_where_the_cut_code_begins(values, order, data):
    codes = [golden.seg(value, order) for value in values]
    whole = golden.to_bytes("".join(codes))
    cut = data.draw(st.integers(0, len(whole) - 1))
    begins = np.cumsum([0] + [len(code) for code in codes])
    first_cut = int(np.searchsorted(begins[1:], 8 * cut, side="right"))
    if len(values) > 8 * cut:
        with pytest.raises(CodecError, match="truncated"):
            seg.decode(whole[:cut], len(values), order)
        return
    with pytest.raises(CodecError, match=rf"truncated.* at bit {begins[first_cut]} \(value {first_cut}\)"):
        seg.decode(whole[:cut], len(values), order)


@pytest.mark.parametrize("order", range(16))
def test_more_zeros_than_a_legal_code_begins_with_are_an_illegal_prefix(order):
    longest = len(golden.seg(65535, order).split("1")[0])
    legal = "11" + golden.seg(65535, order)
    assert seg.decode(golden.to_bytes(legal), 3, order).tolist() == [0, 0, 65535]
    illegal = "11" + "0" * (longest + 1) + "1" * 80
    with pytest.raises(CodecError, match=r"illegal prefix.* at bit 2 \(value 2\)"):
        seg.decode(golden.to_bytes(illegal), 3, order)
    with pytest.raises(CodecError, match=r"illegal prefix.* at bit 1 "):
        seg.decode(golden.to_bytes("1" + "0" * 1000), 3, order)


@pytest.mark.parametrize("order", range(16))
def test_zeros_up_to_the_end_are_truncated_data_if_a_legal_code_begins_so(order):
    zeros = len(golden.seg(65535, order).split("1")[0])
    ones = -zeros % 8
    data = golden.to_bytes("1" * ones + "0" * zeros)
    with pytest.raises(CodecError, match=rf"truncated.* at bit {ones} \(value {ones}\)"):
        seg.decode(data, ones + 1, order)


@pytest.mark.parametrize("order", range(16))
@pytest.mark.parametrize(("largest", "dtype", "bits"), [(65535, "u2", 16), (255, "u1", 16), (15, "u2", 4)])
def test_a_value_above_the_range_is_refused_with_its_bit(order, largest, dtype, bits):
    coder = seg.SegCoder(bits=bits)
    good = golden.to_bytes("111" + golden.seg(largest, order))
    assert coder.decode(good, 4, order, dtype).tolist() == [0, 0, 0, largest]
    bad = golden.to_bytes("111" + golden.seg(largest + 1, order))
    with pytest.raises(CodecError, match="at bit 3 "):
        coder.decode(bad, 4, order, dtype)


def test_only_padding_of_fewer_than_64_zero_bits_may_follow():
    assert seg.decode(b"\xff" + bytes(7), 8, 3).tolist() == [0] * 8
    assert seg.decode(b"\xf0" + bytes(7), 4, 3).tolist() == [0] * 4
    with pytest.raises(CodecError, match="64 bits follow the last value at bit 8"):
        seg.decode(b"\xff" + bytes(8), 8, 3)
    for rest in (b"\xf8", b"\xf1", b"\xf0\x80", b"\xf0" + bytes(6) + b"\x01"):
        with pytest.raises(CodecError, match="from bit 4 on, is not zero"):
            seg.decode(rest, 4, 3)


def test_a_count_that_the_data_cannot_hold_is_refused_before_memory_is_taken():
    with pytest.raises(CodecError, match="truncated"):
        seg.decode(b"\xff", 10**15, 0)


def assert_canonical_or_refused(data, count, order):
    """What can be decoded at all must give the same bits when it is encoded again."""
    try:
        values = seg.decode(data, count, order)
    except CodecError:
        return
    assert len(values) == count
    bits = golden.encode(values.tolist(), order)
    assert golden.to_bits(data) == bits.ljust(8 * len(data), "0")


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=60), st.integers(0, 600), ORDERS)
def test_random_bytes_decode_to_what_they_encode_or_are_refused(data, count, order):
    assert_canonical_or_refused(data, count, order)


@settings(deadline=None, max_examples=300)
@given(SPARSE.filter(len), ORDERS, st.data())
def test_flipped_bits_decode_to_what_they_encode_or_are_refused(values, order, data):
    damaged = bytearray(seg.encode(values, order).tobytes())
    for at in data.draw(st.lists(st.integers(0, 8 * len(damaged) - 1), min_size=1, max_size=3)):
        damaged[at >> 3] ^= 0x80 >> (at & 7)
    assert_canonical_or_refused(bytes(damaged), len(values), order)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=40), st.integers(0, 300), ORDERS)
def test_decoding_does_not_depend_on_what_lies_around_the_buffer(data, count, order):
    outcomes = set()
    for fill in (0x00, 0xFF, 0x5A):
        memory = np.full(len(data) + 64, fill, np.uint8)
        memory[32 : 32 + len(data)] = np.frombuffer(data, np.uint8)
        try:
            outcomes.add(seg.decode(memory[32 : 32 + len(data)], count, order).tobytes())
        except CodecError as error:
            outcomes.add(str(error))
    assert len(outcomes) == 1


@pytest.mark.parametrize("ones", range(20))
def test_ones_behind_the_end_are_not_taken_for_zeros(ones):
    data = golden.to_bytes(golden.seg(65535, 0) + "1" * (7 + 8 * ones))
    memory = np.full(len(data) + 16, 0xFF, np.uint8)
    memory[: len(data)] = np.frombuffer(data, np.uint8)
    zeros = 7 + 8 * ones
    assert seg.decode(memory[: len(data)], 1 + zeros, 0).tolist() == [65535] + [0] * zeros
    with pytest.raises(CodecError, match=rf"truncated.* at bit {8 * len(data)} "):
        seg.decode(memory[: len(data)], 2 + zeros, 0)


@relaxed
@given(SPARSE, ORDERS)
def test_encoding_writes_no_further_than_8_bytes_behind_its_codes(values, order):
    size = seg.encode(values, order).size
    memory = np.full(size + 72, 0xA5, np.uint8)
    seg_loops.encode(np.array(values, np.uint16), max(order, 1), memory[32 : 40 + size])
    assert (memory[:32] == 0xA5).all()
    assert (memory[40 + size :] == 0xA5).all()


@relaxed
@given(SPARSE.filter(len), ORDERS)
def test_decoding_writes_no_further_than_its_values(values, order):
    memory = np.zeros(len(values) + 64, np.uint16)
    out = memory[32 : 32 + len(values)]
    memory[:32] = memory[32 + len(values) :] = 0xA5A5
    seg_loops.decode(seg.encode(values, order), max(order, 1), 65535, out)
    assert out.tolist() == values
    assert (memory[:32] == 0xA5A5).all()
    assert (memory[32 + len(values) :] == 0xA5A5).all()
