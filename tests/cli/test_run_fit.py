"""`hwsim run` on networks that the machine does not hold: one line, or a larger machine and a mark."""

import json

import numpy as np
import pytest

from hwsim.layer import Layer
from hwsim.trace import MapInfo, TraceWriter

LAYERS = (
    Layer("first", "conv", "in", (3, 40, 4), (4, 40, 4), (3, 3), padding=(1, 1), output="mid"),
    Layer("tall", "conv", "mid", (4, 40, 4), (2, 1, 4), (40, 1)),
)


@pytest.fixture
def trace(tmp_path):
    """A trace whose second layer has more kernel rows than any machine takes."""
    maps = [MapInfo(layer.input, layer.in_shape, 8, 2, False, 1.0) for layer in LAYERS]
    place = tmp_path / "tall.zarr"
    with TraceWriter(
        place,
        network="tall",
        variant="baseline",
        synthetic=False,
        provenance={},
        layers=LAYERS,
        maps=maps,
        images=1,
        weight_bits=8,
    ) as writer:
        for info in maps:
            writer.write_map(info.name, 0, np.ones(info.shape, np.uint16))
    return place


@pytest.fixture
def small(tmp_path):
    """A machine whose weight memory is too small for the first layer."""
    path = tmp_path / "small.toml"
    path.write_text("weight_words = 26\n")
    return path


def test_without_fit_the_layer_the_number_of_others_and_the_way_on_are_one_line(hwsim, trace, small):
    code, out, error = hwsim("run", trace, "--arch", small)
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert "layer first: needs 27 weight words" in error
    assert "(1 more do not run)" in error
    assert "--fit" in error


def test_with_fit_the_rest_runs_and_both_changes_are_said(hwsim, trace, small):
    code, out, _ = hwsim("run", trace, "--arch", small, "--fit")
    assert code == 0
    assert "The machine is grown to hold the network: weight_words 26 -> 28." in out
    assert "Not a whole network: 1 layer is left out" in out
    assert "Left out: layer tall: rows of the kernel" in out
    assert "first" in out


def test_report_and_json_have_the_machine_that_ran_and_what_is_left_out(hwsim, trace, small, tmp_path):
    code, out, _ = hwsim("run", trace, "--arch", small, "--fit", "--json", "--out", tmp_path / "out")
    assert code == 0
    found = json.loads(out)
    assert found["arch"]["weight_words"] == 28
    assert [(entry["layer"], entry["macs"]) for entry in found["left_out"]] == [("tall", 4 * 40 * 2 * 4)]
    assert "Not a whole network" in (tmp_path / "out" / "report.html").read_text()


def test_fit_changes_nothing_for_a_network_that_the_machine_holds(hwsim):
    plain, fitted = (hwsim("run", *words)[1] for words in ((), ("--fit",)))
    assert plain == fitted
