"""When lines of the map buffer are there, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import MemoryTrace

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.lines import lines_there
from hwsim.machine.passes import NO_STREAM, Stream
from hwsim.machine.workload import LayerJob, Workload

# Rows of two segments, of two channels and of one: 40 and 20 bytes of 16-bit values have places of two beats
# and of one. So beats 0 and 1 of the map are those of segment 0, 2 is segment 1, which shares line 1 with the
# first beat of segment 2; line 2 has the second one, and segment 3.
LAYER = Layer("one", "conv", "m0", (3, 2, 10), (2, 2, 10))


def job_of(compress: bool) -> LayerJob:
    arch = Arch(cores=1, columns=2, compress=compress, map_buffer=1024)
    values = np.zeros((1, 3, 2, 10), np.uint16)
    (job,) = Workload(MemoryTrace((LAYER,), {"m0": values}, 3, 16), 0).jobs(arch)
    assert job.places.tolist() == [[0, 8], [12, 20]]
    return job


def stream_of(job: LayerJob, requests: np.ndarray) -> Stream:
    """One segment after the other, a beat a cycle, 20 cycles after a request; a pass from cycle 90 on."""
    beats = job.stored.beats
    before = (np.cumsum(beats) - beats.ravel()).reshape(beats.shape)
    return Stream(requests, before, begin=90, latency=20, rate=(32, 1))


@pytest.mark.parametrize(
    ("compress", "beats"),
    # Raw, all places are full: the last beats of the lines are 1, 3, 5. Coded, zeros take a beat a segment:
    # no more of segment 0 comes than beat 0; line 1 ends with segment 2, the third, line 2 with the fourth.
    [(False, [1, 3, 5]), (True, [0, 2, 3])],
)
def test_a_map_that_comes_from_the_top_has_a_line_when_all_before_its_end_has_come(compress, beats):
    job = replace(job_of(compress), whole=True)
    there = lines_there(job, 0, 0, stream_of(job, np.full((2, 2), 100)))
    assert there.tolist() == [100 - 90 + 20 + beat + 1 for beat in beats]


def test_what_was_there_before_a_pass_is_there_from_its_first_cycle_on():
    job = job_of(compress=False)
    requests = np.array([[NO_STREAM, NO_STREAM], [100, 100]])
    there = lines_there(job, 0, 0, stream_of(job, requests))
    assert there.tolist() == [0, 100 - 90 + 20 + 4, 100 - 90 + 20 + 6]
