import os
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.trace.archive import zip_folder

NAMES = st.text("abcdef0123456789", min_size=1, max_size=8)
FILES = st.dictionaries(st.tuples(NAMES, NAMES), st.binary(max_size=200), min_size=1, max_size=6)


def fill(folder, files, date):
    for (group, name), content in files.items():
        path = folder / f"g{group}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (date, date))


@given(FILES)
def test_the_same_files_make_the_same_bytes_whatever_their_dates_and_order(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("zip")
    fill(folder / "one", files, 1e9)
    fill(folder / "two", dict(reversed(files.items())), 1.5e9)
    zip_folder(folder / "one", folder / "one.zip")
    zip_folder(folder / "two", folder / "two.zip")
    assert (folder / "one.zip").read_bytes() == (folder / "two.zip").read_bytes()
    with zipfile.ZipFile(folder / "one.zip") as archive:
        assert archive.testzip() is None
        found = {entry: archive.read(entry) for entry in archive.namelist()}
    assert list(found) == sorted(found)
    assert found == {f"g{group}/{name}": content for (group, name), content in files.items()}


def test_a_file_that_cannot_be_completed_leaves_the_old_one(tmp_path, monkeypatch):
    fill(tmp_path / "folder", {("a", "b"): b"new"}, 1e9)
    (tmp_path / "out.zip").write_bytes(b"old")

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="no space"):
        zip_folder(tmp_path / "folder", tmp_path / "out.zip")
    assert (tmp_path / "out.zip").read_bytes() == b"old"
