"""Requests hold the bytes of the result, in the cycles of a channel that is clocked here cycle by cycle."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_additions import residual
from random_networks import MemoryTrace, chains, machines

from hwsim import open_trace
from hwsim.arch import Arch
from hwsim.errors import ExportError, TraceError
from hwsim.export import write_dramsim3, write_ramulator2
from hwsim.export.dram_trace import place, requests
from hwsim.layer import Layer
from hwsim.machine.schedule import Schedule, schedule
from hwsim.machine.simulation import simulate
from hwsim.machine.workload import Workload


def ramulator2(path) -> list[tuple[bool, int]]:
    """As LoadStoreTrace of Ramulator 2 reads it: two tokens a line, nothing else."""
    found = []
    for line in path.read_text().splitlines():
        kind, address = line.split(" ")
        assert kind in ("LD", "ST")
        assert address.startswith("0x")
        found.append((kind == "ST", int(address[2:], 16)))
    return found


def dramsim3(path) -> list[tuple[bool, int, int]]:
    """As DRAMsim3's ``hex >> address >> type >> dec >> cycle`` reads it."""
    found = []
    for line in path.read_text().splitlines():
        address, kind, cycle = line.split()
        assert kind in ("READ", "WRITE")
        found.append((kind == "WRITE", int(address, 16), int(cycle)))
    return found


