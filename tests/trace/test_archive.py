from __future__ import annotations

import zipfile

import numpy as np

from hwsim.trace import open_trace
from hwsim.trace.archive import pack, zip_folder
from traces import Tiny


def test_a_packed_trace_is_the_same_trace_and_smaller(tmp_path):
    tiny = Tiny()
    tiny.write(tmp_path / "tiny.zarr")
    zip_folder(tmp_path / "tiny.zarr", tmp_path / "plain.zip")
    pack(tmp_path / "tiny.zarr", tmp_path / "packed.zip")
    with open_trace(tmp_path / "plain.zip") as plain, open_trace(tmp_path / "packed.zip") as packed:
        packed.check()
        tiny.assert_equal(packed)
        assert packed.digest == plain.digest
    assert (tmp_path / "packed.zip").stat().st_size < (tmp_path / "plain.zip").stat().st_size


def test_packing_again_gives_the_same_bytes_and_leaves_the_folder_alone(tmp_path):
    Tiny().write(tmp_path / "tiny.zarr")
    before = {path: path.read_bytes() for path in (tmp_path / "tiny.zarr").rglob("*") if path.is_file()}
    made = []
    for name in ("one.zip", "two.zip"):
        pack(tmp_path / "tiny.zarr", tmp_path / name)
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    assert all(path.read_bytes() == data for path, data in before.items())
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert np.unique([entry.date_time for entry in archive.infolist()], axis=0).shape[0] == 1
