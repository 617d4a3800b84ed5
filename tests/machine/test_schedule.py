"""Transfers of two small layers by hand: in which order, from which cycle to which."""

import numpy as np
from random_networks import MemoryTrace

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.schedule import schedule
from hwsim.machine.workload import Workload

LAYERS = (
    Layer("one", "conv", "m0", (1, 2, 2), (3, 2, 2), output="m1"),
    Layer("two", "conv", "m1", (3, 2, 2), (1, 2, 2)),
)
VALUES = {"m0": np.full((1, 1, 2, 2), 3, np.uint16), "m1": np.full((1, 3, 2, 2), 5, np.uint16)}
# A burst of 64 bytes takes 4 cycles of the channel, and 20 more until it is there.
ARCH = Arch(cores=1, columns=2, bytes_per_cycle=16, dram_latency=20)


def planned(arch: Arch):
    return schedule(Workload(MemoryTrace(LAYERS, VALUES, 3, 16), 0).jobs(arch), arch)


def test_reads_stand_in_their_order_and_take_the_channel_one_after_the_other():
    plan = planned(ARCH)
    reads = [read for read in plan.transfers if read.kind != "maps_out"]
    # Output blocks of 2 filters and of 1, a byte each; a map of 2 segments, each a word and 4 bytes of index.
    assert [(read.kind, read.layer, read.size, read.begin, read.end) for read in reads] == [
        ("weights", "one", 2, 0, 4),
        ("maps_in", "one", 24, 4, 8),
        ("weights", "one", 1, 8, 12),
        ("weights", "two", 3, 12, 16),
    ]
    assert [read.map for read in reads] == [None, "m0", None, None]
    one, two = plan.layers
    assert one.passes[0].begin == 4 + 20 + 2  # when its weights are there and in; its map comes as it runs
    assert one.dram == {"weights": 3, "maps_in": 24, "maps_out": 0}
    assert two.dram == {"weights": 3, "maps_in": 0, "maps_out": 8}


def test_a_write_follows_the_rows_that_leave_and_ends_the_image():
    plan = planned(ARCH)
    (write,) = [transfer for transfer in plan.transfers if transfer.kind == "maps_out"]
    (last,) = plan.layers[1].passes
    first_row, second_row = last.begin + last.timing.drained
    # A burst of four cycles on the channel, two of them for each of two rows.
    assert (write.layer, write.map, write.size, write.begin) == ("two", None, 8, first_row)
    assert write.end == max(first_row + 2, second_row) + 2
    assert plan.layers[1].end == max(last.begin + last.timing.cycles, write.end)


def test_maps_that_do_not_fit_are_written_and_fetched_after_the_last_of_them_is_written():
    plan = planned(ARCH.replace(map_buffer=0))
    one, two = plan.layers
    assert one.dram == {"weights": 3, "maps_in": 2 * 24, "maps_out": two.dram["maps_in"]}
    written = [transfer for transfer in plan.transfers if transfer.kind == "maps_out"]
    assert [(write.layer, write.size) for write in written] == [("one", one.dram["maps_out"]), ("two", 8)]
    (fetch,) = [read for read in plan.transfers if (read.kind, read.layer) == ("maps_in", "two")]
    assert fetch.begin >= max(one.end, written[0].end)
