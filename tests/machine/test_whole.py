"""A machine that runs a chain takes the cycles of one that is stepped, for its causes, and moves as much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from random_chains import ChainTrace, whole_chains, whole_machines
from reference_mapping import Shared
from reference_whole import Machine
from reference_work import Between, Pool

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.runs import CAUSES
from hwsim.machine.schedule import LayerSpan, schedule
from hwsim.machine.workload import Workload
from hwsim.trace import open_trace

HALF = Pool((2, 2), (2, 2), (0, 0))


def modelled(trace: Any, arch: Arch) -> Sequence[LayerSpan]:
    """Picture 0 in the model."""
    return schedule(Workload(trace, 0).jobs(arch), arch).layers


def stepped(trace: Any, arch: Arch, between: Sequence[Between], spans: Sequence[LayerSpan]) -> Machine:
    """The same in the reference; who makes what is the mapper's, which has a reference of its own."""
    mappings, blocks = [], {}
    for span in spans:
        mapping = span.job.mapping
        makes = [range(part.makes.start, part.makes.stop) for part in mapping.parts]
        groups = [[int(row) for row in group] for group in mapping.groups]
        mappings.append(Shared(makes, groups, [list(of_round) for of_round in mapping.rounds]))
        blocks[span.job.layer.input] = span.job.block
    infos = trace.maps
    machine = Machine(
        trace.layers,
        {name: trace.map(name, 0) for name in blocks},
        blocks,
        mappings,
        between,
        arch,
        lambda name: (infos[name].order, infos[name].bits),
    )
    machine.run()
    return machine


def assert_as_stepped(trace: Any, arch: Arch, between: Sequence[Between]) -> Sequence[LayerSpan]:
    spans = modelled(trace, arch)
    for span, work in zip(spans, stepped(trace, arch, between, spans).works, strict=True):
        found = [(run.core, run.begin, run.begin + run.timing.cycles) for run in span.passes]
        assert sorted(found) == sorted((each.core, each.begin, each.end) for each in work.passes)
        assert span.end == work.ends
        assert span.dram == {kind: work.moved[kind] for kind in span.dram}
        assert {len(labels) for labels in work.labels} == {span.end - span.start}
        causes = {cause: sum(labels.count(cause) for labels in work.labels) for cause in CAUSES}
        assert span.causes == causes
    return spans


@settings(max_examples=25)
@given(whole_chains(), whole_machines())
def test_a_chain_takes_the_cycles_of_a_stepped_machine_for_its_causes(trace: ChainTrace, arch: Arch):
    assert_as_stepped(trace, arch, trace.between)


@pytest.mark.parametrize(("arch", "cycles"), [(Arch(cores=2, columns=4, accumulators=512), 27_092)])
def test_lenet_takes_the_cycles_of_a_stepped_machine(arch: Arch, cycles: int):
    arch = arch.replace(weight_words=2048, map_buffer=65536)
    between = [Between(HALF), Between(HALF, flatten=True), Between(), Between(), Between()]
    with open_trace("lenet5_digits/sparse") as lenet:
        assert assert_as_stepped(lenet, arch, between)[-1].end == cycles


def chain(
    layers: Sequence[Layer], between: Sequence[Between], *, most: int = 4, share: float = 1.0
) -> ChainTrace:
    """A chain with maps of values up to ``most``, so many of them not 0, of eight bits in SEG of order 0."""
    rng, values = np.random.default_rng(0), {}
    for layer in layers:
        map_ = rng.integers(1, most + 1, (1, *layer.in_shape)) * (rng.random((1, *layer.in_shape)) < share)
        values[layer.input] = map_.astype(np.uint16)
    return ChainTrace(tuple(layers), values, 0, 8, between=tuple(between))


def linear(sizes: Sequence[int]) -> ChainTrace:
    """Linear layers of so many values, one in twenty of them not 0."""
    count = len(sizes) - 1
    layers = [
        Layer(f"l{i}", "linear", f"m{i}", (source, 1, 1), (made, 1, 1), output=f"m{i + 1}")
        for i, (source, made) in enumerate(pairwise(sizes))
    ]
    layers[-1] = replace(layers[-1], output=None)
    return chain(layers, [Between()] * count, share=0.05)


