"""The shipped Inception-V3: what it is said to be, counted from the trace alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from hwsim import open_trace
from hwsim.reproduce.entry import read_tables
from hwsim.reproduce.sources import DATA

TRACES = Path(__file__).parents[2] / "traces"
FOLDER = TRACES / "inception_v3"
sys.path.insert(0, str(TRACES))


@pytest.fixture(scope="module")
def trace():
    with open_trace(FOLDER / "baseline.zarr.zip") as opened:
        yield opened


@pytest.fixture(scope="module")
def blocks():
    return json.loads((FOLDER / "metrics.json").read_text())["8"]


def nonzero_macs(trace, layers):
    """Valid MACs with a non-zero activation, from the definition: every tap, shifted over the padded map."""
    total = 0
    for layer in layers:
        map_ = (trace.map(layer.input, 0) != 0).sum(axis=0)
        (top, left), (step_y, step_x) = layer.padding, layer.stride
        _, rows, columns = layer.out_shape
        for y in range(layer.kernel[0]):
            for x in range(layer.kernel[1]):
                ys = [r * step_y - top + y for r in range(rows)]
                xs = [c * step_x - left + x for c in range(columns)]
                ys = [i for i in ys if 0 <= i < map_.shape[0]]
                xs = [i for i in xs if 0 <= i < map_.shape[1]]
                total += int(map_[np.ix_(ys, xs)].sum()) * layer.out_shape[0]
    return total


def test_it_is_whole_small_and_without_weights(trace):
    trace.check()
    assert (FOLDER / "baseline.zarr.zip").stat().st_size < 5_500_000
    assert {info.bits for info in trace.maps.values()} == {8}
    assert not trace.header.weights
    assert (FOLDER / "LICENSE-weights.txt").read_text().startswith("MIT License")


def test_it_has_the_geometry_of_inception_v3(trace):
    convolutions = [layer for layer in trace.layers if layer.kind == "conv"]
    assert len(convolutions) == 94
    assert len(trace.layers) == 97
    assert sum(layer.macs for layer in trace.layers) == pytest.approx(5.47e9, rel=1e-3)
    assert [layer.out_shape[0] for layer in trace.layers[-3:]] == [256, 128, 5]


def test_the_frozen_part_is_of_the_size_that_its_makers_name(trace):
    photographed = pytest.importorskip("photographed")
    kept = [layer for layer in trace.layers if photographed.inception_frozen(layer.name)]
    assert len(kept) == 51
    assert sum(layer.macs for layer in kept) == pytest.approx(3.54e9, rel=1e-3)


def test_blocks_are_those_of_keras(trace, blocks):
    assert list(blocks) == ["stem", *(f"mixed{number}" for number in range(11)), "head", "all"]
    assert sum(block["macs"] for name, block in blocks.items() if name != "all") == blocks["all"]["macs"]


def test_its_densities_are_those_of_its_maps(trace, blocks):
    picture = trace.layers[0].input
    hidden = [name for name in trace.maps if name != picture]
    nonzeros = sum(np.count_nonzero(trace.map(name, 0)) for name in hidden)
    values = sum(np.prod(trace.maps[name].shape) for name in hidden)
    assert blocks["all"]["element_density"] == pytest.approx(nonzeros / values)
    macs = nonzero_macs(trace, trace.layers)
    assert blocks["all"]["mac_density"] == pytest.approx(macs / blocks["all"]["macs"])


def test_rows_that_are_not_shipped_are_kept_for_the_tables():
    for name, variants in (
        ("inception_v3", {("", "16 bits"), (", frozen part", "8 bits"), (", frozen part", "16 bits")}),
        ("mobilenet_v2", {("", "16 bits"), ("", "8 bits")}),
    ):
        rows = read_tables(DATA / f"{name}.json").entries
        assert {(row.network.removeprefix(f"{name}, fine-tuned"), row.variant) for row in rows} == variants
