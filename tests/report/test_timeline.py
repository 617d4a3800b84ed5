"""A layer in time: the tracks hold the cycles that the schedule counts, each where it happens."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.arch import DRAIN_LATENCY, Arch
from hwsim.errors import TraceError
from hwsim.machine.schedule import schedule
from hwsim.machine.workload import Workload
from hwsim.report.plots import timeline_plot
from hwsim.report.timeline import CORES, Busy, timeline
from hwsim.trace import open_trace
from traces import Tiny

MACHINES = [Arch(cores=2, columns=2), Arch(cores=3, columns=4, map_buffer=0, bytes_per_cycle=1, run_max=1)]
spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=12)


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    with open_trace(Tiny().write(tmp_path_factory.mktemp("trace") / "tiny.zarr.zip")) as opened:
        yield opened


def busy(pairs) -> Busy:
    return Busy.of((np.array([begin]), np.array([begin + length])) for begin, length in pairs)


@given(spans, st.lists(st.integers(-5, 90), min_size=2, max_size=9, unique=True).map(sorted))
def test_a_share_is_the_part_of_the_cycles_of_a_bin(pairs, edges):
    cycles = {cycle for begin, length in pairs for cycle in range(begin, begin + length)}
    found = busy(pairs)
    assert found.cycles == len(cycles)
    assert (found.begin[1:] >= found.end[:-1]).all()
    expected = [len(cycles & set(range(low, high))) / (high - low) for low, high in itertools.pairwise(edges)]
    assert found.share(np.array(edges)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("arch", MACHINES, ids=["small", "starved"])
@pytest.mark.parametrize("layer", ["conv", "fc"])
def test_the_lanes_add_up_to_what_the_schedule_counts(trace, arch, layer):
    shown = timeline(trace, arch, 1, layer)
    plan = schedule(Workload(trace, 1).jobs(arch), arch)
    span = next(span for span in plan.layers if span.job.layer.name == layer)
    assert (shown.start, shown.end) == (span.start, span.end)
    for tracks in shown.cores:
        runs = [run for run in span.passes if run.core == tracks.core]
        assert tracks.decode.cycles == sum(run.timing.symbols for run in runs)
        assert tracks.compute.cycles == sum(run.timing.causes["compute"] for run in runs)
        assert tracks.idle_taps.cycles == sum(run.timing.causes["taps"] for run in runs)
        assert tracks.waits.cycles == sum(run.loaded - run.free for run in runs)
        width = span.job.layer.out_shape[2]
        values = sum(
            len(span.job.mapping.parts[run.unit].makes) * width * len(run.timing.drained) for run in runs
        )
        assert tracks.drain.cycles == values
        for track in (tracks.decode, tracks.compute, tracks.drain):
            assert span.start <= track.begin.min() < track.end.max() <= span.end
        assert tracks.drain.begin.min() > tracks.compute.begin.min() > tracks.decode.begin.min()


def test_transfers_of_a_layer_stand_apart_from_those_of_others(trace):
    arch = MACHINES[1]
    shown = timeline(trace, arch, 1, "conv")
    plan = schedule(Workload(trace, 1).jobs(arch), arch)
    weights = [t for t in plan.transfers if (t.layer, t.kind) == ("conv", "weights")]
    assert shown.dram["weights"].cycles == sum(t.end - t.begin for t in weights)
    assert shown.dram["weights"].begin[0] == min(t.begin for t in weights)
    assert shown.others.cycles > 0


def test_a_few_cores_are_shown_the_first_and_last_done_among_them(trace):
    arch = Arch(cores=8, columns=1)
    shown = timeline(trace, arch, 1, "conv")
    plan = schedule(Workload(trace, 1).jobs(arch), arch)
    done = {}
    for run in plan.layers[0].passes:
        done[run.core] = max(done.get(run.core, 0), run.begin + run.timing.cycles)
    assert shown.working == len(done) > CORES == len(shown.cores)
    times = [done[tracks.core] for tracks in shown.cores]
    assert (min(times), max(times)) == (min(done.values()), max(done.values()))


def test_of_a_chain_what_takes_time_beside_the_passes_has_tracks_of_its_own(trace):
    with open_trace("lenet5_digits/sparse") as lenet:
        shown, arch = timeline(lenet, Arch(), 0, "conv2"), Arch()
        causes = schedule(Workload(lenet, 0).jobs(arch), arch).layers[1].causes
    assert list(shown.steps) == ["sequencer", "writers", "pool"]
    assert shown.steps["sequencer"].begin[0] == shown.start
    assert shown.steps["pool"].end[0] == shown.end
    assert shown.steps["pool"].cycles * arch.cores == causes["pool"] > 0
    last = max(tracks.drain.end.max() for tracks in shown.cores)
    assert shown.steps["writers"].begin[0] == last + DRAIN_LATENCY
    assert shown.steps["writers"].end[0] == shown.steps["pool"].begin[0]
    drawn = timeline_plot(shown).svg
    assert all(word in drawn for word in (">sequencer<", ">writers<", ">pool<", "beside passes"))
    plain = timeline(trace, MACHINES[0], 1, "conv")
    assert plain.steps == {}
    assert "beside passes" not in timeline_plot(plain).svg


def test_a_layer_that_is_not_there_is_one_clear_error(trace):
    with pytest.raises(TraceError, match=r"no layer conv9; it has conv, fc"):
        timeline(trace, Arch(), 0, "conv9")


def test_the_plot_names_cores_lanes_and_layer_and_is_the_same_every_time(trace):
    shown = timeline(trace, MACHINES[0], 1, "conv")
    plot = timeline_plot(shown)
    assert plot == timeline_plot(shown)
    for word in ("Timeline of conv", "core 0", "core 1", "decode", "scatter", "drain", "maps in"):
        assert word in plot.svg
    assert "image 1 began" in plot.svg