@pytest.mark.parametrize("bytes_per_cycle", [7, 32, 64])
@pytest.mark.parametrize("columns", [1, 4, 16])
def test_weights_that_wait_for_the_port_hold_up_what_is_behind_them(columns: int, bytes_per_cycle: int):
    # The program of 60 passes is long, so that the first unit comes late, and loads are slower than beats.
    arch = Arch(
        cores=2, columns=columns, accumulators=512, weight_words=2048, bytes_per_cycle=bytes_per_cycle
    )
    assert_as_stepped(linear([200, 2 * columns, 60 * columns, 8, 4, 4]), arch, [Between()] * 5)


@pytest.mark.parametrize("bytes_per_cycle", [1, 3, 5, 6, 9])
@pytest.mark.parametrize("made", [16, 11, 6])
def test_scales_come_a_channel_a_cycle_each_when_its_last_beat_is_there(made: int, bytes_per_cycle: int):
    # Sixteen scales take three beats, one weight of each a fourth: on a slow channel it is the weights that
    # come last, but for a scale that would wait for their beat, too.
    arch = Arch(cores=1, columns=16, accumulators=512, weight_words=64, bytes_per_cycle=bytes_per_cycle)
    assert_as_stepped(linear([1, made, 3]), arch, [Between()] * 2)


@pytest.mark.parametrize("layer", [
    Layer("tall", "conv", "m0", (1, 80, 2), (1, 80, 2), (3, 3), padding=(1, 1)),
    Layer("opens", "conv", "m0", (1, 31, 1), (1, 93, 1), (3, 1), (3, 3), transposed=True),
    Layer("wide", "conv", "m0", (1, 1, 90), (1, 1, 6), (1, 15), dilation=(1, 6)),
    Layer("turned", "conv", "m0", (1, 1, 4), (1, 1, 18), (1, 15), transposed=True),
])  # fmt: skip
def test_passes_are_offered_when_rows_fill_a_queue_or_columns_are_known(layer: Layer):
    # More than 32 rows are read, or more than 64 made, or columns take longer than rows.
    arch = Arch(cores=1, columns=2, accumulators=512, dram_latency=0)
    assert_as_stepped(chain([layer], [Between()]), arch, [Between()])


@pytest.mark.parametrize("bytes_per_cycle", [1, 4])
def test_a_pass_begins_before_a_map_without_an_index_is_asked_for(bytes_per_cycle: int):
    # The weights of the second core are on the channel for longer than the first one waits for its own.
    arch = Arch(cores=2, columns=4, compress=False, bytes_per_cycle=bytes_per_cycle, dram_latency=10)
    layer = Layer("l0", "conv", "m0", (4, 3, 4), (8, 3, 4))
    (span,) = assert_as_stepped(chain([layer], [Between()]), arch, [Between()])
    assert len({run.core for run in span.passes}) == 2


def test_a_unit_waits_for_the_end_of_the_pass_whose_room_it_takes():
    arch = Arch(cores=1, columns=4, accumulators=512, weight_words=200)
    assert_as_stepped(linear([190, 16]), arch, [Between()])


def test_a_program_waits_until_the_one_two_before_it_has_left_its_place():
    # The first layer has six passes; weights of the next two have room beside its own, the fourth's program
    # has not. The second layer is short, so that the third one waits for that program.
    shapes = [(1, 12, 12), (6, 12, 12), (1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)]
    layers = [
        Layer(
            f"l{i}", "conv", f"m{i}", source, made, (1, 1), (12, 12) if i == 1 else (1, 1), output=f"m{i + 1}"
        )
        for i, (source, made) in enumerate(pairwise(shapes))
    ]
    layers[-1] = replace(layers[-1], output=None)
    between = [Between()] * len(layers)
    assert_as_stepped(chain(layers, between), Arch(cores=1, columns=1, dram_latency=300), between)


