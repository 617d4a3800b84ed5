"""A writing that is killed at any of its steps loses no whole image and leaves no half trace as one."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from deaths import deaths, tree

from hwsim import open_trace
from hwsim.errors import TraceError
from hwsim.trace import TraceWriter, arrays
from traces import Tiny


@dataclass(frozen=True)
class Small(Tiny):
    """The last layer of the tiny trace alone: few files, so that a writing has few steps."""

    @property
    def maps(self):
        return super().maps[1:]

    @property
    def layers(self):
        return super().layers[1:]

    def codes(self, name, image):
        return (super().codes(name, image + 1) + image + 1).astype("u2")


NEW, OLD = Small(images=2), Small(images=1, seed=7)
SHM = Path("/dev/shm")


class Interrupted(Exception):
    """What stops a writing in these tests."""


def fill(writer: TraceWriter, tiny: Tiny, images=None) -> None:
    """As a capture does: weights first, then the images that are not there."""
    for layer in tiny.layers:
        writer.write_weights(layer, tiny.weights(layer), tiny.scale(layer))
        writer.write_requantize(layer, tiny.requantize(layer))
    for image in range(tiny.images) if images is None else images:
        if image not in writer.images_written:
            for info in tiny.maps:
                writer.write_map(info.name, image, tiny.codes(info.name, image))


def write(place, tiny=NEW, **changes) -> None:
    with tiny.writer(place, **changes) as writer:
        fill(writer, tiny)


def interrupt(place, tiny, images, **changes) -> None:
    """Write some images, and stop."""

    def stop() -> None:
        with tiny.writer(place, **{"unfinished": "keep", **changes}) as writer:
            fill(writer, tiny, images)
            raise Interrupted

    with pytest.raises(Interrupted):
        stop()


@pytest.fixture
def folder():
    """In memory where that can be had, since thousands of small files are written and removed."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture(params=["t.zarr", "t.zarr.zip"])
def place(request, folder):
    return folder / request.param


@pytest.fixture
def undisturbed(place, tmp_path):
    write(tmp_path / place.name)
    return tree(tmp_path / place.name)


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def assert_alone(place, undisturbed, when) -> None:
    """The trace is the undisturbed one, and nothing lies beside it."""
    assert tree(place) == undisturbed, when
    assert [path.name for path in place.parent.iterdir()] == [place.name], when


def assert_whole_or_not_there(place, *possible: Tiny) -> None:
    """What has the trace's name, if anything, is one of these traces, all of it."""
    if place.exists():
        with open_trace(place) as trace:
            trace.check()
            next(tiny for tiny in possible if tiny.images == trace.images).assert_equal(trace)
    else:
        with pytest.raises(TraceError, match="there is no trace"):
            open_trace(place)


@pytest.mark.parametrize(("first", "torn"), [("discard", False), ("keep", False), ("keep", True)])
def test_a_killed_writing_is_gone_on_with_to_the_same_bytes(place, undisturbed, first, torn):
    for number in deaths(lambda: write(place, unfinished=first), torn):
        assert_whole_or_not_there(place, NEW)
        write(place, unfinished="resume")
        assert_alone(place, undisturbed, f"killed at change {number}")
        empty(place.parent)
    assert_alone(place, undisturbed, "not killed")


def test_a_writing_that_is_killed_again_and_again_comes_to_its_end(place, undisturbed):
    journal, kept = place.with_name(f"{place.name}.partial") / "journal.jsonl", []
    for _ in deaths(lambda: write(place, unfinished="resume"), again=True):
        assert_whole_or_not_there(place, NEW)
        kept.append(journal.read_text().count("image") if journal.exists() else 0)
    assert_alone(place, undisturbed, "in the end")
    assert 1 in kept
    assert kept == sorted(kept)  # no image is lost again


def replacements(place, kept: Path, torn: bool = False):
    """Deaths of a writing in the place of an old trace, which is put back each time."""

    def restore() -> None:
        empty(place.parent)
        shutil.copytree(kept, place) if kept.is_dir() else shutil.copy(kept, place)

    write(kept, OLD)
    restore()
    for number in deaths(lambda: write(place, overwrite=True, unfinished="keep"), torn):
        yield number
        restore()


@pytest.mark.parametrize("torn", [False, True])
def test_a_killed_replacement_leaves_the_old_trace_or_the_new_one(place, undisturbed, tmp_path, torn):
    for number in replacements(place, tmp_path / f"kept_{place.name}", torn):
        assert_whole_or_not_there(place, OLD, NEW)
        write(place, unfinished="resume", overwrite=True)
        assert_alone(place, undisturbed, f"killed at change {number}")


