import os

import pytest
from deaths import deaths, tree

from hwsim.files import plain_file, whole_file


def write(path, text) -> None:
    with whole_file(path) as partial:
        partial.write_text(text)


@pytest.mark.parametrize("torn", [False, True])
def test_a_killed_writing_leaves_the_old_file_or_the_new_one(tmp_path, torn):
    path = tmp_path / "file.json"
    write(path, "old")
    for _ in deaths(lambda: write(path, "new"), torn):
        assert path.read_text() in ("old", "new")
        write(path, "new")
        assert tree(tmp_path) == {"file.json": b"new"}
        write(path, "old")


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "file.json"
    write(path, "old")
    with pytest.raises(UnicodeEncodeError), whole_file(path) as partial:
        partial.write_text("\u20ac", encoding="ascii")
    assert tree(tmp_path) == {"file.json": b"old"}


def test_what_is_no_plain_file_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write(tmp_path / "pipe", "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_file_and_a_link_to_one_are_plain(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert plain_file(tmp_path / "link").read_text() == "text"


@pytest.mark.parametrize(
    ("make", "error", "reason"),
    [
        (os.mkfifo, OSError, "pipe or a device"),
        (lambda path: path.symlink_to("/dev/zero"), OSError, "pipe or a device"),
        (lambda path: path.mkdir(), IsADirectoryError, "directory"),
        (lambda path: path.symlink_to("nowhere"), FileNotFoundError, "No such file"),
        (lambda path: path.symlink_to(path.name), OSError, "symbolic links"),
    ],
)
def test_what_has_no_end_is_no_plain_file(tmp_path, make, error, reason):
    path = tmp_path / "place"
    make(path)
    with pytest.raises(error, match=reason) as found:
        plain_file(path)
    assert found.value.filename == str(path)
