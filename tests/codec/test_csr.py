"""Compressed sparse rows against scipy's and against streams written by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from hwsim.codec import golden
from hwsim.codec.csr import Csr
from hwsim.errors import CodecError


def fields(*groups):
    """Bit string of (width, numbers) groups; a field of width 0 has no bits."""
    return "".join(f"{n:0{width}b}" for width, numbers in groups if width for n in numbers)


def test_row_pointers_then_columns_then_values():
    values = [0, 0, 5, 0, 0, 0, 255, 1, 0]  # rows of 4: [5 at 2], [255 at 2, 1 at 3], [none]
    bits = fields((4, [0, 1, 3, 3]), (2, [2, 2, 3]), (8, [5, 255, 1]))
    coder = Csr(bits=8, columns=4)
    assert coder.encode(values).tobytes() == golden.to_bytes(bits)
    assert coder.encoded_bits(values) == len(bits)
    assert coder.decode(golden.to_bytes(bits), 9).tolist() == values


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_rows_are_those_of_scipy(rows, columns, seed):
    random = np.random.default_rng(seed)
    dense = random.integers(0, 65536, (rows, columns)) * (random.random((rows, columns)) < 0.3)
    matrix = sparse.csr_array(dense)
    bits = fields(
        (dense.size.bit_length(), matrix.indptr),
        ((columns - 1).bit_length(), matrix.indices),
        (16, matrix.data),
    )
    assert Csr(columns=columns).encode(dense).tobytes() == golden.to_bytes(bits)


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        (fields((4, [1, 1, 3, 3]), (2, [2, 2, 3]), (8, [5, 255, 1])), "row pointers"),
        (fields((4, [0, 2, 1, 3]), (2, [2, 2, 3]), (8, [5, 255, 1])), "row pointers"),
        (fields((4, [0, 5, 5, 5]), (2, [0, 1, 2, 3, 3]), (8, [5, 255, 1, 1, 1])), "row pointers"),
        (fields((4, [0, 1, 3, 3]), (2, [2, 3, 2]), (8, [5, 255, 1])), "column indices from bit 16"),
        (fields((4, [0, 1, 3, 3]), (2, [2, 2, 2]), (8, [5, 255, 1])), "column indices from bit 16"),
        (fields((4, [0, 1, 2, 3]), (2, [2, 2, 1]), (8, [5, 255, 1])), "column indices from bit 16"),
        (fields((4, [0, 1, 3, 3]), (2, [2, 2, 3]), (8, [5, 0, 1])), "0 at bit 30"),
        (fields((4, [0, 1, 3, 3]), (2, [2, 2, 3]), (8, [5, 255])), "truncated"),
        (fields((4, [0, 1])), "truncated"),
        (fields((4, [0, 1, 3, 3]), (2, [2, 2, 3]), (8, [5, 255, 1]), (1, [1])), "padding"),
    ],
)
def test_damaged_rows_are_refused(bits, message):
    with pytest.raises(CodecError, match=message):
        Csr(bits=8, columns=4).decode(golden.to_bytes(bits), 9)


def test_a_column_behind_its_row_is_refused():
    bits = fields((3, [0, 1, 1]), (2, [3]), (8, [5]))
    with pytest.raises(CodecError, match="column indices from bit 9"):
        Csr(bits=8, columns=3).decode(golden.to_bytes(bits), 6)


@pytest.mark.parametrize("columns", [0, -1, 2**31, 1.5])
def test_wrong_columns_are_refused(columns):
    with pytest.raises(CodecError, match="columns"):
        Csr(columns=columns)


def test_row_pointers_that_promise_more_than_the_rows_hold_take_no_memory():
    with pytest.raises(CodecError, match="row pointers"):
        Csr(columns=1).decode(golden.to_bytes(fields((2, [0, 3, 3]))), 2)
