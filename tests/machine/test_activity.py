"""What the parts of a core do in a pass, cycle by cycle, worked out by hand."""

import numpy as np
from random_networks import MemoryTrace

from hwsim.arch import MAC_LATENCY, Arch
from hwsim.layer import Layer
from hwsim.machine.activity import pass_activity
from hwsim.machine.schedule import schedule
from hwsim.machine.workload import Workload


def test_decoder_scatter_unit_and_drain_of_a_pass_by_hand():
    # The second layer's map stays on chip: a row of three values, every other of which has a tap, then one of
    # a value and a run of zeros to its end. Two filters make two columns of each row.
    layers = (
        Layer("one", "conv", "m0", (1, 2, 3), (1, 2, 3), output="m1"),
        Layer("two", "conv", "m1", (1, 2, 3), (2, 2, 2), (1, 1), (1, 2)),
    )
    values = {
        "m0": np.ones((1, 1, 2, 3), np.uint16),
        "m1": np.array([[[[5, 6, 7], [8, 0, 0]]]], np.uint16),
    }
    arch = Arch(cores=1, columns=2)
    jobs = Workload(MemoryTrace(layers, values, 0, 8), 0).jobs(arch)
    span = schedule(jobs, arch).layers[1]
    (run,) = span.passes
    assert run.stream is None
    activity = pass_activity(span, run)

    def spans(intervals) -> list[tuple[int, int]]:
        return [(int(begin) - run.begin, int(end) - run.begin) for begin, end in zip(*intervals, strict=True)]

    # In slot 0 each lane gets one of the two segments, which share a line. Its word is there READ_LATENCY = 5
    # cycles later, enters in cycle 6 of lane 0 and in cycle 5 of lane 1; each decodes in every second cycle.
    assert spans(activity.decode) == [(cycle, cycle + 1) for cycle in (7, 8, 9, 10, 12)]
    # An item can be chosen LANE_LATENCY = 8 cycles after its symbol and is taken one later: the 8, the 5, the
    # end of the second row, the 6, the 7. The 6 has no tap.
    assert spans(activity.compute) == [(16, 17), (17, 18), (21, 22)]
    assert spans(activity.idle_taps) == [(18, 19), (19, 20)]
    # Rows are finished in their order: both with the 7, MAC_LATENCY cycles later; four sums of each.
    first = 21 + MAC_LATENCY
    assert spans(activity.drain) == [(first, first + 4), (first + 4, first + 8)]


def test_items_of_an_older_row_that_pass_by_others_stand_in_the_order_in_which_they_are_taken():
    # Two rows are decoded in turns, and each value has three taps: the scatter unit falls behind, and takes
    # what there is of the first row before the second one.
    layers = (
        Layer("one", "conv", "m0", (1, 2, 40), (1, 2, 40), output="m1"),
        Layer("two", "conv", "m1", (1, 2, 40), (2, 2, 40), (1, 3), 1, (0, 1)),
    )
    values = {name: np.ones((1, 1, 2, 40), np.uint16) for name in ("m0", "m1")}
    arch = Arch(cores=1, columns=2)
    span = schedule(Workload(MemoryTrace(layers, values, 0, 8), 0).jobs(arch), arch).layers[1]
    (run,) = span.passes
    compute = pass_activity(span, run).compute
    assert len(compute.begin) == 2 * 40
    assert (np.diff(compute.begin) > 0).all()
    decoded = span.job.events(run.unit, run.group, run.stream)
    assert (np.diff(decoded[:, 1]) < 0).any()  # symbols are decoded in another order than items are taken
