"""SEG as a Zarr v3 codec."""

import subprocess
import sys

import numpy as np
import pytest
import zarr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from zarr.testing import strategies

from hwsim.codec.zarr import SegCodec
from hwsim.errors import CodecError


def sparse_map(dtype=np.uint16, shape=(8, 30, 30)):
    random = np.random.default_rng(7)
    magnitudes = random.exponential(20, shape).clip(0, 127)
    return np.where(random.random(shape) < 0.3, magnitudes, 0).astype(dtype)


def store(path, values, **options):
    array = zarr.create_array(
        path,
        shape=values.shape,
        chunks=(3, 30, 16),
        dtype=values.dtype,
        serializer=SegCodec(**options),
        compressors=None,
    )
    array[:] = values
    return array


def chunk_files(path):
    return sorted(file for file in (path / "c").rglob("*") if file.is_file())


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "int16"])
@pytest.mark.parametrize("options", [{}, {"order": 3}])
def test_an_array_comes_back(tmp_path, dtype, options):
    values = sparse_map(dtype)
    if np.dtype(dtype).kind == "i":
        values[::2] *= -1
    store(tmp_path / "a.zarr", values, **options)
    again = zarr.open_array(tmp_path / "a.zarr", mode="r")
    assert again.dtype == values.dtype
    assert np.array_equal(again[:], values)
    assert np.array_equal(again[2:5, 7, ::3], values[2:5, 7, ::3])


def test_an_array_takes_less_room_than_its_values(tmp_path):
    values = sparse_map()
    store(tmp_path / "a.zarr", values)
    stored = sum(file.stat().st_size for file in chunk_files(tmp_path / "a.zarr"))
    assert 0 < stored < 0.4 * values.nbytes


def test_the_order_is_in_the_metadata(tmp_path):
    array = store(tmp_path / "a.zarr", sparse_map(), order=5)
    assert array.metadata.to_dict()["codecs"] == ({"name": "hwsim.seg", "configuration": {"order": 5}},)
    assert all(file.read_bytes()[0] == 5 for file in chunk_files(tmp_path / "a.zarr"))


def test_a_process_that_knows_zarr_only_opens_the_array_by_the_entry_point(tmp_path):
    values = sparse_map()
    store(tmp_path / "a.zarr", values)
    code = f"import zarr; print(int(zarr.open_array({str(tmp_path / 'a.zarr')!r}, mode='r')[:].sum()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == values.sum()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:5],
        lambda data: b"",
        lambda data: bytes([99]) + data[1:],
        lambda data: data[:9] + bytes(len(data) - 9),
        lambda data: data + b"\xff",
        lambda data: data[:8] + bytes([data[8] ^ 1]) + data[9:],
    ],
)
def test_a_damaged_chunk_is_refused(tmp_path, damage):
    store(tmp_path / "a.zarr", sparse_map())
    file = chunk_files(tmp_path / "a.zarr")[1]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CodecError):
        zarr.open_array(tmp_path / "a.zarr", mode="r")[:]


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_an_array_of_another_type_is_refused(tmp_path, dtype):
    with pytest.raises(CodecError, match="SEG stores"):
        store(tmp_path / "a.zarr", sparse_map(dtype))
    assert not (tmp_path / "a.zarr" / "zarr.json").exists()


def test_wrong_options_are_refused():
    for order in (16, True, "3", 1.0):
        with pytest.raises(CodecError, match="order"):
            SegCodec(order=order)
    with pytest.raises(CodecError, match="order"):
        SegCodec.from_dict({"name": "hwsim.seg", "configuration": {"order": "3"}})
    with pytest.raises(CodecError, match="not level"):
        SegCodec.from_dict({"name": "hwsim.seg", "configuration": {"level": 3}})
    assert SegCodec.from_dict({"name": "hwsim.seg"}) == SegCodec()


ARRAYS = st.sampled_from(("uint8", "int8", "<u2", ">u2", "<i2", ">i2")).flatmap(
    lambda dtype: strategies.numpy_arrays(dtype=np.dtype(dtype))
)


@settings(max_examples=60)
@given(st.data(), st.none() | st.integers(0, 15))
def test_any_array_is_read_and_written_in_any_chunks_shards_and_memory_order(data, order):
    """As Zarr's own tests do, with the strategies that it ships."""
    values, chunks = data.draw(strategies.np_array_and_chunks(arrays=ARRAYS))
    assume(all(chunks))
    shards = data.draw(st.none() | strategies.shard_shapes(shape=values.shape, chunk_shape=chunks))
    array = zarr.create_array(
        {},
        shape=values.shape,
        chunks=chunks,
        shards=shards,
        dtype=values.dtype,
        config={"order": data.draw(st.sampled_from("CF"))},
        serializer=SegCodec(order),
        compressors=None,
    )
    array[:] = np.asarray(values, order=data.draw(st.sampled_from("CF")))
    assert np.array_equal(array[:], values)
    index = data.draw(strategies.basic_indices(shape=values.shape))
    assert np.array_equal(array[index], values[index])
    ours, theirs = data.draw(strategies.orthogonal_indices(shape=values.shape))
    assert np.array_equal(array.oindex[ours], values[theirs])
    array[index] = values[index] // 2
    values[index] //= 2
    assert np.array_equal(zarr.open_array(array.store, mode="r")[:], values)
