"""A timeline is what a viewer reads, and its slices add up to the result."""

import json
from collections import defaultdict
from itertools import pairwise
from math import prod

import pytest

from hwsim.arch import Arch
from hwsim.errors import ExportError, TraceError
from hwsim.export import write_timeline
from hwsim.export.files import schedule_of
from hwsim.machine.runs import DRAM_KINDS
from hwsim.machine.schedule import schedule
from hwsim.machine.simulation import simulate
from hwsim.machine.workload import Workload
from hwsim.trace import open_trace


class Timeline:
    """A Trace Event Format file: names of tracks from its metadata, and slices by track."""

    def __init__(self, path):
        document = json.loads(path.read_text(encoding="ascii"))
        self.names = names = {}
        self.slices = defaultdict(list)
        for event in document["traceEvents"]:
            if event["ph"] == "M":
                assert event["name"] in ("process_name", "thread_name")
                thread = event["tid"] if event["name"] == "thread_name" else None
                assert type(event["tid"]) is int
                assert (event["pid"], thread) not in names
                names[event["pid"], thread] = event["args"]["name"]
            else:
                assert event["ph"] == "X"
                assert type(event["ts"]) is type(event["dur"]) is int
                assert event["ts"] >= 0
                assert event["dur"] > 0
                track = f"{names[event['pid'], None]}: {names[event['pid'], event['tid']]}"
                self.slices[track].append(event)

    def tracks(self, ending: str) -> list[dict]:
        return [event for track, events in self.slices.items() if track.endswith(ending) for event in events]

    def assert_apart(self):
        for track, events in self.slices.items():
            ordered = sorted(events, key=lambda event: event["ts"])
            for one, other in pairwise(ordered):
                assert one["ts"] + one["dur"] <= other["ts"], (track, one, other)


def runs_of(case):
    return simulate(case, case.arch).runs("skipping")


def test_the_layers_and_their_bytes_are_those_of_the_result(case, tmp_path):
    write_timeline(case, case.arch, tmp_path / "t.json")
    timeline = Timeline(tmp_path / "t.json")
    timeline.assert_apart()
    runs = runs_of(case)
    layers = timeline.slices["layers: layer"]
    assert [(e["name"], e["ts"], e["dur"]) for e in layers] == [(r.name, r.start, r.cycles) for r in runs]
    for event, run in zip(layers, runs, strict=True):
        assert event["args"] == {f"{cause}_core_cycles": count for cause, count in run.causes.items()}
    for kind in DRAM_KINDS:
        tracks = [f"DRAM channel: {name}" for name in (kind, f"{kind} out")]
        moved = sum(event["args"]["bytes"] for name in tracks for event in timeline.slices.get(name, ()))
        assert moved == sum(run.dram[kind] for run in runs)
    transfers = schedule_of(case, case.arch, 0).transfers
    for name, write in (("index", False), ("index out", True)):
        moved = sum(event["args"]["bytes"] for event in timeline.slices.get(f"DRAM channel: {name}", ()))
        assert moved == sum(each.size for each in transfers if each.kind == "index" and each.write is write)


def test_what_goes_to_dram_has_a_track_apart_where_its_kind_also_comes_from_there(cases, tmp_path):
    compared = 0
    for case in cases:
        write_timeline(case, case.arch, tmp_path / "t.json")
        slices = Timeline(tmp_path / "t.json").slices
        transfers = schedule(Workload(case, 0).jobs(case.arch), case.arch).transfers
        for track, write in (("index", False), ("index out", True)):
            sizes = [each.size for each in transfers if each.kind == "index" and each.write == write]
            found = slices.get(f"DRAM channel: {track}", [])
            assert sorted(event["args"]["bytes"] for event in found) == sorted(sizes)
            compared += len(sizes) if write else 0
    assert compared > 5


def test_the_parts_of_a_core_have_tracks_where_a_layer_is_chosen_alone(one_case, tmp_path):
    def tracks_of_a_core() -> set[str]:
        names = Timeline(tmp_path / "t.json").names.values()
        return {name.removeprefix("core 0 ") for name in names if name.startswith("core 0 ")}

    write_timeline(one_case, one_case.arch, tmp_path / "t.json")
    assert tracks_of_a_core() == {"pass"}
    write_timeline(one_case, one_case.arch, tmp_path / "t.json", layer=one_case.layers[0].name)
    assert tracks_of_a_core() == {"pass", "decode", "scatter", "drain"}


