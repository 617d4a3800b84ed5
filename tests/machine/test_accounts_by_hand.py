"""Whole accounts of three small layers on machines of their own, worked out from docs/architecture.md.

Cycles of a pass are counted from its start, others from the start of the image.
"""

import numpy as np
import pytest
from random_networks import MemoryTrace

from hwsim.arch import EVENTS, Arch
from hwsim.layer import Layer
from hwsim.machine.mapping import segment_blocks
from hwsim.machine.runs import LayerRun
from hwsim.machine.simulation import simulate
from hwsim.machine.slots import first_slot

PICOJOULES = dict(zip(EVENTS, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 11.0, 10.0), strict=True))
NO_DRAM = {"pooled": 0, "residuals": 0}


def run(layer: Layer, values: list, order: int, arch: Arch) -> tuple[LayerRun, LayerRun]:
    """The layer on the machine and on its dense baseline; maps have 8 bits."""
    trace = MemoryTrace((layer,), {"m0": np.array([values], np.uint16)}, order, 8)
    result = simulate(trace, arch)
    (skipping,), (dense,) = result.runs("skipping"), result.runs("dense")
    return skipping, dense


@pytest.fixture(scope="module")
def pointwise() -> tuple[LayerRun, LayerRun]:
    """Three filters of 1x1 over a map of one channel, on a core of two columns, 16 bytes a cycle."""
    arch = Arch(cores=1, columns=2, bytes_per_cycle=16, dram_latency=20, energy=PICOJOULES)
    layer = Layer("pointwise", "conv", "m0", (1, 2, 2), (3, 2, 2))
    return run(layer, [[[5, 0], [7, 9]]], 3, arch)


def test_the_cycles_of_a_pointwise_layer_by_hand(pointwise):
    # A beat crosses in 2 cycles and is there 20 later. The program, 64 + 1 + 2 x 8 bytes, is there in 26; two
    # beats of weights and scales in 30 + 20, and in the core in 52. The index follows, 30 to 32, then a beat
    # for each row, which are there in 54 and 56: the second completes the one line that both lie in. The core
    # has every even slot. Told in 52 it begins in 54, and in slot 2 both lanes get their row, whose words
    # are there in 7: lane 0 takes the first in 8, decodes 5 in 10 and the zero behind it in 12; lane 1
    # 7 and 9 in 9 and 11. Choices: 7 in 17, 5 in 18, 9 in 19, the end of row 0 in 20, through in 21. Two rows
    # of two channels of two sums are read from 29 to 36: 36 + 1 + 19 cycles, until 110.
    # The second pass begins in 112, finds its map there, and is as far two cycles earlier; a row of one
    # channel: until 19 + 8 + 3, 50 cycles.
    skipping, dense = pointwise
    assert (skipping.start, skipping.end) == (0, 112 + 50)
    assert skipping.causes == {
        "compute": 3 + 3,
        "taps": 1 + 1,  # the end of row 0
        "decode": (2 + 16) + (2 + 16),  # to the slot, and to the first item
        "dram": 2,  # slot 0, in which the line is not there, and the cycle behind it
        "weights": 52,
        "drain": (56 - 22) + (50 - 20),
        "pool": 0,
        "imbalance": 0,
    }
    # Without an index the rows are there in 52 and 54, the slot in which the pass begins. Four values.
    assert (dense.start, dense.end) == (0, 110 + 50)
    assert dense.causes == {
        "compute": 4 + 4,
        "taps": 0,
        "decode": (2 + 16) + (2 + 16),
        "dram": 0,
        "weights": 52,
        "drain": (54 - 20) + (50 - 20),
        "pool": 0,
        "imbalance": 0,
    }


