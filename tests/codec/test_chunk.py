"""Self-contained SEG chunks."""

import numpy as np
import pytest

from hwsim.codec import chunk, golden
from hwsim.errors import CodecError


def test_a_chunk_is_order_count_and_codes():
    values = np.array([[0, 0], [17, 1]], np.uint16)
    expected = bytes([4]) + bytes(7) + bytes([4]) + golden.to_bytes(golden.encode([0, 0, 17, 1], 4))
    assert chunk.encode(values, 4) == expected
    assert chunk.decode(expected, np.uint16, 4).tolist() == [0, 0, 17, 1]


def test_without_an_order_the_best_one_is_stored():
    values = np.array([0, 5000, 0, 6000], np.uint16)
    sizes = [len(golden.encode(values.tolist(), order)) for order in range(16)]
    assert chunk.encode(values)[0] == sizes.index(min(sizes))


@pytest.mark.parametrize("dtype", chunk.DTYPES)
def test_every_dtype_comes_back(dtype):
    limits = np.iinfo(dtype)
    values = np.array([0, 1, limits.min, limits.max, 0, 0], dtype)
    decoded = chunk.decode(chunk.encode(values), dtype, 6)
    assert decoded.dtype == dtype
    assert np.array_equal(decoded, values)


def test_every_int16_has_a_code_of_its_own():
    values = np.arange(-32768, 32768).astype(np.int16)
    assert np.array_equal(chunk.decode(chunk.encode(values, 15), np.int16), values)
    assert chunk.encode(np.array([-32768], np.int16), 15)[1:] == chunk.encode(np.array([65535], "u2"), 15)[1:]


@pytest.mark.parametrize("dtype", [np.int32, np.float32, bool, "S1", "nonsense", object])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(CodecError, match="SEG stores"):
        chunk.as_dtype(dtype)


def test_damaged_chunks_are_refused():
    good = chunk.encode(np.arange(1, 50, dtype=np.uint16), 3)
    for bad, message in (
        (b"", "9 bytes or more"),
        (good[:8], "9 bytes or more"),
        (good[:-1], "truncated"),
        (bytes([16]) + good[1:], "order"),
        (good[:1] + b"\xff" + good[2:], "instead of 49"),
        (good + bytes(9), "follow"),
    ):
        with pytest.raises(CodecError, match=message):
            chunk.decode(bad, np.uint16, 49)
    with pytest.raises(CodecError, match="truncated"):
        chunk.decode(good[:1] + b"\xff" + good[2:], np.uint16)


def test_a_signed_chunk_of_a_wider_dtype_is_refused():
    wide = chunk.encode(np.array([0, -129], np.int16))
    with pytest.raises(CodecError, match=r"outside -128..127"):
        chunk.decode(wide, np.int8)
