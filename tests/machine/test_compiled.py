"""Who does what is fixed before a picture is seen: by the calibration's row counts, or as if all counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from random_networks import MemoryTrace, chains, machines

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine import compiled
from hwsim.machine.compiled import CompiledNetwork
from hwsim.machine.runs import MODES
from hwsim.machine.simulation import simulate
from hwsim.machine.workload import Workload
from hwsim.trace import open_trace

# A layer of 1x1: its rows share nothing, so that those that cost most go apart.
SHAPE = (2, 4, 10)
LAYER = Layer("l", "conv", "m0", SHAPE, (1, 4, 10))
TWO_CORES = Arch(cores=2)


def trace_of(values: np.ndarray, counts: np.ndarray | None = None, pictures: int = 0) -> MemoryTrace:
    """A picture, and non-zeros of calibration pictures, (C, H)."""
    known = None if counts is None else {"m0": counts}
    return MemoryTrace((LAYER,), {"m0": values[None].astype(np.uint16)}, 0, 8, known, pictures)


def rows_of(trace: MemoryTrace, arch: Arch, layer: Layer = LAYER) -> list[list[int]]:
    return [rows.tolist() for rows in CompiledNetwork(trace).mapping(layer, arch).groups]


def test_rows_go_apart_that_have_many_values_in_the_calibration_pictures():
    values = np.zeros(SHAPE)
    values[:, :2] = 1  # the picture has all its values in the upper rows, the calibration in the outer ones
    counts = np.array([[90, 3, 3, 90], [100, 3, 3, 100]])
    assert rows_of(trace_of(values, counts, 10), TWO_CORES) == [[0, 1], [2, 3]]
    counts = np.array([[90, 90, 3, 3], [100, 100, 3, 3]])
    assert rows_of(trace_of(values, counts, 10), TWO_CORES) == [[0, 2], [1, 3]]


def test_the_baseline_and_a_trace_without_counts_have_rows_as_if_no_value_were_zero():
    counts = np.array([[90, 3, 3, 90], [100, 3, 3, 100]])
    everything = np.full((2, 4), 10)
    alike = rows_of(trace_of(np.zeros(SHAPE), everything, 1), TWO_CORES)
    assert rows_of(trace_of(np.zeros(SHAPE), counts, 10), TWO_CORES.dense()) == alike
    assert rows_of(trace_of(np.zeros(SHAPE)), TWO_CORES) == alike
    # A machine that stores maps raw and skips zeros knows the calibration pictures just as well.
    raw = TWO_CORES.replace(compress=False)
    assert rows_of(trace_of(np.zeros(SHAPE), counts, 10), raw) == [[0, 1], [2, 3]] != alike


def test_a_layer_has_the_counts_of_its_own_map_and_channels():
    # Two channels in segments of one: each depthwise unit reads its own, the convolution behind both.
    layers = (
        Layer("dw", "depthwise", "m0", SHAPE, SHAPE, output="m1"),
        Layer("pw", "conv", "m1", SHAPE, (1, 4, 10)),
    )
    values = {name: np.ones((1, *SHAPE), np.uint16) for name in ("m0", "m1")}
    counts = {"m0": np.array([[9, 0, 0, 1], [0, 9, 1, 0]]), "m1": np.array([[9, 9, 0, 1], [9, 9, 1, 0]])}
    arch = Arch(cores=2, columns=1)
    trace = MemoryTrace(layers, values, 0, 8, counts, 1)
    network = CompiledNetwork(trace)
    assert network.blocks(arch) == {"m0": 1, "m1": 1}
    assert rows_of(trace, arch, layers[1]) == [[0, 2], [1, 3]]
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "map_layer", lambda layer, arch, counts, block: seen.append(counts.tolist()))
        for layer in layers:
            network.mapping(layer, arch)
    assert seen == [counts["m0"].T.tolist(), counts["m1"].T.tolist()]


@pytest.mark.parametrize(
    ("total", "pictures", "mean"),
    [(4, 3, 1), (5, 3, 2), (5, 2, 3), (6, 4, 2), (5, 4, 1), (0, 7, 0), (9, 1, 9)],
)
def test_a_mean_is_taken_to_the_nearest_value(monkeypatch, total, pictures, mean):
    seen = []
    monkeypatch.setattr(
        compiled, "map_layer", lambda layer, arch, counts, block: seen.append(counts.tolist())
    )
    counts = np.array([[total - 1 if total else 0, 0, 0, 0], [1 if total else 0, 0, 0, 0]])
    CompiledNetwork(trace_of(np.ones(SHAPE), counts, pictures)).mapping(LAYER, Arch())
    assert seen == [[[mean], [0], [0], [0]]]  # both channels lie in a segment


class Unseen(MemoryTrace):
    """A trace whose pictures nobody may look at."""

    def map(self, name: str, image: int) -> np.ndarray:
        raise AssertionError(f"map {name} of picture {image} was looked at")


@settings(max_examples=60)
@given(chains(), machines)
def test_a_network_is_compiled_without_a_look_at_a_picture(trace, arch):
    network = CompiledNetwork(Unseen(**vars(trace)))
    for machine in (arch, arch.dense()):
        for job in Workload(trace, 0).jobs(machine):
            blind = network.mapping(job.layer, machine)
            assert [rows.tolist() for rows in blind.groups] == [rows.tolist() for rows in job.mapping.groups]
            assert blind.rounds == job.mapping.rounds


@settings(max_examples=40)
@given(chains(images=3), machines)
def test_other_pictures_of_a_run_change_nothing_of_one(trace, arch):
    turned = MemoryTrace(**{**vars(trace), "values": {n: each[::-1] for n, each in trace.values.items()}})
    for mode in MODES:
        runs = {run.image: [] for run in simulate(trace, arch).runs(mode)}
        for run in simulate(trace, arch).runs(mode):
            runs[run.image].append(vars(run) | {"image": None})
        for run in simulate(turned, arch).runs(mode):
            assert vars(run) | {"image": None} == runs[2 - run.image].pop(0)
        assert not any(runs.values())


def test_a_layer_is_mapped_once_for_all_pictures_and_once_for_layers_that_are_alike(monkeypatch):
    mapped = []
    search = compiled.map_layer
    monkeypatch.setattr(
        compiled, "map_layer", lambda layer, *rest: mapped.append(layer.name) or search(layer, *rest)
    )
    layers = tuple(Layer(f"l{i}", "conv", f"m{i}", SHAPE, SHAPE, output=f"m{i + 1}") for i in range(2))
    values = {f"m{i}": np.ones((3, *SHAPE), np.uint16) for i in range(2)}
    counts = {name: np.full((2, 4), 5) for name in values}
    result = simulate(MemoryTrace(layers, values, 0, 8, counts, 1))
    assert result.calibration_pictures == 1
    assert mapped == ["l0", "l1", "l0"]  # by their counts, and once for the baseline


def test_a_chain_of_which_the_trace_says_what_makes_its_maps_is_run_whole():
    silent = trace_of(np.ones(SHAPE))
    assert not simulate(silent).chain
    assert CompiledNetwork(silent).links() is None
    with open_trace("lenet5_digits/sparse") as told:
        assert [link.remade for link in CompiledNetwork(told).links()] == [True, True, False, False, False]
        assert simulate(told, images=[0]).chain


def test_what_is_forgotten_is_mapped_anew_and_nothing_else(monkeypatch):
    asked = []
    search, blocks = compiled.map_layer, compiled.map_blocks
    monkeypatch.setattr(compiled, "map_layer", lambda *given: asked.append("mapping") or search(*given))
    monkeypatch.setattr(compiled, "map_blocks", lambda *given: asked.append("blocks") or blocks(*given))
    trace = trace_of(np.ones(SHAPE), np.full((2, 4), 5), 1)
    rows = trace.row_counts
    monkeypatch.setattr(trace, "row_counts", lambda name: asked.append("rows") or rows(name))
    network = CompiledNetwork(trace)
    before = network.mapping(LAYER, Arch())
    assert network.mapping(LAYER, Arch()) is before
    assert sorted(asked) == ["blocks", "mapping", "rows"]
    network.forget()
    assert network.mapping(LAYER, Arch()) is not before
    assert sorted(asked) == ["blocks", "mapping", "mapping", "rows"]


def test_without_counts_every_value_of_a_segment_counts_and_the_last_has_fewer(monkeypatch):
    seen = []
    monkeypatch.setattr(
        compiled, "map_layer", lambda layer, arch, counts, block: seen.append(counts.tolist())
    )
    layer = Layer("l", "conv", "m0", (5, 3, 7), (1, 3, 7))
    trace = MemoryTrace((layer,), {"m0": np.ones((1, 5, 3, 7), np.uint16)}, 0, 8)
    CompiledNetwork(trace).mapping(layer, Arch(columns=2))
    assert seen == [[[14, 14, 7]] * 3]
