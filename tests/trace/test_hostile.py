"""A trace from a stranger leads nowhere, waits for nothing and takes no more than its geometry says."""

import os
import shutil
import socket
import stat
import tracemalloc
import zipfile

import pytest
from fuzz.traces import KNOWN

from hwsim.errors import TraceError
from hwsim.trace import open_trace
from traces import Tiny

CHUNK = "maps/000_image/c/1/0/0/0"


def refusal(place) -> str:
    with pytest.raises(TraceError) as error, open_trace(place) as trace:
        trace.check()
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.fixture
def trace(tmp_path):
    return Tiny().write(tmp_path / "t")


def a_link(path) -> None:
    shutil.move(path, path.parent.parent / f"moved {path.name}")
    path.symlink_to(path.parent.parent / f"moved {path.name}")


def an_endless_link(path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def a_link_to_itself(path) -> None:
    path.unlink()
    path.symlink_to(path)


def a_pipe(path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_socket(path) -> None:
    path.unlink()
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def a_folder(path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("key", ["zarr.json", "maps/000_image/zarr.json", CHUNK])
@pytest.mark.parametrize(
    "becomes",
    [a_link, an_endless_link, a_link_to_itself, a_pipe, a_socket, a_folder],
    ids=lambda becomes: becomes.__name__,
)
def test_what_is_no_plain_file_is_refused(trace, becomes, key):
    becomes(trace / key)
    assert f"{key} is no plain file" in refusal(trace)


@pytest.mark.parametrize("key", ["maps", "maps/000_image", "layers", "layers/000_conv/weights/c"])
def test_a_folder_that_is_a_link_is_refused(trace, key):
    a_link(trace / key)
    assert f"{key} is a link" in refusal(trace)


def test_the_way_to_a_trace_may_be_a_link(trace, tmp_path):
    (tmp_path / "link").symlink_to(trace)
    Tiny().assert_equal(open_trace(tmp_path / "link"))
    Tiny().write(tmp_path / "t.zip")
    (tmp_path / "link.zip").symlink_to(tmp_path / "t.zip")
    Tiny().assert_equal(open_trace(tmp_path / "link.zip"))


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "pipe", "pipe.zip"])
def test_a_place_that_is_no_file_is_refused(tmp_path, place):
    if place.startswith("pipe"):
        os.mkfifo(tmp_path / place)
    assert "there is no trace at" in refusal(tmp_path / place)


def pack(trace, place, **special) -> None:
    """A zip file of the trace's files; of those that are named, some things are special."""
    with zipfile.ZipFile(place, "w") as archive:
        for path in sorted(path for path in trace.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(trace).as_posix())
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            if entry.filename == CHUNK:
                for name, value in special.items():
                    setattr(entry, name, value)
            archive.writestr(entry, path.read_bytes())


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_file_of_another_hand_is_read(trace, tmp_path, method):
    with zipfile.ZipFile(tmp_path / "t.zip", "w", method) as archive:
        for path in trace.rglob("*"):
            archive.write(path, path.relative_to(trace))
    Tiny().assert_equal(open_trace(tmp_path / "t.zip"))


@pytest.mark.parametrize(
    "special",
    [
        *({"external_attr": kind << 16} for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR)),
        {"compress_type": zipfile.ZIP_BZIP2},
        {"compress_type": zipfile.ZIP_LZMA},
    ],
)
def test_a_member_of_a_zip_file_that_is_no_plain_file_is_refused(trace, tmp_path, special):
    pack(trace, tmp_path / "t.zip", **special)
    assert f"{CHUNK} is no plain file, stored or deflated" in refusal(tmp_path / "t.zip")


def test_an_encrypted_member_is_refused(trace, tmp_path):
    pack(trace, tmp_path / "t.zip")
    data = bytearray((tmp_path / "t.zip").read_bytes())
    entry = data.rindex(b"PK\1\2", 0, data.rindex(CHUNK.encode()))
    data[entry + 8] |= 1
    (tmp_path / "t.zip").write_bytes(data)
    assert f"{CHUNK} is no plain file, stored or deflated" in refusal(tmp_path / "t.zip")


def test_two_members_of_one_name_are_refused(trace, tmp_path):
    pack(trace, tmp_path / "t.zip")
    with zipfile.ZipFile(tmp_path / "t.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(CHUNK, b"")
    assert "two files of one name" in refusal(tmp_path / "t.zip")


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(
    ("key", "size"), [("zarr.json", 25 << 20), (CHUNK, 2000), ("maps/000_image/zarr.json", 70_000)]
)
def test_a_file_is_read_up_to_what_it_may_have(trace, tmp_path, kind, key, size):
    with (trace / key).open("ab") as file:
        file.write(bytes(size))
    place = trace
    if kind == "zip":
        place = tmp_path / "t.zip"
        pack(trace, place)
    tracemalloc.start()
    message = refusal(place)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"{key} has" in message
    assert peak < 30 << 20


WHAT = {
    "a chunk of 256 MB": "reading map image of image 0 failed",
    "a chunk without size": "reading map image of image 0 failed",
    "a chunk of 2^40 bytes": "reading map image of image 0 failed",
    "a chunk of many values": "chunk_grid of array maps/000_image is not as hwsim writes it",
    "many layers": "more layers, names or values than a trace may have",
    "many values": "more layers, names or values than a trace may have",
    "as many values as there may be": None,
    "many texts": "more layers, names or values than a trace may have",
    "many lists": "more layers, names or values than a trace may have",
    "as many names as there may be": None,
    "as long a text as there may be": None,
    "too long a text": "provenance and metrics have more than 4 MB",
    "as many names as long": None,
    "deep lists": "more layers, names or values than a trace may have",
    "a long number": "integer string conversion",
    "spaces": "zarr.json has 104857600 bytes",
    "large kernels": "array maps/002_long is missing",
    "a crowded directory": "its directory has more than",
    "as crowded a directory as there may be": "two files of one name",
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_would_blow_up_is_refused_for_that_reason(tmp_path, name):
    """tests/fuzz holds the same files against bounds on memory and time."""
    (tmp_path / "t.zip").write_bytes(KNOWN[name]())
    if WHAT[name] is None:
        open_trace(tmp_path / "t.zip").check()
    else:
        assert WHAT[name] in refusal(tmp_path / "t.zip")
