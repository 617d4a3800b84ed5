"""What a workload keeps and shortens changes no result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import MemoryTrace, chains, field_choices, machines

from hwsim.arch import Arch
from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.machine import known_passes
from hwsim.machine.known_passes import pass_events
from hwsim.machine.passes import NO_STREAM, Stream
from hwsim.machine.simulation import Pair
from hwsim.machine.workload import Workload


@settings(max_examples=40)
@given(chains(), st.lists(machines, min_size=2, max_size=4))
def test_a_workload_kept_for_many_machines_gives_what_a_new_one_gives(trace, machines):
    workload = Workload(trace, 0)
    for arch in machines:
        assert Pair(arch).run(workload) == Pair(arch).run(Workload(trace, 0))


@settings(max_examples=40)
@given(chains(images=3), machines)
def test_images_one_after_the_other_are_what_each_is_alone(trace, arch):
    """The dense baseline is timed for the first image and holds for the others."""
    pair = Pair(arch)
    for image in range(trace.images):
        assert pair.run(Workload(trace, image)) == Pair(arch).run(Workload(trace, image))


def test_what_maps_have_outlasts_a_mapping_and_what_a_mapping_gave_is_dropped():
    workload = Workload(bursts(), 0)
    Pair(BASE).run(workload)
    values, stored = workload.values("m1"), workload.stored("m1", 4, compressed=True)
    assert workload.once(("passes", "values"), lambda: "of a mapping") == "of a mapping"
    workload.forget()
    assert workload.values("m1") is values
    assert workload.stored("m1", 4, compressed=True) is stored
    assert workload.once(("passes", "values"), lambda: "computed anew") == "computed anew"


def bursts() -> MemoryTrace:
    """Two layers whose time depends on all of a machine: in every row a burst of values, then zeros."""
    rng = np.random.default_rng(3)
    values = np.zeros((1, 6, 5, 128), np.uint16)
    values[..., :20] = rng.integers(1, 200, (1, 6, 5, 20))
    middle = np.where(rng.random((1, 6, 5, 128)) < 0.4, values[..., ::-1] + 1, 0).astype(np.uint16)
    layers = (
        Layer("one", "conv", "m0", (6, 5, 128), (6, 5, 128), (1, 3), padding=(0, 1), output="m1"),
        Layer("two", "depthwise", "m1", (6, 5, 128), (6, 5, 128), (3, 3), padding=(1, 1)),
    )
    return MemoryTrace(layers, {"m0": values, "m1": middle}, 3, 8)


BASE = Arch(cores=2, columns=4, run_max=1, bytes_per_cycle=7, map_buffer=400)
WITHOUT_EFFECT = {"activation_bits", "clock_mhz", "row_split"}  # on the account of bursts()


@pytest.mark.parametrize("field", Arch.model_fields)
def test_what_is_kept_depends_on_every_field_that_matters(field):
    """A field that is forgotten in a key lets the second machine find what was computed for the first."""
    trace, differs = bursts(), False
    for value in field_choices(field):
        other = BASE.replace(**{field: value})
        workload = Workload(trace, 0)
        before = Pair(BASE).run(workload)
        alone = Pair(other).run(Workload(trace, 0))
        assert Pair(other).run(workload) == alone
        differs |= before != alone
    assert differs == (field not in WITHOUT_EFFECT)  # else the test sees nothing


@settings(max_examples=400)
@given(chains(), machines, st.integers(0, 2**32 - 1), st.integers(-60, 30), st.sampled_from([8, 16, 64]))
def test_a_pass_whose_words_come_in_time_or_late_is_timed_as_if_stepped_through(
    trace, arch, seed, request, rate
):
    job = Workload(trace, 0).jobs(arch)[0]
    # Gaps in the stream make single beats later than others by a cycle or a few; some segments are there.
    rng, shape = np.random.default_rng(seed), job.stored.words.shape
    ends = np.cumsum(job.stored.beats + rng.integers(0, 6, shape)).reshape(shape)
    requests = np.where(rng.random(shape) < 0.2, NO_STREAM, 500 + request)
    stream = Stream(requests, ends - job.stored.beats, 500, 10, (rate, 1))
    timing = job.time(0, 0, stream)
    stepped, _ = pass_events(job, 0, 0, stream)
    assert timing.cycles == stepped.cycles
    assert timing.drained.tolist() == stepped.drained.tolist()
    assert timing.symbols == stepped.symbols
    assert timing.causes == stepped.causes


@pytest.mark.parametrize("cores", [1, 2])
def test_a_line_that_comes_in_time_or_late_by_any_cycles_is_timed_as_if_stepped_through(cores):
    values = np.random.default_rng(cores).integers(1, 200, (1, 6, 2, 9)).astype(np.uint16)
    layer = Layer("one", "conv", "m0", (6, 2, 9), (1, 2, 9))
    arch = Arch(cores=cores, columns=2)
    (job,) = Workload(MemoryTrace((layer,), {"m0": values}, 3, 8), 0).jobs(arch)
    on_chip, shape = job.time(0, 0, None), job.stored.words.shape
    shared = []
    for segment in range(job.stored.words.size):
        for late in range(on_chip.cycles):
            requests = np.full(shape, late % 5)  # all others come a little late
            requests.ravel()[segment] += late
            stream = Stream(requests, np.zeros(shape, np.int64), 0, 0, (2048, 1))
            timing, stepped = job.time(0, 0, stream), pass_events(job, 0, 0, stream)[0]
            assert timing.cycles == stepped.cycles
            assert timing.causes == stepped.causes
            assert timing.drained.tolist() == stepped.drained.tolist()
            shared.append(timing.causes["decode"] == on_chip.causes["decode"])
    assert 0.1 < np.mean(shared) < 0.9


def test_passes_are_timed_once_for_all_streams_that_make_no_difference_and_eight_are_kept(monkeypatch):
    values = np.random.default_rng(3).integers(1, 200, (1, 6, 2, 9)).astype(np.uint16)
    layer = Layer("one", "conv", "m0", (6, 2, 9), (1, 2, 9))
    trace = MemoryTrace((layer,), {"m0": values}, 3, 8)
    (job,) = Workload(trace, 0).jobs(Arch(cores=1, columns=2))
    shape, timed = job.stored.words.shape, []
    anew = known_passes.time_anew
    monkeypatch.setattr(known_passes, "time_anew", lambda *pass_: timed.append(1) or anew(*pass_))

    def timings(first: int | None, last: int | None = None) -> int:
        """How often it is timed if all comes in a cycle (None: lies there), the last segment in another."""
        requests = np.full(shape, NO_STREAM if first is None else first - 1)  # and a cycle on the channel
        if last is not None:
            requests[-1, -1] = last - 1
        before = len(timed)
        job.time(0, 0, Stream(requests, np.zeros(shape, np.int64), 0, 0, (2048, 1)))
        return len(timed) - before

    assert timings(None, 1000) == 1
    job.time(0, 0, None)
    job.time(0, 0, None)
    assert len(timed) == 2
    # All of it in a slot after an even number of cycles of its lane, 4, 8, ...; or after an odd number.
    assert [timings(late) for late in (None, 0, 4, 8, 400)] == [0] * 5
    assert [timings(None, late) for late in (1000, 999, 1001)] == [0, 0, 1]  # slots have even numbers
    # Eight are kept: the one on chip, and the latest of the others.
    assert [timings(None, late) for late in range(2000, 2400, 100)] == [1] * 4
    assert [timings(None, late) for late in (1000, 1002, 2000, 2300)] == [0] * 4
    assert timings(None, 3000) == 1  # the eighth
    assert timings(None, 3100) == 1  # one too many: the first of the others is dropped
    assert timings(None, 1002) == 0
    assert timings(None, 1000) == 1
    assert timings(None, 1002) == 1
    assert timings(None) == 0


def test_an_image_that_is_not_there_is_refused():
    trace = MemoryTrace((), {"m0": np.zeros((2, 1, 1, 1), np.uint16)}, 0, 8)
    with pytest.raises(TraceError, match=r"no image 2; it has 0 \.\. 1"):
        Workload(trace, 2)
