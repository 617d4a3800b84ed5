"""Requests hold the bytes of the result, in the cycles of a channel that is clocked here cycle by cycle."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise, product
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import MemoryTrace, chains, machines

from hwsim.arch import Arch
from hwsim.errors import ExportError, TraceError
from hwsim.export import write_dramsim3, write_ramulator2
from hwsim.export.dram_trace import requests
from hwsim.layer import Layer
from hwsim.machine.schedule import schedule
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
    """(cycle, write) of every burst: one channel, ticked; reads as scheduled, writes when no read is on."""
    reads = [transfer for transfer in plan.transfers if transfer.kind != "maps_out"]
    queue = []  # of write work, one entry a cycle: (ready, bursts that begin in it)
    for write in plan.transfers:
        if write.kind != "maps_out":
            continue
        (span,) = [span for span in plan.layers if span.job.layer.name == write.layer]
        drained = sorted(run.begin + int(cycle) for run in span.passes for cycle in run.timing.drained)
        bursts = ceil(write.size / 64)
        cycles = ceil(bursts * 64 / arch.bytes_per_cycle)
        for cycle in range(cycles):
            part = next(k for k in range(len(drained)) if (k + 1) * cycles // len(drained) > cycle)
            first_byte = cycle * arch.bytes_per_cycle
            began = [b for b in range(bursts) if first_byte <= b * 64 < first_byte + arch.bytes_per_cycle]
            queue.append((drained[part], len(began)))
    found, now = [], 0
    last = max(transfer.end for transfer in plan.transfers)
    while now <= last:
        on = [read for read in reads if read.begin <= now < read.end]
        assert len(on) <= 1
        if on:
            first_byte = (now - on[0].begin) * arch.bytes_per_cycle
            bursts = range(ceil(on[0].size / 64))
            began = [b for b in bursts if first_byte <= b * 64 < first_byte + arch.bytes_per_cycle]
            found += [(now, False)] * len(began)
        elif queue and queue[0][0] <= now:
            found += [(now, True)] * queue.pop(0)[1]
        now += 1
    assert not queue
    return found


def test_bursts_take_their_turn_as_on_the_clocked_channel(case, tmp_path):
    write_dramsim3(case, case.arch, tmp_path / "t")
    plan = schedule(Workload(case, 0).jobs(case.arch), case.arch)
    expected = clocked(plan, case.arch)
    assert [(cycle, write) for write, _, cycle in dramsim3(tmp_path / "t")] == expected


def test_bursts_hold_the_bytes_of_the_result(case, tmp_path):
    write_ramulator2(case, case.arch, tmp_path / "t")
    found = ramulator2(tmp_path / "t")
    plan = schedule(Workload(case, 0).jobs(case.arch), case.arch)
    runs = simulate(case, case.arch).runs("skipping")
    for kinds, write in ((("weights", "maps_in"), False), (("maps_out",), True)):
        sizes = [transfer.size for transfer in plan.transfers if transfer.kind in kinds]
        assert sum(sizes) == sum(run.dram[kind] for run in runs for kind in kinds)
        assert sum(is_write == write for is_write, _ in found) == sum(ceil(size / 64) for size in sizes)


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


def assert_sound(trace: MemoryTrace, arch: Arch) -> None:
    """No burst is read before it is written, none that is on chip, nothing lies in two places."""
    plan = schedule(Workload(trace, 0).jobs(arch), arch)
    found = requests(plan, arch)
    spans = sorted((first, first + size) for first, size in found.regions.values())
    assert all(end <= first for (_, end), (first, _) in pairwise(spans))
    burst_reads: Counter[int] = Counter()
    written: dict[int, int] = {}
    for cycle, address, write in zip(found.cycles, found.addresses, found.writes, strict=True):
        if write:
            assert address not in written
            written[address] = cycle
        else:
            burst_reads[address] += 1
            made = [f"map {layer.output}" for layer in trace.layers]
            (region,) = (name for name, (at, size) in found.regions.items() if at <= address < at + size)
            assert region not in made or written.get(address, cycle) < cycle
    for span in plan.layers:
        job, rounds = span.job, len(span.job.mapping.rounds)
        first, size = found.regions.get(f"map {job.layer.input}", (0, 0))
        reads = [burst_reads[address] for address in range(first, first + size, 64)]
        rows = {y for group in range(len(job.mapping.groups)) for y in job.rows(group).y.tolist()}
        whole = 8 * int(job.stored.words[sorted(rows)].sum())
        whole += 4 * len(rows) * job.stored.words.shape[1] if arch.compress else 0
        if job.traffic.resident or job.layer.kind == "depthwise":
            assert span.dram["maps_in"] in (0, whole)
            # Where one round ends and the next begins, both read the burst.
            assert sum(n - 1 for n in reads if n > 1) <= rounds - 1
        elif job.layer.groups > 1:  # a round reads the groups of its units alone, and all of them are read
            assert whole <= span.dram["maps_in"] <= rounds * whole
        else:
            assert span.dram["maps_in"] == rounds * whole
            assert set(reads) <= {0, rounds}


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
        assert span.dram["maps_in"] == span.job.stored.bytes


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
    assert len(set(read)) == ceil(span.dram["maps_in"] / 64)
    assert read == sorted(read)


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
    sizes = [span.dram["maps_out"] for span in schedule(Workload(case, 0).jobs(case.arch), case.arch).layers]
    assert len(set(written)) == sum(ceil(size / 64) for size in sizes[:2])
    assert written == sorted(written)


def test_a_units_weights_lie_at_its_number_and_are_loaded_once(cases, tmp_path):
    for case in cases:
        found = write_ramulator2(case, case.arch, tmp_path / "t")
        loads = Counter(address for write, address in ramulator2(tmp_path / "t") if not write)
        plan = schedule(Workload(case, 0).jobs(case.arch), case.arch)
        for span in plan.layers:
            first, size = found.regions[f"weights of {span.job.layer.name}"]
            sizes = [ceil(span.job.weights[unit][1] / 64) * 64 for unit in range(span.job.mapping.units)]
            assert size == (len(sizes) - 1) * sizes[0] + sizes[-1]
            for unit, unit_size in enumerate(sizes):
                here = first + unit * sizes[0]
                assert {loads[here + byte] for byte in range(0, unit_size, 64)} == {1}


def test_what_cannot_be_written_is_told_in_one_line(one_case, tmp_path):
    with pytest.raises(ExportError, match="No such file"):
        write_ramulator2(one_case, one_case.arch, tmp_path / "missing" / "t")
    with pytest.raises(ExportError, match="Is a directory"):
        write_dramsim3(one_case, Arch(), tmp_path)
    with pytest.raises(TraceError, match="no image 2"):
        write_dramsim3(one_case, Arch(), tmp_path / "t", image=2)
