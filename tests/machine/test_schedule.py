"""Transfers of two small layers by hand: in which order, from which cycle to which."""

import numpy as np
from random_networks import MemoryTrace

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.fetches import Fetches
from hwsim.machine.runs import DRAM_KINDS
from hwsim.machine.schedule import schedule
from hwsim.machine.workload import Workload

LAYERS = (
    Layer("one", "conv", "m0", (1, 2, 2), (3, 2, 2), output="m1"),
    Layer("two", "conv", "m1", (3, 2, 2), (1, 2, 2)),
)
VALUES = {"m0": np.full((1, 1, 2, 2), 3, np.uint16), "m1": np.full((1, 3, 2, 2), 5, np.uint16)}
# A beat of 32 bytes takes 2 cycles of the channel, and 20 more until it is there.
ARCH = Arch(cores=1, columns=2, bytes_per_cycle=16, dram_latency=20)
NONE = dict.fromkeys(DRAM_KINDS, 0)


def planned(arch: Arch):
    return schedule(Workload(MemoryTrace(LAYERS, VALUES, 3, 16), 0).jobs(arch), arch)


def test_reads_stand_in_their_order_and_take_the_channel_one_after_the_other():
    plan = planned(ARCH)
    reads = [read for read in plan.transfers if not read.write]
    # A program of 64 bytes, a byte of rows and two passes of 8, or one. Output blocks of 2 filters and of 1,
    # a byte each, their scales of 6; a map of 2 segments, each a word, and its index.
    assert [(read.kind, read.layer, read.size, read.begin, read.end) for read in reads] == [
        ("programs", "one", 96, 0, 6),
        ("programs", "two", 96, 6, 12),
        ("scales", "one", 32, 26, 28),  # when the program is there
        ("weights", "one", 32, 26, 30),
        ("index", "one", 32, 30, 32),
        ("maps_in", "one", 64, 32, 36),
        ("scales", "one", 32, 36, 38),
        ("weights", "one", 32, 36, 40),
        ("scales", "two", 32, 40, 42),
        ("weights", "two", 32, 40, 44),
    ]
    assert [read.map for read in reads] == [None, None, None, None, "m0", "m0", None, None, None, None]
    one, two = plan.layers
    # When its weights are there and in, and it has been told to start; every second cycle is its slot. Its
    # map comes as it runs.
    assert (one.passes[0].loaded, one.passes[0].begin) == (30 + 20 + 2, 30 + 20 + 2 + 2)
    assert one.dram == NONE | {"weights": 64, "scales": 64, "programs": 96, "index": 32, "maps_in": 64}
    assert two.dram == NONE | {"weights": 32, "scales": 32, "programs": 96, "maps_out": 64}


def test_a_write_follows_the_rows_that_leave_and_ends_the_image():
    plan = planned(ARCH)
    (write,) = [transfer for transfer in plan.transfers if transfer.write]
    (last,) = plan.layers[1].passes
    first_row, second_row = last.begin + last.timing.drained
    # Two beats of two cycles on the channel, one for each of two rows.
    assert (write.kind, write.layer, write.map, write.size) == ("maps_out", "two", None, 64)
    assert write.begin == first_row
    assert write.end == max(first_row + 2, second_row) + 2
    assert plan.layers[1].end == max(last.begin + last.timing.cycles, write.end)


def test_maps_that_do_not_fit_are_written_and_fetched_after_the_last_of_them_is_written():
    plan = planned(ARCH.replace(map_buffer=0))
    one, two = plan.layers
    # Each round fetches the map; the index is fetched once. It is written behind the map that is made.
    assert one.dram == NONE | {
        "weights": 64, "scales": 64, "programs": 96, "index": 64, "maps_in": 2 * 64, "maps_out": 2 * 64,
    }  # fmt: skip
    written = [transfer for transfer in plan.transfers if transfer.write]
    assert [(write.kind, write.layer, write.size) for write in written] == [
        ("maps_out", "one", 128),
        ("index", "one", 32),
        ("maps_out", "two", 64),
    ]
    assert two.dram["maps_in"] == one.dram["maps_out"]
    index, fetch = [read for read in plan.transfers if read.map == "m1" and not read.write]
    assert (index.kind, fetch.kind) == ("index", "maps_in")
    assert index.begin >= max(one.end, written[0].end, written[1].end)


def test_rows_that_stay_are_neither_written_nor_fetched_and_the_others_come_every_round():
    # A row of m0 takes a place of 32 bytes, one of m1 two, each index a beat; a row of a map that does not
    # stay whole begins a line of 64. Half a buffer of 128 bytes has room for all of m0, and for a row of m1
    # beside index and ring of 32; one of 95 for no row of m0 beside index and ring of 23: 96 hold it whole.
    for half, fetched, written, parts in (
        (95, 2 * 64, 128, [[0, 1], [0, 1], [0, 1, 2, 3]]),
        (128, 64, 64, [[0, 1], [0, 1]]),
    ):
        plan = planned(ARCH.replace(map_buffer=2 * half))
        one, two = plan.layers
        assert one.dram["maps_in"] == fetched
        assert one.dram["maps_out"] == two.dram["maps_in"] == written
        fetches = [read for read in plan.transfers if read.kind == "maps_in"]
        assert [fetch.part.tolist() for fetch in fetches] == parts


def test_rows_leave_when_what_is_added_to_them_is_there_and_the_layer_ends_no_earlier():
    shape = (4, 6, 6)
    layers = (
        Layer("skip", "conv", "image", shape, shape),
        Layer("inner", "conv", "image", shape, shape, output="a"),
        Layer("sum", "conv", "a", shape, shape, output="b", adds_results=("skip",)),
        Layer("last", "conv", "b", shape, shape),
    )
    values = {name: np.ones((1, *shape), np.uint16) for name in ("image", "a", "b")}
    # A slow channel, and no room for a map on chip: what is added is the last to come.
    arch = Arch(cores=1, columns=4, bytes_per_cycle=1, map_buffer=0)
    plan = schedule(Workload(MemoryTrace(layers, values, 0, 8), 0).jobs(arch), arch)
    (added,) = [moved for moved in plan.transfers if moved.kind == "residuals"]
    writes = [moved for moved in plan.transfers if moved.write and moved.layer == "sum"]
    span = plan.layers[2]
    assert (added.layer, added.map, added.size) == (
        "sum",
        "skip (output)",
        6 * 64,
    )  # 24 values of 16 bits a row
    there = added.end + arch.dram_latency
    assert max(run.begin + run.timing.cycles for run in span.passes) < there == span.end
    assert min(moved.begin for moved in writes) >= there


def test_all_of_a_map_is_asked_for_in_the_order_of_its_segments():
    layer = Layer("one", "conv", "m0", (5, 2, 10), (2, 2, 10))
    values = {"m0": np.full((1, 5, 2, 10), 3, np.uint16)}
    arch = ARCH.replace(compress=False)
    (job,) = Workload(MemoryTrace((layer,), values, 3, 16), 0).jobs(arch)
    # 2 x 10 values of 16 bits are 40 bytes, two beats; the last block of a row has 20 bytes, one.
    everything = Fetches(job).all()
    assert everything.segments.tolist() == [0, 1, 2, 3, 4, 5]
    assert everything.before.tolist() == [0, 2, 4, 5, 7, 9]
    assert everything.beats == 10