def clocked(plan, arch) -> list[tuple[int, bool]]:
    """(cycle, write) of every beat: one channel, ticked; reads as scheduled, writes when no read is on."""

    def begun(cycle: int, size: int) -> int:
        """Beats of a transfer of whose bytes the first moves in a cycle of its work."""
        moved = Fraction(arch.bytes_per_cycle * arch.dram_efficiency, 100)
        return sum(moved * cycle <= byte < moved * (cycle + 1) for byte in range(0, size, 32))

    scales = {(read.layer, read.part): read.size for read in plan.transfers if read.kind == "scales"}
    reads = []  # (begin, end, size); scales and weights of a unit are one
    for read in plan.transfers:
        if not read.write and read.kind != "scales":
            ahead = scales[read.layer, read.part] if read.kind == "weights" else 0
            reads.append((read.begin, read.end, ahead + read.size))
    queue = []  # of write work, one entry a cycle: (ready, beats that begin in it)
    for write in plan.transfers:
        if not write.write:
            continue
        (span,) = [span for span in plan.layers if span.job.layer.name == write.layer]
        drained = sorted(run.begin + int(cycle) for run in span.passes for cycle in run.timing.drained)
        if write.kind == "index":
            drained = drained[-1:]
        cycles = ceil(Fraction(write.size * 100, arch.bytes_per_cycle * arch.dram_efficiency))
        for cycle in range(cycles):
            part = next(k for k in range(len(drained)) if (k + 1) * cycles // len(drained) > cycle)
            queue.append((drained[part], begun(cycle, write.size)))
    found, now = [], 0
    last = max(transfer.end for transfer in plan.transfers)
    while now <= last:
        on = [(now - begin, size) for begin, end, size in reads if begin <= now < end]
        assert len(on) <= 1
        if on:
            found += [(now, False)] * begun(*on[0])
        elif queue and queue[0][0] <= now:
            found += [(now, True)] * queue.pop(0)[1]
        now += 1
    assert not queue
    return found


def test_bursts_take_their_turn_as_on_the_clocked_channel(case, tmp_path):
    """A request is made with a beat; a beat in the burst of the one before it makes none."""
    write_dramsim3(case, case.arch, tmp_path / "t")
    plan = schedule(Workload(case, 0).jobs(case.arch), case.arch)
    beats = clocked(plan, case.arch)
    found = Counter((cycle, write) for write, _, cycle in dramsim3(tmp_path / "t"))
    assert not found - Counter(beats)
    jobs = {span.job.layer.name: span.job for span in plan.layers}
    for write in (False, True):
        transfers = [transfer for transfer in plan.transfers if transfer.write == write]
        joined = sum(
            byte // 64 == before // 64
            for transfer in transfers
            for before, byte in pairwise(place(transfer, jobs)[1].tolist())
        )
        made = sum(times for (_, is_write), times in found.items() if is_write == write)
        assert made == sum(is_write == write for _, is_write in beats) - joined


def test_bursts_hold_the_beats_of_the_result(case, tmp_path):
    write_ramulator2(case, case.arch, tmp_path / "t")
    found = ramulator2(tmp_path / "t")
    plan = schedule(Workload(case, 0).jobs(case.arch), case.arch)
    runs = simulate(case, case.arch).runs("skipping")
    sizes = Counter()
    for transfer in plan.transfers:
        assert transfer.size % 32 == 0
        sizes[transfer.write] += transfer.size
    assert sum(sizes.values()) == sum(sum(run.dram.values()) for run in runs)
    for write in (False, True):
        requests = sum(is_write == write for is_write, _ in found)
        assert sizes[write] <= 64 * requests <= 2 * sizes[write]


def test_both_formats_have_the_same_requests(case, tmp_path):
    write_ramulator2(case, case.arch, tmp_path / "r")
    write_dramsim3(case, case.arch, tmp_path / "d")
    timed = dramsim3(tmp_path / "d")
    assert [request[:2] for request in timed] == ramulator2(tmp_path / "r")
    cycles = [cycle for *_, cycle in timed]
    assert cycles == sorted(cycles)


def test_everything_lies_in_a_region_of_its_own(case, tmp_path):
    found = write_ramulator2(case, case.arch, tmp_path / "t")
    spans = sorted((first, first + size) for first, size in found.regions.values())
    assert all(end <= first for (_, end), (first, _) in pairwise(spans))
    touched = Counter()
    for write, address in ramulator2(tmp_path / "t"):
        assert address % 64 == 0
        (region,) = [name for name, (first, size) in found.regions.items() if first <= address < first + size]
        assert not (write and region.startswith("weights"))
        touched[region] += 1
    assert set(touched) == set(found.regions)


def test_a_map_is_read_where_it_was_written(cases, tmp_path):
    compared = 0
    for case in cases:
        found = write_ramulator2(case, case.arch, tmp_path / "t")
        requests = ramulator2(tmp_path / "t")
        for layer in case.layers[1:]:
            if f"map {layer.input}" not in found.regions:
                continue
            first, size = found.regions[f"map {layer.input}"]
            here = [(write, address) for write, address in requests if first <= address < first + size]
            written = {address for write, address in here if write}
            read = {address for write, address in here if not write}
            assert read <= written
            compared += bool(read)
    assert compared > 5


@settings(max_examples=120)
@given(chains(), machines, st.integers(1, 20))
def test_what_is_read_was_written_before_and_what_fits_is_read_once(trace, arch, cores):
    assert_sound(trace, arch.replace(cores=cores))


@settings(max_examples=60)
@given(residual(), machines)
def test_what_is_added_was_written_before_and_is_read_once_if_it_is_not_on_chip(trace, arch):
    plan = schedule(Workload(trace, 0).jobs(arch), arch)
    assert_written_first(trace, plan, arch)
    for span in plan.layers:
        sizes = [32 * (-(-added.map.words // 4)).sum(axis=1) for added in span.job.traffic.adds]
        fetched = [added.fetched for added in span.job.traffic.adds]
        assert span.dram["residuals"] == sum(
            int(size @ rows) for size, rows in zip(sizes, fetched, strict=True)
        )


def test_a_machine_that_runs_a_whole_network_reads_its_first_index_and_map_from_their_begins():
    trace = open_trace("lenet5_digits/sparse")
    plan = schedule(Workload(trace, 0).jobs(Arch()), Arch())
    assert_written_first(trace, plan, Arch())
    jobs = {span.job.layer.name: span.job for span in plan.layers}
    first = plan.layers[0].job
    beats: dict[str, list[int]] = {}
    for transfer in plan.transfers:
        if transfer.map == first.layer.input:
            region, offsets = place(transfer, jobs)
            beats.setdefault(region, []).extend(int(offset) for offset in offsets)
    size = first.traffic.index_size
    assert beats[f"index of {first.layer.input}"] == list(range(0, size, 32))
    # Each row is a segment of 28 values, which have room in 56 bytes, two beats; some take one.
    expected = [
        64 * row + 32 * beat for row, (count,) in enumerate(first.stored.beats) for beat in range(count)
    ]
    assert beats[f"map {first.layer.input}"] == expected


def assert_sound(trace: MemoryTrace, arch: Arch) -> None:
    """No beat is read before it is written, none that is on chip, nothing lies in two places."""
    plan = schedule(Workload(trace, 0).jobs(arch), arch)
    reads = assert_written_first(trace, plan, arch)
    for span in plan.layers:
        job, rounds = span.job, len(span.job.mapping.rounds)
        times = [n for (region, _), n in reads.items() if region == f"map {job.layer.input}"]
        rows = sorted({y for group in range(len(job.mapping.groups)) for y in job.rows(group).y.tolist()})
        stay, held = job.traffic.stay, job.traffic.held
        row_bytes = 32 * (-(-job.stored.words // 4)).sum(axis=1)
        once = sum(row_bytes[y] for y in rows if not held[y])
        passing = sum(row_bytes[y] for y in rows if not held[y] and not stay[y])
        if job.layer.kind == "depthwise" or not passing:
            assert span.dram["maps_in"] == once
            assert set(times) <= {1}
        elif job.layer.groups > 1:  # a round reads the groups of its units alone, and all of them are read
            assert once <= span.dram["maps_in"] <= once + (rounds - 1) * passing
        else:
            assert span.dram["maps_in"] == once + (rounds - 1) * passing
            assert set(times) <= {1, rounds}


def assert_written_first(trace: MemoryTrace, plan: Schedule, arch: Arch) -> Counter:
    """No beat is read before it is written, and nothing lies in two places; how often each beat is read, by
    region and byte."""
    found = requests(plan, arch)
    spans = sorted((first, first + size) for first, size in found.regions.values())
    assert all(end <= first for (_, end), (first, _) in pairwise(spans))
    burst_reads: Counter[int] = Counter()
    written: dict[int, int] = {}  # burst -> cycle of the last write to it
    made = {
        f"{what} {name}" for layer in trace.layers for what in ("map", "index of") for name in layer.makes
    }
    made |= {f"map {layer.name} (output)" for layer in trace.layers}
    for cycle, address, write in zip(found.cycles, found.addresses, found.writes, strict=True):
        if write:
            written[address] = cycle
        else:
            burst_reads[address] += 1
            (region,) = (name for name, (at, size) in found.regions.items() if at <= address < at + size)
            assert region not in made or written.get(address, cycle) < cycle
    jobs = {span.job.layer.name: span.job for span in plan.layers}
    beats: dict[bool, Counter] = {False: Counter(), True: Counter()}  # by direction: (region, byte) -> times
    for transfer in plan.transfers:
        region, offsets = place(transfer, jobs)
        assert (offsets % 32 == 0).all()
        beats[transfer.write].update((region, int(offset)) for offset in offsets)
    assert set(beats[True].values()) <= {1}
    assert all(beat in beats[True] for beat in beats[False] if beat[0] in made)
    return beats[False]


@pytest.mark.parametrize("cores", range(1, 21))
def test_a_depthwise_map_is_fetched_once_whatever_the_number_of_cores(cores):
    point = Layer("pw", "conv", "m0", (8, 10, 10), (64, 10, 10), output="m1")
    layer = Layer("dw", "depthwise", "m1", (64, 10, 10), (64, 8, 8), (3, 3))
    rng = np.random.default_rng(0)
    values = {la.input: rng.integers(0, 3, (1, *la.in_shape)).astype(np.uint16) for la in (point, layer)}
    for split, coded, buffer in product(("best", "balanced", "contiguous"), (True, False), (0, 10**6)):
        arch = Arch(cores=cores, row_split=split, skip_zeros=coded, compress=coded, map_buffer=buffer)
        two, alone = (MemoryTrace(layers, values, 0, 8) for layers in ((point, layer), (layer,)))
        assert_sound(two, arch)
        (span,) = schedule(Workload(alone, 0).jobs(arch), arch).layers
        assert span.dram["maps_in"] == 32 * span.job.stored.beats.sum()


def in_region(found, name, requests, write):
    first, size = found.regions[name]
    return [address for kind, address in requests if kind == write and first <= address < first + size]


def test_rounds_of_a_depthwise_layer_read_one_part_of_the_map_after_the_other(one_case, tmp_path):
    layer = Layer("dw", "depthwise", "m0", (8, 6, 9), (8, 6, 9), (3, 3), 1, (1, 1))
    values = np.random.default_rng(0).integers(0, 1024, layer.in_shape).astype(np.uint16)
    case = replace(one_case, layers=(layer,), values={"m0": values}, arch=Arch(cores=1, columns=2))
    found = write_ramulator2(case, case.arch, tmp_path / "t")
    (span,) = schedule(Workload(case, 0).jobs(case.arch), case.arch).layers
    assert len(span.job.mapping.rounds) == 4
    read = in_region(found, "map m0", ramulator2(tmp_path / "t"), False)
    places = found.regions["map m0"][1] // 64
    assert set(read) <= {found.regions["map m0"][0] + 64 * burst for burst in range(places)}
    # Blocks of two channels lie side by side in a row; each round reads its own, row by row.
    by_round = [read[first : first + 6] for first in range(0, len(read), 6)]
    assert len(read) == 24
    assert all(part == sorted(part) for part in by_round)


def test_layers_that_make_a_map_together_write_their_parts_one_after_the_other(one_case, tmp_path):
    halves = [
        Layer(name, "conv", "m0", (3, 8, 8), (channels, 8, 8), (1, 1), output="m1")
        for name, channels in (("a", 12), ("b", 4))
    ]
    last = Layer("c", "conv", "m1", (16, 8, 8), (2, 8, 8))
    values = {
        name: np.random.default_rng(1).integers(0, 1024, shape).astype(np.uint16)
        for name, shape in (("m0", (3, 8, 8)), ("m1", (16, 8, 8)))
    }
    case = replace(one_case, layers=(*halves, last), values=values, arch=Arch(map_buffer=0))
    found = write_ramulator2(case, case.arch, tmp_path / "t")
    written = in_region(found, "map m1", ramulator2(tmp_path / "t"), True)
    # Sixteen channels make one segment a row, complete when the last of them is: the second layer writes it.
    sizes = [span.dram["maps_out"] for span in schedule(Workload(case, 0).jobs(case.arch), case.arch).layers]
    assert sizes[0] == 0
    assert sizes[1] > 0
    assert written == sorted(written)


def test_a_units_weights_lie_at_its_number_and_are_loaded_once(cases, tmp_path):
    for case in cases:
        found = write_ramulator2(case, case.arch, tmp_path / "t")
        loads = Counter(address for write, address in ramulator2(tmp_path / "t") if not write)
        plan = schedule(Workload(case, 0).jobs(case.arch), case.arch)
        for span in plan.layers:
            first, size = found.regions[f"weights of {span.job.layer.name}"]
            weights, parts = span.job.weights, span.job.mapping.parts
            sizes = [
                weights[unit].size + 32 * ceil(6 * len(part.makes) / 32) for unit, part in enumerate(parts)
            ]
            assert size == (len(sizes) - 1) * max(sizes) + sizes[-1]
            taken = Counter()  # bursts of each unit: where one ends and the next begins, both load it
            for unit, unit_size in enumerate(sizes):
                here = first + unit * max(sizes)
                taken.update({byte // 64 for byte in range(here, here + unit_size)})
            assert all(1 <= loads[64 * burst] <= 2 * times for burst, times in taken.items())


def test_what_cannot_be_written_is_told_in_one_line(one_case, tmp_path):
    with pytest.raises(ExportError, match="No such file"):
        write_ramulator2(one_case, one_case.arch, tmp_path / "missing" / "t")
    with pytest.raises(ExportError, match="Is a directory"):
        write_dramsim3(one_case, Arch(), tmp_path)
    with pytest.raises(TraceError, match="no image 2"):
        write_dramsim3(one_case, Arch(), tmp_path / "t", image=2)