def test_the_bytes_and_events_of_a_pointwise_layer_by_hand(pointwise):
    skipping, dense = pointwise
    # Of two units the weights and the scales a beat each; the result raw, two rows of two segments.
    assert skipping.dram == NO_DRAM | {
        "weights": 64, "scales": 64, "programs": 96, "index": 32, "maps_in": 64, "maps_out": 128,
    }  # fmt: skip
    assert dense.dram == skipping.dram | {"index": 0}
    assert skipping.events == {
        "mac": 9,
        "accumulator": 9,
        "drain": 12,
        "requantize": 12,
        "weight_word": 6,
        "weight_load": 2 + 2,  # a word of each unit, in a load of two
        # A line in each pass; index, map and result over the channel; the result as it is made.
        "map_word": (8 + 8) + (4 + 8 + 16) + 4,
        "symbol": 4 + 4,
        "encoded": 12,
        "compared": 0,
        "dram_byte": 448,
    }
    assert dense.events == skipping.events | {
        "mac": 12, "accumulator": 12, "weight_word": 8, "map_word": 48 - 4, "dram_byte": 448 - 32,
    }  # fmt: skip


def test_the_energy_of_a_pointwise_layer_by_hand(pointwise):
    skipping, dense = pointwise
    assert skipping.energy_pj == {
        "mac": 9,
        "accumulators": 9 * 2 + 12 * 3 + 12 * 4,
        "weights": 6 * 5 + 4 * 6,
        "decode": 8 * 8,
        "encode": 12 * 9,
        "map_buffer": 48 * 7,
        "dram": 448 * 10,
    }
    assert dense.energy_pj == skipping.energy_pj | {
        "mac": 12,
        "accumulators": 12 * 2 + 12 * 3 + 12 * 4,
        "weights": 8 * 5 + 4 * 6,
        "map_buffer": 44 * 7,
        "dram": 416 * 10,
    }


@pytest.fixture(scope="module")
def depthwise() -> tuple[LayerRun, LayerRun]:
    """A kernel of two rows over four channels, on two cores of four columns, 4 of 8 bytes a cycle.

    Segments are of two channels. Those of row 0 hold 1 0 0 2 and zeros, those of row 1 3 0 0 0 and 0 4 5 6.
    """
    arch = Arch(
        cores=2,
        columns=4,
        activation_bits=8,
        bytes_per_cycle=8,
        dram_efficiency=50,
        dram_latency=7,
        energy=PICOJOULES,
    )
    layer = Layer("depthwise", "depthwise", "m0", (4, 3, 2), (4, 2, 2), (2, 1))
    none = [0, 0]
    values = [
        [[1, 0], [3, 0], none],
        [[0, 2], [0, 0], none],
        [none, [0, 4], none],
        [none, [5, 6], none],
    ]
    return run(layer, values, 0, arch)


