"""What the parts of a core do in a pass, cycle by cycle, worked out by hand."""

import numpy as np
from random_networks import MemoryTrace

from hwsim.arch import DECODE_LATENCY, MAC_LATENCY, Arch
from hwsim.layer import Layer
from hwsim.machine.lanes import pass_lanes
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
    lanes = pass_lanes(span, run)

    def spans(lane) -> list[tuple[int, int]]:
        return [(int(begin) - run.begin, int(end) - run.begin) for begin, end in zip(*lane, strict=True)]

    # Word 0 enters in cycle 0; a symbol is decoded in each of the cycles 1 to 5, the last without a value.
    assert spans(lanes.decode) == [(cycle, cycle + 1) for cycle in (1, 2, 3, 4, 5)]
    taken = DECODE_LATENCY + 1  # of the first item
    assert spans(lanes.compute) == [(taken + n, taken + n + 1) for n in (0, 2, 3)]
    assert spans(lanes.idle_taps) == [(taken + n, taken + n + 1) for n in (1, 4)]  # the six, a row's end
    # Four sums of each row, from MAC_LATENCY cycles after its last item was through.
    first, second = taken + 2 + MAC_LATENCY, taken + 4 + MAC_LATENCY
    assert spans(lanes.drain) == [(first, first + 4), (max(second, first + 4), max(second, first + 4) + 4)]
