"""SEG as a numcodecs codec."""

import subprocess
import sys

import numpy as np
import pytest
from numcodecs import get_codec

from hwsim.codec.numcodecs import Seg
from hwsim.errors import CodecError

VALUES = np.array([[0, 0, 3000], [0, 1, 0]], np.uint16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "int16"])
def test_values_and_their_bytes_come_back(dtype):
    values = np.array([0, 0, 100, -3 % 100, 0, 1], dtype)
    codec = Seg(dtype=dtype)
    data = codec.encode(values)
    assert isinstance(data, bytes)
    decoded = codec.decode(data)
    assert decoded.dtype == dtype
    assert np.array_equal(decoded, values)
    assert codec.encode(values.tobytes()) == data


def test_an_output_array_is_filled():
    codec = Seg()
    out = np.empty((2, 3), np.uint16)
    assert codec.decode(codec.encode(VALUES), out=out) is out
    assert np.array_equal(out, VALUES)


def test_the_configuration_comes_back():
    codec = Seg(dtype="int16", order=7)
    assert codec.get_config() == {"id": "hwsim_seg", "dtype": "int16", "order": 7}
    assert get_codec(codec.get_config()) == codec


def test_its_entry_point_is_found_without_importing_the_package():
    code = (
        "import sys, numcodecs; codec = numcodecs.get_codec({'id': 'hwsim_seg', 'dtype': 'uint8'}); "
        "sys.exit(codec.decode(codec.encode(b'\\0\\1\\2')).tolist() != [0, 1, 2])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_wrong_configurations_and_damaged_data_are_refused():
    with pytest.raises(CodecError, match="SEG stores"):
        Seg(dtype="float32")
    with pytest.raises(CodecError, match="order"):
        Seg(order=16)
    with pytest.raises(CodecError, match="no whole number"):
        Seg().encode(b"\0\0\0")
    with pytest.raises(CodecError, match="truncated"):
        Seg().decode(Seg().encode(VALUES)[:-1])