def test_a_layers_decoder_scatter_unit_and_drain_work_as_long_as_in_the_result(case, tmp_path):
    for layer, run in zip(case.layers, runs_of(case), strict=True):
        write_timeline(case, case.arch, tmp_path / "t.json", layer=layer.name)
        timeline = Timeline(tmp_path / "t.json")
        timeline.assert_apart()
        scatter = timeline.tracks(" scatter")
        for name, cause in (("compute", "compute"), ("no tap", "taps")):
            assert sum(event["dur"] for event in scatter if event["name"] == name) == run.causes[cause]
        passes = [event for event in timeline.tracks(" pass") if "wait for" not in event["name"]]
        slots = [event["dur"] for event in timeline.tracks(" pass") if event["name"] == "wait for a slot"]
        symbols = sum(event["args"]["symbols"] for event in passes)
        assert sum(event["dur"] for event in timeline.tracks(" decode")) == symbols
        assert sum(event["dur"] for event in timeline.tracks(" drain")) == prod(layer.out_shape)
        for cause in ("compute", "taps", "decode"):
            waits = sum(slots) if cause == "decode" else 0
            assert waits + sum(event["args"][f"{cause}_cycles"] for event in passes) == run.causes[cause]
        assert [event["name"] for event in timeline.slices["layers: layer"]] == [layer.name]
        for kind, size in run.dram.items():
            tracks = [f"DRAM channel: {name}" for name in (kind, f"{kind} out")]
            moved = [e["args"]["bytes"] for name in tracks for e in timeline.slices.get(name, ())]
            assert sum(moved) == size


def test_of_a_chain_the_cycles_beside_the_passes_are_slices_with_names(tmp_path):
    with open_trace("lenet5_digits/sparse") as trace:
        write_timeline(trace, Arch(), tmp_path / "t.json")
        first, *_, last = simulate(trace, images=[0]).runs("skipping")
    timeline = Timeline(tmp_path / "t.json")
    timeline.assert_apart()
    steps = {event["name"]: event["dur"] for event in timeline.slices["layers: beside passes"]}
    assert steps["conv1 pool"] * 16 == first.causes["pool"] > 0
    assert steps["fc3 result"] * 16 == last.causes["dram"] > 0
    assert steps["conv1 programs"] * 16 <= first.causes["dram"]
    assert [name.split()[1] for name in steps if name.startswith("fc1")] == ["sequencer", "writers"]
    waits = {event["name"] for event in timeline.tracks(" pass") if event["name"].startswith("wait")}
    assert waits == {"wait for weights", "wait for the sequencer", "wait for a slot"}


def test_passes_and_what_they_waited_for_before_are_those_of_the_schedule(case, tmp_path):
    write_timeline(case, case.arch, tmp_path / "t.json")
    document = json.loads((tmp_path / "t.json").read_text(encoding="ascii"))
    told = {"network": case.network, "variant": case.variant, "image": 0, "time": "1 us stands for 1 cycle"}
    told["marks"] = ["Synthetic trace: generated values, not measured ones."]
    assert (document["otherData"], document["displayTimeUnit"]) == (told, "ns")
    expected = defaultdict(list)
    for span in schedule_of(case, case.arch, 0).layers:
        for run in span.passes:
            track, timing = f"cores: core {run.core} pass", run.timing
            for wait, begin, end in (
                ("weights", run.free, run.loaded),
                ("the sequencer", run.loaded, run.able),
                ("a slot", run.able, run.begin),
            ):
                if end > begin:
                    expected[track].append((f"wait for {wait}", begin, end - begin, None))
            causes = {f"{cause}_cycles": cycles for cause, cycles in timing.causes.items()}
            counts = {"round": run.round, "symbols": timing.symbols, "words": timing.words, **causes}
            name = f"{span.job.layer.name} unit {run.unit} rows {run.group}"
            expected[track].append((name, run.begin, timing.cycles, counts))
    for track, slices in Timeline(tmp_path / "t.json").slices.items():
        if track.endswith(" pass"):
            found = [(event["name"], event["ts"], event["dur"], event.get("args")) for event in slices]
            assert found == expected.pop(track)
    assert not expected


def test_what_a_pass_does_lies_within_it(case, tmp_path):
    name = case.layers[-1].name
    write_timeline(case, case.arch, tmp_path / "t.json", layer=name)
    timeline = Timeline(tmp_path / "t.json")
    for core in range(case.arch.cores):
        passes = [
            (event["ts"], event["ts"] + event["dur"])
            for event in timeline.slices[f"cores: core {core} pass"]
            if "wait for" not in event["name"]
        ]
        for track in ("decode", "scatter", "drain"):
            for event in timeline.slices[f"cores: core {core} {track}"]:
                end = event["ts"] + event["dur"]
                assert any(first <= event["ts"] and end <= last for first, last in passes)


def test_slices_that_touch_are_one(case, tmp_path):
    write_timeline(case, case.arch, tmp_path / "t.json", layer=case.layers[0].name)
    timeline = Timeline(tmp_path / "t.json")
    for core in range(case.arch.cores):
        events = sorted(timeline.slices[f"cores: core {core} decode"], key=lambda event: event["ts"])
        for one, other in pairwise(events):
            assert one["ts"] + one["dur"] < other["ts"]


def test_what_cannot_be_written_is_told_in_one_line(one_case, tmp_path):
    with pytest.raises(TraceError, match="no layer other; it has l0"):
        write_timeline(one_case, one_case.arch, tmp_path / "t", layer="other")
    with pytest.raises(ExportError, match="Is a directory"):
        write_timeline(one_case, one_case.arch, tmp_path)
