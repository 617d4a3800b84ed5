"""Row counts of the calibration pictures come back, or are refused; a trace without them says so."""

import numpy as np
import pytest

from hwsim.errors import TraceError
from hwsim.synthetic import synthesize, synthetic_trace
from hwsim.trace import open_trace
from hwsim.trace.shipped import shipped_trace, shipped_traces
from traces import Tiny

PICTURES = 7


def counts(tiny: Tiny, name: str) -> np.ndarray:
    info = next(info for info in tiny.maps if info.name == name)
    channels, height, width = info.shape
    made = np.random.default_rng(len(name)).integers(0, PICTURES * width + 1, (channels, height))
    made.flat[:2] = 0, PICTURES * width  # the extremes among them
    return made


def write(place, **changes):
    tiny = Tiny()
    with tiny.writer(place, **changes) as writer:
        for info in tiny.maps:
            writer.write_row_counts(info.name, counts(tiny, info.name), PICTURES)
        tiny.fill(writer)
    return place


@pytest.mark.parametrize("name", ["t", "t.zip"])
def test_row_counts_come_back(tmp_path, name):
    with open_trace(write(tmp_path / name)) as trace:
        trace.check()
        assert trace.calibration_pictures == PICTURES
        for map_ in trace.maps:
            found = trace.row_counts(map_)
            assert found.dtype == np.int64
            np.testing.assert_array_equal(found, counts(Tiny(), map_))
        with pytest.raises(TraceError, match="has no map nowhere"):
            trace.row_counts("nowhere")


@pytest.mark.parametrize("name", shipped_traces())
def test_a_shipped_trace_has_the_row_counts_of_its_calibration_pictures(name):
    with open_trace(shipped_trace(name)) as trace:
        photographs = name in ("inception_v3/baseline", "mobilenet_v1_imagenet/baseline")
        assert trace.calibration_pictures == (1 if photographs else 32)
        own = mean = 0.0
        for map_, info in trace.maps.items():
            found = trace.row_counts(map_)
            assert found.shape == info.shape[:2]
            own += sum(np.count_nonzero(trace.map(map_, n)) for n in range(trace.images)) / trace.images
            mean += found.sum() / trace.calibration_pictures
        assert own / 2 <= mean <= own * 2  # other pictures of the same network


def test_a_trace_without_row_counts_says_none(tmp_path):
    with open_trace(Tiny().write(tmp_path / "t")) as trace:
        assert trace.calibration_pictures == 0
        assert {trace.row_counts(name) for name in trace.maps} == {None}


def test_damaged_row_counts_are_refused(tmp_path):
    where = write(tmp_path / "t")
    chunk = where / "rows/000_image/c/0/0"
    chunk.write_bytes((where / "rows/001__fc_in_put/c/0/0").read_bytes())
    with open_trace(where) as trace, pytest.raises(TraceError, match="row"):
        trace.check()
    chunk.unlink()
    with open_trace(where) as trace, pytest.raises(TraceError, match="row counts of map image is damaged"):
        trace.row_counts("image")


def test_row_counts_that_do_not_fit_are_refused(tmp_path):
    tiny = Tiny()
    good = counts(tiny, "image")
    bad = {
        "no map nowhere": ("nowhere", good, PICTURES),
        "must be integers of shape": ("image", good[:, :2], PICTURES),
        "must be within 0 .. 4, not 0 .. 28": ("image", good, 1),
        "are written twice": ("image", good, PICTURES),
    }
    writer = tiny.writer(tmp_path / "t").__enter__()
    tiny.fill(writer)
    for told, given in bad.items():
        if told == "are written twice":
            writer.write_row_counts(*given)
        with pytest.raises(TraceError, match=told):
            writer.write_row_counts(*given)
    with pytest.raises(TraceError, match="are not those of the maps"):
        writer.__exit__(None, None, None)  # the other map's are missing


def test_a_trace_that_is_taken_up_again_has_its_row_counts(tmp_path):
    tiny, where = Tiny(), tmp_path / "t"
    writer = tiny.writer(where, unfinished="keep").__enter__()
    for info in tiny.maps:
        writer.write_row_counts(info.name, counts(tiny, info.name), PICTURES)
        writer.write_map(info.name, 0, tiny.codes(info.name, 0))
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with tiny.writer(where, unfinished="resume") as writer:
        assert writer.images_written == {0}
        for info in tiny.maps:
            writer.write_row_counts(info.name, counts(tiny, info.name), PICTURES)
            writer.write_map(info.name, 1, tiny.codes(info.name, 1))
        for layer in tiny.layers:
            writer.write_weights(layer, tiny.weights(layer), tiny.scale(layer))
            writer.write_requantize(layer, tiny.requantize(layer))
    with open_trace(where) as trace, open_trace(write(tmp_path / "whole")) as whole:
        trace.check()
        assert trace.digest == whole.digest


def test_a_synthetic_trace_counts_its_calibration_image_and_not_the_one_that_is_run(tmp_path):
    synthesize("lenet5", tmp_path / "t", 0.3, seed=5)
    memory = synthetic_trace("lenet5", 0.3, seed=5)
    with open_trace(tmp_path / "t") as trace:
        assert trace.calibration_pictures == memory.calibration_pictures == 1
        for name, info in trace.maps.items():
            found = trace.row_counts(name)
            np.testing.assert_array_equal(found, memory.row_counts(name))
            run = np.count_nonzero(trace.map(name, 0), axis=2)
            if name == "image":
                np.testing.assert_array_equal(found, run)  # both are dense
            else:
                assert found.sum() == run.sum() == round(0.3 * np.prod(info.shape))
                assert (found != run).any()
    with pytest.raises(TraceError, match="no map nowhere"):
        memory.row_counts("nowhere")
