"""What a pool or a flattening costs, worked out from docs/architecture.md, *Layer after layer*."""

import numpy as np
import pytest
from random_networks import MemoryTrace

from hwsim.arch import EVENTS, Arch
from hwsim.between import Flow, MaxPool, Reshape, Value
from hwsim.layer import Layer
from hwsim.machine.runs import MODES, LayerRun
from hwsim.machine.schedule import schedule
from hwsim.machine.simulation import simulate
from hwsim.machine.workload import Workload

PICOJOULES = dict(zip(EVENTS, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 11.0, 10.0), strict=True))


def two_layers(one: Layer, two: Layer, between: MaxPool | Reshape) -> MemoryTrace:
    """Two layers of one tap, whose maps hold 3 and 5 throughout, and what lies between them."""
    raw, result = (
        Value(name, layer.out_shape, 16, False, 1.0) for name, layer in (("raw", one), ("result", two))
    )
    values = {
        "m0": np.full((1, *one.in_shape), 3, np.uint16),
        "m1": np.full((1, *two.in_shape), 5, np.uint16),
    }
    trace = MemoryTrace((one, two), values, 3, 16)
    trace.flow = Flow(("m0",), {"one": "raw", "two": "result"}, (raw, result), (between,))
    return trace


# A pool of 2 x 2 makes 2 x 2 pixels of 4 x 4, of two channels.
TRACE = two_layers(
    Layer("one", "conv", "m0", (1, 4, 4), (2, 4, 4), output="m1"),
    Layer("two", "conv", "m1", (2, 2, 2), (1, 2, 2)),
    MaxPool(inputs=("raw",), output="m1", kernel=(2, 2), stride=(2, 2), padding=(0, 0, 0, 0)),
)
# A beat takes 2 cycles of the channel, and is there at once, so that the map is there in time.
ARCH = Arch(cores=1, columns=2, bytes_per_cycle=16, dram_latency=0, energy=PICOJOULES)


@pytest.fixture(scope="module")
def runs() -> dict[str, list[LayerRun]]:
    """Both layers on the machine, of one core, and on its dense baseline."""
    result = simulate(TRACE, ARCH)
    return {mode: result.runs(mode) for mode in MODES}


def test_what_takes_time_beside_the_passes_by_hand():
    # The header of six beats is asked for in cycle 2 and there in 14; 3 later the first program, of three,
    # which is there in 23; 3 later the second one, until 32. The unit of two beats is asked for 7 later, in
    # 33, and the index 2 later: it crosses behind the unit and is there in 39, when the layer begins.
    one, two = schedule(Workload(TRACE, 0).jobs(ARCH), ARCH).layers
    programs, sequencer, writers, pool = one.steps
    assert programs == ("programs", 0, 39)
    assert sequencer == ("sequencer", 39, one.passes[0].able)
    done = one.passes[0].begin + one.passes[0].timing.cycles
    # What is raw leaves the encoder as it comes, in the end in the second cycle behind the pass. Of the eight
    # values of the pool each four of a segment wait for its end: behind the last window 4 cycles, and 17 to
    # the end.
    assert writers == ("writers", done, done + 1 + 4 + 7)
    assert pool == ("pool", done + 12, one.end)
    assert one.end == done + 12 + 16 + 4 + 17
    # All of the second one is there when it begins. Its result, of two rows in a beat each, is on its way 3
    # and 4 cycles after it lies there, takes the channel 2 cycles each, and 2 more.
    sequencer, writers, result = two.steps
    done = two.passes[0].begin + two.passes[0].timing.cycles
    assert sequencer == ("sequencer", one.end, two.passes[0].able)
    assert writers == ("writers", done, done + 12)
    assert result == ("result", done + 12, done + 12 + 3 + 4 + 2) == ("result", done + 12, two.end)


@pytest.mark.parametrize("mode", MODES)
def test_the_cycles_of_a_pool_by_hand(runs, mode):
    # A raw row of two channels of four values takes two words, all of the map one line: eight windows of two
    # rows take 16 cycles, and 17 more are the way to the last line that is written; before that the last
    # value waits for those of its segment, of four, or, where none has a form to choose, for 2 cycles.
    behind = 4 if mode == "skipping" else 2
    assert [run.causes["pool"] for run in runs[mode]] == [16 + behind + 17, 0]


def test_the_events_of_a_layer_before_a_pool_by_hand(runs):
    skipping, dense = (runs[mode][0] for mode in MODES)
    assert skipping.events == {
        "mac": 32,
        "accumulator": 32,
        "drain": 32,
        "requantize": 32,
        "weight_word": 16,
        "weight_load": 2,
        # The line of the index with which the pass begins. Rows 0 and 1 lie in a line, which both lanes get
        # in slot 0. The word enters lane 1 in cycle 5 and lane 0 in cycle 6, so that lane 1 gets row 2 in
        # slot 6 and lane 0 row 3, of the same line, in slot 8. Index and map over the channel; 32 raw values;
        # lines of windows, one a cycle; two segments of four values in a word each, and their index.
        "map_word": 8 + 3 * 8 + (4 + 16) + 8 + 16 * 8 + (2 + 1),
        "symbol": 16,
        "encoded": 32 + 8,
        "compared": 8 * 3,
        "dram_byte": (192 + 96) + 32 + 32 + 32 + 128,  # header and program, weights, scales, index, map
    }
    # No index over the channel, nor of the map that is made, whose segments are a word each as well.
    assert dense.events == skipping.events | {"map_word": 191 - 4 - 1, "dram_byte": 512 - 32}


def test_the_events_of_a_layer_behind_a_pool_by_hand(runs):
    skipping, dense = (runs[mode][1] for mode in MODES)
    # The line of the index, one with both rows; two rows of the result, a word each, which is sent in beats.
    assert skipping.events == {
        "mac": 8,
        "accumulator": 8,
        "drain": 4,
        "requantize": 4,
        "weight_word": 8,
        "weight_load": 2,
        "map_word": 8 + 8 + 2 + 8,
        "symbol": 8,
        "encoded": 4,
        "compared": 0,
        "dram_byte": 96 + 32 + 32 + 64,
    }
    assert dense.events == skipping.events


def test_the_energy_of_a_pool_by_hand(runs):
    assert runs["skipping"][0].energy_pj == {
        "mac": 32,
        "accumulators": 32 * 2 + 32 * 3 + 32 * 4 + 24 * 11,
        "weights": 16 * 5 + 2 * 6,
        "decode": 16 * 8,
        "encode": 40 * 9,
        "map_buffer": 191 * 7,
        "dram": 512 * 10,
    }


def test_what_a_flattening_costs_by_hand():
    flat = two_layers(
        Layer("one", "conv", "m0", (1, 2, 2), (2, 2, 2), output="m1"),
        Layer("two", "linear", "m1", (8, 1, 1), (1, 1, 1)),
        Reshape(inputs=("raw",), output="m1"),
    )
    run = simulate(flat, ARCH).runs("skipping")[0]
    *_, last = schedule(Workload(flat, 0).jobs(ARCH), ARCH).layers[0].steps
    # Eight values, a cycle each, in segments of two, and 17 until the last line is written.
    assert last == ("flatten", run.end - 8 - 2 - 17, run.end)
    assert run.causes["pool"] == 8 + 2 + 17
    # The line of the index, one with both rows; index and map over the channel, a beat and two; two raw rows,
    # a word each; a line for each value; four segments of two values, a word each, and their index.
    assert run.events["map_word"] == 8 + 8 + (4 + 8) + 2 + 8 * 8 + (4 + 2)
    assert (run.events["encoded"], run.events["compared"]) == (8 + 8, 0)
