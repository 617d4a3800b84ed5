"""SEG as a numcodecs codec: whatever buffer and byte order, the values come back, or a line says why not."""

import subprocess
import sys

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numcodecs import get_codec
from numcodecs.tests import common

from hwsim.codec.numcodecs import Seg
from hwsim.errors import CodecError

VALUES = np.array([[0, 0, 3000], [0, 1, 0]], np.uint16)
DTYPES = ("uint8", "int8", "<u2", ">u2", "<i2", ">i2")


@st.composite
def arrays(draw):
    """Any array of a dtype, in C or Fortran order."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    array = draw(arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0)))
    return np.asarray(array, order=draw(st.sampled_from("CF")))


@settings(max_examples=60)
@given(arrays(), st.none() | st.integers(0, 15))
def test_it_passes_the_checks_that_numcodecs_ships(array, order):
    codec = Seg(array.dtype, order)
    common.check_config(codec)
    assert eval(repr(codec)) == codec
    if array.ndim and array.nbytes:  # their bytearray of no bytes is none of NumPy's buffers
        common.check_encode_decode(array, codec)
        common.check_encode_decode_array(array.reshape(-1, order="A"), codec)


def test_arrays_of_objects_are_refused_as_numcodecs_asks():
    common.check_err_encode_object_buffer(Seg())
    with pytest.raises(TypeError):
        Seg().decode(Seg().encode(VALUES), out=np.empty(6, object))


@settings(max_examples=60)
@given(arrays(), st.data())
def test_a_view_with_strides_comes_back_in_c_order(array, draw):
    steps = st.sampled_from((-2, -1, 2, 3))
    view = array[(..., *(slice(None, None, draw.draw(steps)) for _ in array.shape))]
    codec = Seg(array.dtype)
    decoded = codec.decode(codec.encode(view))
    assert decoded.dtype == array.dtype
    fortran = view.flags.f_contiguous and not view.flags.c_contiguous
    assert np.array_equal(decoded.reshape(view.shape, order="F" if fortran else "C"), view)
    if not fortran:
        out = np.zeros([2 * size for size in view.shape], array.dtype)[
            (..., *(slice(None, None, 2) for _ in view.shape))
        ]
        assert codec.decode(codec.encode(view), out=out) is out
        assert np.array_equal(out, view)


def test_byte_order_is_kept_and_another_one_refused():
    one = np.array([1, 256], ">u2")
    codec = Seg(">u2")
    assert codec.get_config()["dtype"] == ">u2"
    assert codec.decode(codec.encode(one)).tolist() == [1, 256]
    assert get_codec(codec.get_config()).decode(codec.encode(one)).tolist() == [1, 256]
    assert codec.decode(codec.encode(one.tobytes())).tobytes() == one.tobytes()
    with pytest.raises(CodecError, match=r"the array is >u2, the codec <u2: give Seg\('>u2'\)"):
        Seg("<u2").encode(one)
    with pytest.raises(CodecError, match="the array is <u2"):
        codec.decode(codec.encode(one), out=np.empty(2, "<u2"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", "CF")
def test_a_zarr_v2_array_comes_back(dtype, order):
    limits = np.iinfo(dtype)
    values = np.array([[limits.min, limits.max, 0], [1, 2, 0], [0, 0, 5]], dtype)
    array = zarr.create_array(
        store={}, shape=(3, 3), chunks=(2, 2), dtype=dtype, order=order, zarr_format=2, compressors=Seg(dtype)
    )
    array[:] = values
    assert np.array_equal(zarr.open_array(array.store, mode="r")[:], values)


def test_an_output_array_is_filled_or_refused_whole():
    codec = Seg()
    data = codec.encode(VALUES)
    out = np.empty((2, 3), np.uint16)
    assert codec.decode(data, out=out) is out
    assert np.array_equal(out, VALUES)
    fixed = np.zeros(6, np.uint16)
    fixed.flags.writeable = False
    for wrong in (
        np.zeros(5, np.uint16),
        np.zeros((2, 3), np.uint8),
        np.zeros(6, np.uint32),
        bytes(12),
        fixed,
    ):
        before = bytes(wrong)
        with pytest.raises(CodecError, match="out must be a writeable array of 12 bytes"):
            codec.decode(data, out=wrong)
        assert bytes(wrong) == before


def test_the_configuration_comes_back():
    codec = Seg(dtype="<i2", order=7)
    assert codec.get_config() == {"id": "hwsim_seg", "dtype": "<i2", "order": 7}
    assert get_codec(codec.get_config()) == codec
    assert get_codec({"id": "hwsim_seg", "dtype": "uint16"}) == Seg("u2")


def test_its_entry_point_is_found_without_importing_the_package():
    code = (
        "import sys, numcodecs; codec = numcodecs.get_codec({'id': 'hwsim_seg', 'dtype': 'uint8'}); "
        "sys.exit(codec.decode(codec.encode(b'\\0\\1\\2')).tolist() != [0, 1, 2])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_wrong_configurations_and_damaged_data_are_refused():
    for wrong in ("float32", bool, "u4", "nonsense"):
        with pytest.raises(CodecError, match="SEG stores"):
            Seg(dtype=wrong)
    for order in (16, True, "3", 1.0):
        with pytest.raises(CodecError, match="order"):
            Seg(order=order)
    with pytest.raises(CodecError, match="no whole number"):
        Seg().encode(b"\0\0\0")
    with pytest.raises(CodecError, match="truncated"):
        Seg().decode(Seg().encode(VALUES)[:-1])
