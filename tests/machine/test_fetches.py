"""Which channels of a map are fetched with which round, by hand."""

import numpy as np
import pytest
from random_networks import MemoryTrace

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.fetches import Fetches
from hwsim.machine.workload import Workload


@pytest.mark.parametrize(
    ("kind", "groups", "segments_of_row", "map_buffer", "first", "second"),
    [
        ("conv", 2, 2, 1 << 16, 2, 0),  # it fits: all of it comes with the first round, for both
        ("conv", 2, 2, 0, 1, 1),  # it does not: a round fetches what its unit reads
        ("depthwise", 1, 4, 1 << 16, 2, 2),  # no round reads what another one does
        ("depthwise", 1, 4, 0, 2, 2),
    ],
)
def test_rounds_that_share_nothing_fetch_their_own_channels(
    kind, groups, segments_of_row, map_buffer, first, second
):
    # Eight channels of three rows: two units, each of which reads half of them.
    layer = Layer("l", kind, "m", (8, 3, 4), (8, 3, 4), (1, 1), groups=groups)
    values = np.ones((1, 8, 3, 4), np.uint16)
    workload = Workload(MemoryTrace((layer,), {"m": values}, 1, 8), 0)
    (job,) = workload.jobs(Arch(cores=1, columns=4, map_buffer=map_buffer))
    assert (job.mapping.units, job.stored.words.shape) == (2, (3, segments_of_row))
    fetches = Fetches(job)
    fetched = [len(fetches.layout([unit]).segments) for unit in (0, 1)]
    assert fetched == [3 * first, 3 * second]