def test_values_of_a_long_segment_hold_up_those_of_a_short_one_behind_it():
    # Without a non-zero passes are short. The second one makes 40 values, while 160 of the first one leave.
    layers = [
        Layer("a", "conv", "m0", (1, 1, 40), (5, 1, 40), output="m1"),
        Layer("b", "conv", "m1", (5, 1, 40), (1, 1, 40)),
    ]
    arch = Arch(cores=1, columns=4, accumulators=512)
    first, _ = assert_as_stepped(chain(layers, [Between()] * 2, share=0.0), arch, [Between()] * 2)
    long, short = (run.begin + run.timing.cycles for run in first.passes)
    assert short < long + 120
    assert first.end == long - 1 + 160 + 40 + 4 + 7


def test_a_chain_by_hand():
    # Two layers of 1x1, a pool of 2x2 between; one core of one column, so slots are two cycles apart. The
    # channel moves a beat a cycle, which is there 20 cycles later.
    layers = [
        Layer("a", "conv", "m0", (1, 2, 2), (1, 2, 2), output="m1"),
        Layer("b", "conv", "m1", (1, 1, 1), (1, 1, 1)),
    ]
    between = [Between(HALF), Between()]
    arch = Arch(
        cores=1,
        columns=1,
        accumulators=64,
        weight_words=64,
        map_buffer=4096,
        bytes_per_cycle=32,
        dram_latency=20,
    )
    first, second = modelled(chain(layers, between), arch)

    # Header: asked for in 2, six beats, the last one in 2 + 20 + 6 = 28. Program of a: in 31; 64 + 1 + 8
    # bytes are three beats, the last one in 54. Program of b: in 57, there in 80. Weights of a: in
    # 57 + 6 + 1 = 64; a beat of scales in 85, one of weights in 86. Both are at the port in 87: able in 90.
    # Index: in 66, there in 87: a begins in L = 87, its slots are 94, 96, ... Map: in 91, two beats, in 112
    # and 113. Rows: first word in 56, counted from 56 + 11 + 4 = 71 on; the layer 2 cycles, its first row 1,
    # the class 2, the mask 4, two output rows and two input rows 4, the one below the map 2, the end 1 + 2:
    # through in 89. The pass is given to its core, which walks from 94 on, with 3 for the mask: 17, and is
    # offered in 112. Its line of the index is read in slot 110: it begins in 118, the first slot from 117
    # on. Both rows lie in one line, read in slot 0: words come in 5, and enter in 6 (lane 0), 5 (lane 1).
    # Symbols in 8 and 10, 7 and 9; items are chosen in 15, 16, 17, 18 and taken in 16 to 19. The last one
    # finishes both rows: drains in 27 to 28 and 29 to 30: 30 + 1 + 19 = 50 cycles.
    assert [(run.begin, run.timing.cycles) for run in first.passes] == [(118, 50)]
    # Raw, the last value leaves the encoder 21 cycles after its sum was read in 148, in 169: in 169 + 4 + 7 =
    # 180 all lies in the map buffer. The window takes 2 cycles, its value leaves the encoder 11 after the
    # last of them, in 192, and the layer ends 9 later.
    assert first.end == 201
    assert first.causes == {
        "dram": 87, "weights": 3, "decode": 28 + 16, "compute": 4, "taps": 0, "drain": 30 + 12, "pool": 21,
        "imbalance": 0,
    }  # fmt: skip
    nothing = dict.fromkeys(first.dram, 0)
    assert first.dram == nothing | {
        "weights": 32,
        "scales": 32,
        "programs": 192 + 96,
        "index": 32,
        "maps_in": 64,
    }

    # b begins in 201, all else is there: its slots are 208, 210, ...; it was offered long ago, so its line of
    # the index is read in 208, and it begins in the first slot from 215 on. One value: its word enters in 6,
    # it is decoded in 8, chosen in 16, taken in 17; the drain is in 25: 25 + 1 + 19 = 45 cycles.
    assert [(run.begin, run.timing.cycles) for run in second.passes] == [(216, 45)]
    # In 261 + 1 + 4 + 7 = 273 it lies there; the one beat of the result goes in 276, and the run ends in 279.
    assert second.end == 279
    assert second.causes == {
        "dram": 6, "weights": 0, "decode": 15 + 17, "compute": 1, "taps": 0, "drain": 27 + 12, "pool": 0,
        "imbalance": 0,
    }  # fmt: skip
    assert second.dram == nothing | {"weights": 32, "scales": 32, "programs": 96, "maps_out": 32}
