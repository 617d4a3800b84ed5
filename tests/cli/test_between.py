"""``hwsim info`` of a trace of schema 2: its operators, and how far integers are from the captured maps."""

import json

import numpy as np
import pytest

from hwsim.between import Flow, MaxPool, Value
from hwsim.layer import Layer
from hwsim.quantize import Requantize
from hwsim.trace import MapInfo, TraceWriter
from traces import Tiny


@pytest.fixture
def trace(tmp_path):
    """A convolution, a pool, a layer on a map that integers do not make; the pooled map differs by hand."""
    layers = [
        Layer("a", "conv", "image", (1, 4, 4), (1, 4, 4)),
        Layer("b", "linear", "pooled", (1, 2, 2), (1, 2, 2)),
        Layer("c", "linear", "normed", (1, 1, 1), (1, 1, 1)),
    ]
    shapes = {"image": (1, 4, 4), "pooled": (1, 2, 2), "normed": (1, 1, 1)}
    values = tuple(Value(f"{layer.name}.result", layer.out_shape, 8, False, 1.0) for layer in layers)
    flow = Flow(
        ("image",),
        {layer.name: f"{layer.name}.result" for layer in layers},
        values,
        (MaxPool(("a.result",), "pooled", (2, 2), (2, 2), (0, 0, 0, 0)),),
        {"normed": "LayerNorm"},
    )
    place = tmp_path / "t.zip"
    with TraceWriter(
        place,
        network="n",
        variant="v",
        synthetic=False,
        provenance={},
        layers=layers,
        maps=[MapInfo(name, shape, 8, 0, False, 1.0) for name, shape in shapes.items()],
        images=2,
        flow=flow,
    ) as writer:
        for layer in layers:
            writer.write_weights(layer, np.ones(layer.weight_shape, np.int16), 1.0)
            writer.write_requantize(layer, Requantize(np.zeros(1, int), np.full(1, 2), 1, True, 8, False, 0))
        for number in range(2):
            image = np.arange(16, dtype=np.uint16).reshape(1, 4, 4) + number
            writer.write_map("image", number, image)
            pooled = image.reshape(1, 2, 2, 2, 2).max(axis=(2, 4))
            pooled[0, 0, 0] -= 4 * number  # one of the eight values of both pictures
            writer.write_map("pooled", number, pooled)
            writer.write_map("normed", number, np.ones((1, 1, 1), np.uint16))
    return place


def test_info_lists_operators_and_what_integers_do_not_make(hwsim, trace):
    code, out, _ = hwsim("info", trace)
    assert code == 0
    assert "Between the maps, 1 operators:" in out
    assert "captured, not made by integers: normed (LayerNorm)" in out
    row = next(line for line in out.splitlines() if line.startswith("max pool"))
    assert "a.result" in row
    assert "pooled" in row
    document = json.loads(hwsim("info", trace, "--json")[1])
    assert document["flow"]["kinds"] == {"max_pool": 1}
    assert document["flow"]["operators"][0]["output"] == "pooled"
    assert document["differences"] == []


def test_info_says_how_far_integers_and_captured_maps_differ(hwsim, trace):
    code, out, _ = hwsim("info", trace, "--integers")
    assert code == 0
    assert "against its captured maps, 2 pictures" in out
    assert "12.50%" in next(line for line in out.splitlines() if line.startswith("pooled"))
    rows = {
        row["map"]: row for row in json.loads(hwsim("info", trace, "--integers", "--json")[1])["differences"]
    }
    assert rows["pooled"] == {
        **{"map": "pooled", "origin": "integers", "values": 8, "differ": 1},
        **{"largest": 4, "mean": 0.5, "reach": 16},
    }
    assert [rows[name]["origin"] for name in ("image", "normed")] == ["input", "captured"]
    first = json.loads(hwsim("info", trace, "--integers", "--images", "1", "--json")[1])["differences"]
    assert [row["differ"] for row in first] == [0, 0, 0]


def test_a_trace_without_a_flow_says_so(hwsim, tmp_path):
    tiny = Tiny().write(tmp_path / "tiny")
    assert "What lies between the maps is not recorded." in hwsim("info", tiny)[1]
    code, out, err = hwsim("info", tiny, "--integers")
    assert (code, out) == (1, "")
    assert "does not say what lies between its maps: capture the network again" in err


def test_a_report_says_how_far_integers_are_from_the_maps(hwsim, trace, tmp_path):
    code, out, _ = hwsim("run", trace, "--integers", "--json", "--out", tmp_path / "out")
    assert code == 0
    expected = json.loads(hwsim("info", trace, "--integers", "--json")[1])["differences"]
    found = json.loads(out)["differences"]
    assert [{key: row[key] for key in expected[0]} for row in found] == expected
    assert [row["share"] for row in found] == [row["differ"] / row["values"] for row in expected]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "The network in integers" in page
    without = tmp_path / "without"
    assert json.loads(hwsim("run", trace, "--json", "--out", without)[1])["differences"] == []
    assert "The network in integers" not in (without / "report.html").read_text()


def test_integers_without_a_report_are_refused(hwsim, trace):
    code, _, error = hwsim("run", trace, "--integers")
    assert (code, "add --out DIR or --json" in error) == (2, True)