def test_a_replacement_killed_between_its_renamings_gives_the_old_trace_its_name_back(folder, tmp_path):
    place, nameless = folder / "t", 0
    for _ in replacements(place, tmp_path / "kept"):
        nameless += not place.exists()
        with pytest.raises(TraceError, match="exists"):
            write(place)
        assert place.exists()
        assert_whole_or_not_there(place, OLD, NEW)
    assert nameless == 1


def test_what_a_killed_writing_left_is_replaced_on_demand(place, undisturbed):
    for number in deaths(lambda: write(place)):
        write(place, overwrite=True)
        assert_alone(place, undisturbed, f"killed at change {number}")
        empty(place.parent)


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 255]) + data[1:])


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b""), flip])
def test_an_image_whose_data_went_lost_is_written_again(place, undisturbed, damage):
    """A power cut may keep the journal and lose a map; the journal's checksum shows it."""
    interrupt(place, NEW, [0, 1])
    damage(place.with_name(f"{place.name}.partial") / "trace/maps/000__fc_in_put/c/1/0/0/0")
    with NEW.writer(place, unfinished="resume") as writer:
        assert writer.images_written == {0}
        fill(writer, NEW)
    assert_alone(place, undisturbed, "in the end")


def test_a_journal_cut_anywhere_loses_the_cut_line_alone(folder):
    place, kept = folder / "t", folder / "kept"
    interrupt(place, NEW, [0, 1])
    (folder / "t.partial").rename(kept)
    lines = (kept / "journal.jsonl").read_bytes()
    for length in range(0, len(lines) + 1, 3):
        shutil.copytree(kept, folder / "t.partial")
        (folder / "t.partial/journal.jsonl").write_bytes(lines[:length])
        whole = lines[:length].count(b"\n")
        with NEW.writer(place, unfinished="resume") as writer:
            assert writer.images_written == set(range(whole - 1)), f"cut at {length}"
            fill(writer, NEW)
        shutil.rmtree(place)


def test_a_trace_that_is_done_is_not_written_again_when_resumed(place, undisturbed):
    write(place)
    with NEW.writer(place, unfinished="resume") as writer:
        assert writer.images_written == {0, 1}
        fill(writer, NEW)
    with (
        pytest.raises(TraceError, match="exists, with other weights"),
        NEW.writer(place, unfinished="resume"),
    ):
        pass
    with pytest.raises(TraceError, match="exists: remove it"):
        write(place, OLD, unfinished="resume")
    assert_alone(place, undisturbed, "in the end")


def test_a_damaged_trace_is_not_taken_for_done(place, undisturbed):
    write(place)
    if place.is_dir():
        flip(place / "maps/000__fc_in_put/c/1/0/0/0")
    else:
        data = place.read_bytes()
        place.write_bytes(data[:100] + b"\0" * 20 + data[120:])
    with pytest.raises(TraceError, match="exists: remove it"):
        write(place, unfinished="resume")
    write(place, unfinished="resume", overwrite=True)
    assert_alone(place, undisturbed, "in the end")


def test_a_done_trace_does_not_take_the_unfinished_part_of_another_along(place):
    write(place, OLD)
    interrupt(place, NEW, [0], overwrite=True)
    write(place, OLD, unfinished="resume")
    with NEW.writer(place, unfinished="resume", overwrite=True) as writer:
        assert writer.images_written == {0}
        fill(writer, NEW)
    NEW.assert_equal(open_trace(place))


def test_two_writings_at_once_are_told_apart(place):
    with NEW.writer(place) as writer:
        for changes in ({}, {"overwrite": True}, {"unfinished": "resume"}):
            with pytest.raises(TraceError, match="another capture is at work"):
                write(place, **changes)
        fill(writer, NEW)
    NEW.assert_equal(open_trace(place))


def test_a_folder_that_is_no_unfinished_trace_is_left_alone(place):
    mine = place.with_name(f"{place.name}.partial")
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    for changes in ({}, {"overwrite": True}, {"unfinished": "resume", "overwrite": True}):
        with pytest.raises(TraceError, match="is no unfinished trace, it is left alone"):
            write(place, **changes)
    assert (mine / "notes.txt").read_text() == "mine"


def test_more_maps_than_a_zip_file_may_have_are_refused_before_they_are_made(tmp_path):
    with pytest.raises(TraceError, match="too many for a zip file: give a folder"):
        NEW.writer(tmp_path / "t.zip", images=150_000)
    NEW.writer(tmp_path / "t", images=150_000)


def test_a_map_of_several_chunks_is_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 2 * 4)
    write(tmp_path / "whole")
    assert (tmp_path / "whole/maps/000__fc_in_put/c/1/1/0/0").is_file()
    interrupt(tmp_path / "t", NEW, [1])
    with NEW.writer(tmp_path / "t", unfinished="resume") as writer:
        assert writer.images_written == {1}
        fill(writer, NEW)
    assert tree(tmp_path / "t") == tree(tmp_path / "whole")