def test_the_cycles_of_a_depthwise_layer_by_hand(depthwise):
    # Each core makes a row of the output: core 0 reads rows 0 and 1 of the map, core 1 rows 1 and 2. A beat
    # crosses in 8 cycles and is there 7 later. The program, 64 + 2 + 2 x 8 bytes, is there in 24 + 7, weights
    # and scales cross from 31 to 47 and are in the cores in 47 + 7 + 2 = 56. The index follows until 55, then
    # six beats, two for each row, which fill the row's line: it is there in 78, 94, 110. Slots are three
    # cycles apart: core 0 begins in 60, core 1 in 58.
    # Core 0: line 0 is there in 18, a slot; words in 23. Lane 0 decodes 1 in 26, 2 in 28, lane 1 the zeros in
    # 25. From slot 24 on lane 1 asks for line 1, there in 34, and both get it in slot 36; words in 41. Lane 1
    # decodes 3 in 43, its zeros in 45, lane 0 4, 5, 6 in 44, 46, 48. Taken: 34 (zeros), 35, 37; 52 (3), 53
    # (4), 54 (zeros), 55, 57. Then eight sums from 65 to 72: 92 cycles, until 152.
    # Core 1: line 1 is there in slot 36. Lane 0 has 3 and zeros, taken in 53 and 55, lane 1 4, 5, 6, taken in
    # 52, 54, 56. Asked for from slot 42 on, line 2 is there in 52, and read in slot 54; its zeros are
    # decoded in 61 and 62 and taken in 70 and 71. Sums from 79 to 86: 106 cycles, until 164.
    skipping, dense = depthwise
    assert (skipping.start, skipping.end) == (0, 164)
    assert skipping.causes == {
        "compute": 6 + 4,
        "taps": 2 + 3,  # segments that end with zeros
        "decode": (4 + 6 + 1 + 14 + 1) + (2 + 6 + 13),
        "dram": (18 + 10) + (36 + 10),
        "weights": 56 + 56,
        "drain": (92 - 58) + (106 - 72),
        "pool": 0,
        "imbalance": 164 - 152,
    }
    # Without an index the lines are there in 70, 86, 102; four values a segment. Core 0 reads them in slots
    # 12 and 27, takes eight values from 28 on and eight from 43 on: 85 cycles, until 145. Core 1 reads in
    # slots 30 and 45 and takes values from 46 and from 61 on: 103 cycles.
    assert (dense.start, dense.end) == (0, 58 + 103)
    assert dense.causes == {
        "compute": 16 + 16,
        "taps": 0,
        "decode": (4 + 6 + 1 + 7) + (2 + 6 + 1 + 7),
        "dram": (12 + 9) + (30 + 9),
        "weights": 56 + 56,
        "drain": (85 - 51) + (103 - 69),
        "pool": 0,
        "imbalance": 161 - 145,
    }


def test_the_bytes_and_events_of_a_depthwise_layer_by_hand(depthwise):
    skipping, dense = depthwise
    assert skipping.dram == NO_DRAM | {
        "weights": 32, "scales": 32, "programs": 96, "index": 32, "maps_in": 6 * 32, "maps_out": 2 * 32,
    }  # fmt: skip
    assert dense.dram == skipping.dram | {"index": 0}
    assert skipping.events == {
        "mac": 2 + 2 * 4,  # values of row 1 reach both rows
        "accumulator": 2 + 2 * 4,
        "drain": 16 * 4,  # four banks of each value
        "requantize": 16,
        "weight_word": 6 + 4,
        "weight_load": 4 + 4,  # a word a channel, into both cores
        # Two lines in each core; index, map and result over the channel; the result as it is made.
        "map_word": 2 * 16 + (4 + 24 + 8) + 2,
        "symbol": (2 + 1 + 2 + 3) + (2 + 3 + 1 + 1),
        "encoded": 16,
        "compared": 0,
        "dram_byte": 448,
    }
    assert dense.events == skipping.events | {
        "mac": 32, "accumulator": 32, "weight_word": 32, "map_word": 70 - 4, "symbol": 32, "dram_byte": 416,
    }  # fmt: skip


def test_the_energy_of_a_depthwise_layer_by_hand(depthwise):
    skipping, _ = depthwise
    assert skipping.energy_pj == {
        "mac": 10,
        "accumulators": 10 * 2 + 64 * 3 + 16 * 4,
        "weights": 10 * 5 + 8 * 6,
        "decode": 15 * 8,
        "encode": 16 * 9,
        "map_buffer": 70 * 7,
        "dram": 448 * 10,
    }


@pytest.fixture(scope="module")
def linear() -> tuple[LayerRun, LayerRun]:
    """Five filters over three values, on two cores of two columns whose weight memories hold one pass."""
    arch = Arch(cores=2, columns=2, weight_words=4, dram_latency=10, energy=PICOJOULES)
    return run(Layer("linear", "linear", "m0", (3, 1, 1), (5, 1, 1)), [[[4]], [[0]], [[7]]], 0, arch)


