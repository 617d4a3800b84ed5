"""What lies between the maps comes back from a trace, or is refused; a trace without it stays what it was."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from flow_cases import Case, networks
from hypothesis import HealthCheck, given, settings

from hwsim.between import Value
from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.quantize import Requantize
from hwsim.reference import run_network
from hwsim.trace import TraceWriter, header, open_trace
from hwsim.trace.shipped import shipped_trace, shipped_traces
from traces import Tiny


def header_of(case: Case):
    """What a writer asks for."""
    return {
        "network": "case",
        "variant": "v",
        "synthetic": False,
        "provenance": {},
        "layers": case.layers,
        "maps": case.maps,
        "images": 1,
        "weight_bits": 8,
        "flow": case.flow,
        "overwrite": True,
    }


def fill(writer: TraceWriter, case: Case):
    """Write the maps and layers."""
    for name, codes in run_network(case, 0).items():
        if name in case.maps:
            writer.write_map(name, 0, codes)
    for layer in case.layers:
        writer.write_weights(layer, case.weights(layer), 1.0)
        writer.write_requantize(layer, case.requantize(layer))


def write(case: Case, place, **changes):
    """A trace of the case, with one image."""
    with TraceWriter(place, **{**header_of(case), **changes}) as writer:
        fill(writer, case)
    return place


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=6, deadline=None)
@given(case=networks())
def test_a_flow_comes_back_and_makes_the_same_maps(tmp_path, case):
    with open_trace(write(case, tmp_path / "t")) as trace:
        assert trace.flow == case.flow
        made, expected = run_network(trace, 0), run_network(case, 0)
        assert made.keys() == expected.keys()
        for name, codes in made.items():
            np.testing.assert_array_equal(codes, expected[name])
    assert header.load((tmp_path / "t/zarr.json").read_bytes(), "t").flow == case.flow


def test_what_a_network_ends_in_comes_back_and_is_checked(tmp_path):
    case = small()
    with TraceWriter(tmp_path / "t", **header_of(case), ends=["result"]) as writer:
        fill(writer, case)
        writer.write_map("result", 0, np.array([[[7]]]))
    with open_trace(tmp_path / "t") as trace:
        assert list(trace.ends) == ["result"]
        assert trace.end("result", 0).tolist() == [[[7]]]
        trace.check()
        with pytest.raises(TraceError, match="no end image; it has result"):
            trace.end("image", 0)
        with pytest.raises(TraceError, match="no image 1"):
            trace.end("result", 1)
    chunk = tmp_path / "t/ends/000_result/c/0/0/0/0"
    chunk.unlink()
    with open_trace(tmp_path / "t") as trace, pytest.raises(TraceError, match="end result of image 0 is dam"):
        trace.check()


def test_an_end_is_a_value_of_the_flow_and_must_be_written(tmp_path):
    case = small()
    with pytest.raises(TraceError, match="end in image, which is no value"):
        TraceWriter(tmp_path / "t", **header_of(case), ends=["image"])
    with (
        pytest.raises(TraceError, match="result of image 0 was not written"),
        TraceWriter(tmp_path / "t", **header_of(case), ends=["result"]) as writer,
    ):
        fill(writer, case)


def small() -> Case:
    """One layer over one pixel."""
    case = Case({name: Value(name, (1, 1, 1), 8, False, 1.0) for name in ("image", "result")})
    case.layers.append(Layer("l", "linear", "image", (1, 1, 1), (1, 1, 1)))
    case.results["l"] = "result"
    case.codes["image"] = np.ones((1, 1, 1), np.uint16)
    case.all_weights["l"] = np.ones((1, 1, 1, 1), np.int16)
    case.drains["l"] = Requantize(np.zeros(1, int), np.ones(1, int), 1, True, 8, False, 0)
    return case


def test_a_flow_of_another_network_is_refused(tmp_path):
    case = small()
    write(case, tmp_path / "t")
    with pytest.raises(TraceError, match="nowhere is made, and is neither a map nor a value"):
        write(case, tmp_path / "t", flow=replace(case.flow, inputs=("image", "nowhere")))
    case.drains["l"] = replace(case.drains["l"], bits=9)
    with pytest.raises(TraceError, match="layer l makes other integers than its result result has"):
        write(case, tmp_path / "t")


def test_the_schema_is_2_and_a_trace_of_schema_1_opens_with_its_digest(tmp_path):
    where = Tiny().write(tmp_path / "t")
    root = json.loads((where / "zarr.json").read_text())
    ours = root["attributes"]["hwsim"]
    assert ours["schema"] == 2
    assert not {"flow", "row_counts"} & set(ours["trace"])  # so all of it is as schema 1 has it
    ours["schema"] = 1
    (where / "zarr.json").write_text(json.dumps(root))
    with open_trace(where) as trace:
        trace.check()
        Tiny().assert_equal(trace)
        assert (trace.flow, trace.calibration_pictures) == (None, 0)
        assert trace.digest == ours["sha256"]


@pytest.mark.parametrize("name", shipped_traces())
def test_shipped_traces_have_the_digest_that_is_written_in_them(name):
    with zipfile.ZipFile(shipped_trace(name)) as archive:
        ours = json.loads(archive.read("zarr.json"))["attributes"]["hwsim"]
    with open_trace(shipped_trace(name)) as trace:
        assert trace.digest == ours["sha256"]
        assert (trace.flow is None and not trace.calibration_pictures) == (ours["schema"] == 1)
