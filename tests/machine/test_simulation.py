"""A simulated network equals the clocked array; its numbers add up; wrong requests are refused."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from random_additions import residual
from random_branches import branched
from random_networks import MemoryTrace, chains, machines
from reference_array import run_network
from reference_mapping import Problem, known_values
from reference_rows import reached
from reference_slots import halved

from hwsim.arch import Arch
from hwsim.errors import ArchError, TraceError
from hwsim.layer import Layer
from hwsim.machine.mapping import map_blocks
from hwsim.machine.runs import CAUSES, Mode
from hwsim.machine.simulation import halves, simulate, simulate_machines
from hwsim.trace import open_trace
from hwsim.trace.shipped import shipped_trace
from traces import Tiny


@settings(max_examples=60)
@given(branched(), machines)
def test_maps_of_several_makers_and_readers_cross_the_channel_as_in_the_clocked_array(trace, arch):
    assert_as_clocked(trace, arch)


@settings(max_examples=200)
@given(chains(), machines)
def test_every_layer_takes_the_cycles_of_the_clocked_array_for_its_causes_and_does_the_same(trace, arch):
    assert_as_clocked(trace, arch)


@settings(max_examples=80)
@given(residual(), machines)
def test_what_is_added_to_results_crosses_the_channel_and_holds_layers_up_as_in_the_clocked_array(
    trace, arch
):
    assert_as_clocked(trace, arch)


def assert_as_clocked(trace: MemoryTrace, arch: Arch) -> None:
    result = simulate(trace, arch)
    machines_of: tuple[tuple[Mode, Arch], ...] = (("skipping", arch), ("dense", arch.dense()))
    for mode, machine in machines_of:
        blocks = map_blocks(trace.layers, machine)
        maps = {layer.input: trace.map(layer.input, 0) for layer in trace.layers}
        mappings = []
        for layer in trace.layers:
            block, calibrated = blocks[layer.input], trace.row_counts(layer.input)
            counts = known_values(layer, machine, block, calibrated, trace.calibration_pictures)
            mappings.append(Problem(layer, machine, counts, block).shared())
        blocks = halved(trace.layers, blocks)
        spans = run_network(trace.layers, maps, blocks, mappings, machine, trace.order, trace.bits)
        for run, span, layer in zip(result.runs(mode), spans, trace.layers, strict=True):
            assert (run.start, run.end) == (span.start, span.end)
            assert run.dram == span.moved
            assert run.causes == {cause: span.causes[cause] for cause in CAUSES}
            macs = brute_force_macs(layer, (maps[layer.input] > 0) | (not machine.skip_zeros))
            if layer.kind != "depthwise":  # a grouped layer multiplies by zeros of other groups, too
                assert span.events["mac"] >= macs if layer.groups > 1 else span.events["mac"] == macs
                macs = span.events["mac"]
            assert run.events == span.events | {"mac": macs, "accumulator": macs}


@pytest.mark.parametrize("weight_words", [6, 8, 12, 14, 16, 18, 46, 48, 50, 52, 54, 1000])
@pytest.mark.parametrize("bytes_per_cycle", [1, 16])
def test_weights_run_ahead_as_far_as_the_ring_has_room(weight_words, bytes_per_cycle):
    # A long pass of 6 words, then many short ones of 1 word, which takes the room of 2, then of 6.
    rng = np.random.default_rng(0)
    shapes = [(6, 12, 16), (1, 12, 16), (6, 1, 1)]
    layers, values = [], {}
    for i, (shape, out) in enumerate(zip(shapes, [(1, 12, 16), (20, 1, 1), (20, 1, 1)], strict=True)):
        layers.append(Layer(f"l{i}", "conv", f"m{i}", shape, out, output=f"m{i + 1}"))
        values[f"m{i}"] = rng.integers(1, 200, (1, *shape)).astype(np.uint16)
    arch = Arch(
        cores=1, columns=1, weight_words=weight_words, bytes_per_cycle=bytes_per_cycle, dram_latency=400
    )
    assert_as_clocked(MemoryTrace(tuple(layers), values, 3, 8), arch)


@settings(max_examples=60)
@given(chains(images=2), machines)
def test_every_core_cycle_has_one_cause(trace, arch):
    result = simulate(trace, arch)
    for mode in ("skipping", "dense"):
        for run in result.runs(mode):
            assert sum(run.causes.values()) == run.cycles * arch.cores
            assert min(run.causes.values()) >= 0
            assert run.end - run.start == run.cycles


@settings(max_examples=60)
@given(chains(images=2), machines)
def test_no_layer_takes_less_than_its_multipliers_need_and_no_image_less_than_its_channel(trace, arch):
    result = simulate(trace, arch)
    for mode in ("skipping", "dense"):
        for run, layer in zip(result.runs(mode), trace.layers * trace.images, strict=True):
            skips = mode == "skipping" and arch.skip_zeros
            counted = trace.map(layer.input, run.image) > 0 if skips else True
            macs = brute_force_macs(layer, np.broadcast_to(counted, layer.in_shape))
            assert run.events["mac"] >= macs
            lanes = min(arch.columns, prod(layer.kernel)) if layer.kind == "depthwise" else arch.columns
            assert macs <= run.cycles * arch.cores * lanes
            assert run.least_cycles <= run.cycles
            assert run.least_cycles * arch.peak_macs >= macs
        for image in result.images:
            runs = [run for run in result.runs(mode) if run.image == image]
            moved = sum(sum(run.dram.values()) for run in runs)
            assert moved <= runs[-1].end * arch.bytes_per_cycle
            assert runs[-1].end == sum(run.cycles for run in runs)


def brute_force_macs(layer: Layer, counted: np.ndarray) -> int:
    """MACs over the values that count, value by value."""
    met = sum(
        len(reached(layer, 0, y)) * len(reached(layer, 1, x))
        for _, y, x in zip(*np.nonzero(counted), strict=True)
    )
    return met * layer.filters


@settings(max_examples=40)
@given(chains(images=3), machines)
def test_an_image_takes_the_same_alone_and_among_others(trace, arch):
    together = simulate(trace, arch)
    alone = simulate(trace, arch, images=[1])
    assert list(alone.layers) == [layer for layer in together.layers if layer.image == 1]


def small_trace(**fields) -> MemoryTrace:
    layer = Layer("conv1", "conv", "m0", (2, 4, 4), (3, 4, 4), (3, 3), padding=(1, 1))
    values = {"m0": np.ones((1, 2, 4, 4), np.uint16)}
    return MemoryTrace(**{"layers": (layer,), "values": values, "order": 0, "bits": 8, **fields})


def test_work_is_counted_by_hand():
    trace = small_trace()
    trace.values["m0"][0, 0] = 0  # one of two channels is zero
    (run,) = simulate(trace).runs("skipping")
    assert run.macs == 2 * 3 * 100  # 10 x 10 valid taps along y and x
    assert run.nonzero_macs == run.macs // 2
    assert (run.elements, run.nonzeros) == (32, 16)


def test_ratios_in_a_row_are_those_of_the_sums():
    result = simulate(small_trace(), Arch(cores=2))
    (row,) = result.per_layer()
    assert row["speedup"] == result.speedup == result.total("dense") / result.total("skipping")
    assert row["efficiency"] == pytest.approx(row["speedup"] / row["mac_ratio"])


@pytest.mark.parametrize(
    ("arch", "images", "error", "message"),
    [
        (Arch(activation_bits=4), None, ArchError, "map m0 has 8 bits"),
        (Arch(activation_bits=3), None, ArchError, "activation_bits: the RTL takes 4"),
        (
            Arch(map_buffer=(16 << 20) + 1),
            None,
            ArchError,
            "map_buffer: cores read of at most 16777216 bytes",
        ),
        (Arch(weight_bits=4), None, ArchError, "8-bit weights"),
        (Arch(accumulators=8), None, ArchError, "conv1 needs 4 rows of 4 accumulators"),
        (Arch(weight_words=16), None, ArchError, "conv1 needs 18 weight words"),
        (Arch(), [1], TraceError, "no image 1"),
        (Arch(), [-1], TraceError, "no image -1"),
        (Arch(), [], TraceError, "images: the list is empty"),
        (Arch(), [0, 0], TraceError, "images: 0 is there twice"),
        (Arch(), 0, TraceError, "images: give a list of whole numbers, not 0"),
        (Arch(), [0.5], TraceError, "images: give a list of whole numbers"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arch, images, error, message):
    with pytest.raises(error, match=message) as caught:
        simulate(small_trace(), arch, images)
    assert "\n" not in str(caught.value)


def test_a_trace_can_be_named_by_path_or_as_a_shipped_one(tmp_path, monkeypatch):
    named = simulate("lenet5_digits/sparse", images=[1])
    place = shipped_trace("lenet5_digits/sparse")
    with open_trace(place) as trace:
        assert named == simulate(trace, images=[1]) == simulate(place, images=[1])
    # A trace that lies where the name says comes first.
    monkeypatch.chdir(tmp_path)
    Tiny().write("lenet5_digits/sparse")
    assert simulate("lenet5_digits/sparse", images=[1]).network == "tiny"


def test_a_name_of_nothing_is_refused_in_one_line():
    with pytest.raises(TraceError, match="there is no trace at lenet5_digits/spars") as caught:
        simulate("lenet5_digits/spars")
    assert "\n" not in str(caught.value)


def test_numbers_of_images_are_plain_whole_numbers_in_the_result():
    trace = small_trace(values={"m0": np.ones((3, 2, 4, 4), np.uint16)})
    result = simulate(trace, images=np.array([2, 0]))
    assert result.images == (2, 0)
    assert {type(number) for number in result.images} == {int}
    assert simulate(trace).images == (0, 1, 2)


@settings(max_examples=30)
@given(chains(images=2), machines)
def test_several_machines_at_once_find_what_each_finds_alone(trace, arch):
    several = halves(arch)
    assert [(one.skip_zeros, one.compress) for one in several] == [
        (False, False), (True, False), (False, True), (True, True),
    ]  # fmt: skip
    together = simulate_machines(trace, several)
    assert together == [simulate(trace, one) for one in several]
    dense = together[0]
    assert [layer.skipping for layer in dense.layers] == [layer.dense for layer in dense.layers]
    for result in together:
        assert [layer.dense for layer in result.layers] == [layer.dense for layer in dense.layers]


def test_progress_counts_the_images():
    told = []
    trace = small_trace(values={"m0": np.ones((3, 2, 4, 4), np.uint16)})
    simulate(trace, images=[2, 1], progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def beyond_of(layer: Layer, values: np.ndarray, arch: Arch, bits: int = 8):
    """Of one layer, calibrated on the very picture."""
    trace = MemoryTrace((layer,), {"m0": values[None].astype(np.uint16)}, 0, bits)
    trace.counts, trace.calibration_pictures = {"m0": np.count_nonzero(values, axis=2)}, 1
    account = simulate(trace, arch).account
    assert account.skipping.least_cycles <= account.skipping.cycles
    return account


def test_seventeen_rows_on_sixteen_cores_exceed_the_mac_ratio_by_the_baselines_imbalance():
    values = np.ones((32, 17, 64))
    values[:, 9] = 0  # one row of zeros: sixteen are left, one for each core
    account = beyond_of(Layer("l", "conv", "m0", (32, 17, 64), (1, 17, 64)), values, Arch(dram_latency=0))
    assert account.mac_ratio == 17 / 16
    assert account.speedup > 1.5
    assert account.beyond == "imbalance"


def test_zeros_that_meet_no_tap_exceed_the_mac_ratio_by_the_baselines_cycles_for_them():
    values = np.ones((8, 4, 64))
    values[:, :, 1::2] = 0  # the columns that a stride of 2 passes over
    account = beyond_of(
        Layer("l", "conv", "m0", (8, 4, 64), (2, 2, 32), (1, 1), 2), values, Arch(cores=1, dram_latency=0)
    )
    assert account.mac_ratio == 1
    assert account.speedup > 1.5
    assert account.beyond == "taps"


def test_raw_maps_that_the_baseline_waits_for_exceed_the_mac_ratio_by_dram():
    values = np.where(np.arange(16 * 16 * 16).reshape(16, 16, 16) % 2, 1, 0)
    arch = Arch(cores=4, bytes_per_cycle=1, dram_latency=0)
    account = beyond_of(Layer("l", "conv", "m0", (16, 16, 16), (1, 16, 16)), values, arch, bits=16)
    assert account.mac_ratio == 2
    assert account.speedup > 2.5
    assert account.beyond == "dram"
    assert account.speedup_less_dram < account.speedup
