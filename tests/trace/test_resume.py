"""A trace that was left unfinished is taken up again, and is then the same as one written in one go."""

import pytest

from hwsim import open_trace
from hwsim.errors import TraceError
from traces import Tiny


class Interrupted(Exception):
    """What stops a writing in these tests."""


def write(place, images, **changes) -> list[int]:
    """Write these images of the tiny trace if they are not there, and stop unless they are the last ones."""
    tiny, written = Tiny(images=3), []
    with tiny.writer(place, **changes) as writer:
        for layer in tiny.layers:
            writer.write_weights(layer, tiny.weights(layer), tiny.scale(layer))
            writer.write_requantize(layer, tiny.requantize(layer))
        for image in images:
            if image not in writer.images_written:
                written.append(image)
                for info in tiny.maps:
                    writer.write_map(info.name, image, tiny.codes(info.name, image))
        if writer.images_written != {0, 1, 2}:
            writer.write_map(
                tiny.maps[0].name, 2, tiny.codes(tiny.maps[0].name, 2)
            )  # and no more of this image
            raise Interrupted
    return written


@pytest.fixture(params=["tiny.zarr", "tiny.zarr.zip"])
def place(request, tmp_path):
    return tmp_path / request.param


def test_an_interrupted_trace_goes_on_where_it_stopped(place, tmp_path):
    with pytest.raises(Interrupted):
        write(place, [1], unfinished="keep")
    assert not place.exists()
    with pytest.raises(Interrupted):
        write(place, [0, 1], unfinished="resume")
    assert write(place, [0, 1, 2], unfinished="resume") == [2]
    with open_trace(place) as trace, open_trace(Tiny(images=3).write(tmp_path / "whole.zip")) as whole:
        Tiny(images=3).assert_equal(trace)
        trace.check()
        assert trace.digest == whole.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([place.name, "whole.zip"])


def test_resuming_what_is_not_there_begins(place):
    assert write(place, [0, 1, 2], unfinished="resume") == [0, 1, 2]
    assert not list(place.rglob("journal*"))


def test_a_line_that_was_cut_short_does_not_count(place):
    with pytest.raises(Interrupted):
        write(place, [0, 1], unfinished="keep")
    journal = place.with_name(f"{place.name}.partial") / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    assert write(place, [0, 1, 2], unfinished="resume") == [1, 2]
    with open_trace(place) as trace:
        trace.check()


@pytest.mark.parametrize("change", [{"variant": "sparse"}, {"provenance": {"pictures": "others"}}])
def test_another_capture_is_not_gone_on_with(place, change):
    with pytest.raises(Interrupted):
        write(place, [0], unfinished="keep")
    with pytest.raises(TraceError, match="is of another capture"):
        write(place, [0, 1, 2], unfinished="resume", **change)
    assert write(place, [0, 1, 2], unfinished="resume") == [1, 2]


def test_without_resuming_what_was_kept_is_in_the_way_until_it_is_overwritten(place):
    with pytest.raises(Interrupted):
        write(place, [0], unfinished="keep")
    with pytest.raises(TraceError, match="resume it, remove it or overwrite it"):
        write(place, [0, 1, 2], unfinished="keep")
    assert write(place, [0, 1, 2], unfinished="keep", overwrite=True) == [0, 1, 2]


def test_a_trace_at_a_url_cannot_be_kept_unfinished():
    with pytest.raises(TraceError, match="local"):
        write("memory://kept", [0], unfinished="keep")