def test_the_cycles_of_a_linear_layer_by_hand(linear):
    # A beat crosses in a cycle. The program, 64 + 1 + 3 x 8 bytes, is there in 3 + 10. Units 0 and 1, two
    # beats each, cross from 13 and from 15 and are in the cores in 27 and 29; index and map until 20, there
    # in 30. Core 0 begins in slot 30, core 1 in 31, with the map there: its two segments are in one line,
    # read in slot 0. Lane 0 decodes 4 in 8 and the zero in 10, lane 1 7 in 7; taken in 17, 19 and 16. Two
    # sums from 27 on: 48 cycles, until 78 and 79.
    # Unit 2 finds room in core 0 in 78 only: it is there in 80 + 10 + 2, and its pass, of a sum less, runs
    # from slot 96 to 143. From 79 on core 1 waits for core 0: 13 cycles while that waits for its weights.
    skipping, dense = linear
    assert (skipping.end, skipping.rounds, skipping.row_groups) == (143, 2, 1)
    assert skipping.causes == {
        "compute": 3 * 2,
        "taps": 3 * 1,
        "decode": (3 + 16 + 1) + (2 + 16 + 1) + (4 + 16 + 1),
        "dram": 0,
        "weights": 27 + 29 + (92 - 78) + 13,
        "drain": (48 - 20) + (48 - 20) + (47 - 20),
        "pool": 0,
        "imbalance": 143 - 79 - 13,
    }
    assert dense.end == 143  # the zero is multiplied, and takes the cycle that the end of its segment took
    assert dense.causes == skipping.causes | {"compute": 3 * 3, "taps": 0}


def test_the_bytes_events_and_energy_of_a_linear_layer_by_hand(linear):
    skipping, dense = linear
    assert skipping.dram == NO_DRAM | {
        "weights": 96, "scales": 96, "programs": 96, "index": 32, "maps_in": 64, "maps_out": 96,
    }  # fmt: skip
    assert dense.dram == skipping.dram | {"index": 0}
    assert skipping.events == {
        "mac": 2 * 5,
        "accumulator": 2 * 5,
        "drain": 5,
        "requantize": 5,
        "weight_word": 3 * 2,
        "weight_load": 3 * 4,  # of three words, in two loads
        "map_word": 3 * 8 + (4 + 8 + 12) + 3,
        "symbol": 3 * 3,
        "encoded": 5,
        "compared": 0,
        "dram_byte": 480,
    }
    assert dense.events == skipping.events | {
        "mac": 15, "accumulator": 15, "weight_word": 9, "map_word": 51 - 4, "dram_byte": 448,
    }  # fmt: skip
    assert skipping.energy_pj == {
        "mac": 10,
        "accumulators": 10 * 2 + 5 * 3 + 5 * 4,
        "weights": 6 * 5 + 12 * 6,
        "decode": 9 * 8,
        "encode": 5 * 9,
        "map_buffer": 51 * 7,
        "dram": 480 * 10,
    }


@pytest.mark.parametrize(
    ("core", "able", "slot"),
    # Of two cores slots are three cycles apart, those of core 0 multiples of three. Two cycles lie between.
    [(0, 0, 3), (0, 1, 3), (0, 2, 6), (1, 0, 4), (1, 2, 4), (1, 3, 7)],
)
def test_a_pass_begins_in_a_slot_of_its_core_two_cycles_after_it_could_be_told(core, able, slot):
    assert first_slot(core, able, Arch(cores=2)) == slot


def test_maps_that_a_depthwise_layer_reads_have_segments_of_half_as_many_channels():
    layers = [
        Layer("dw", "depthwise", "read", (6, 1, 1), (6, 1, 1), output="made"),
        Layer("alone", "depthwise", "one", (1, 1, 1), (1, 1, 1), output="one"),
        Layer("conv", "conv", "made", (6, 1, 1), (6, 1, 1), output="odd"),
        Layer("last", "depthwise", "odd", (6, 1, 1), (6, 1, 1)),
    ]
    halves = segment_blocks(layers, {"read": 8, "one": 1, "made": 8, "odd": 3})
    assert halves == {"read": 4, "one": 1, "made": 8, "odd": 1}
