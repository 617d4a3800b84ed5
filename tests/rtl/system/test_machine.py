"""A whole machine, compiled: from a memory image to its result, every byte that it makes, and when."""

from __future__ import annotations

import struct
from dataclasses import replace
from math import prod

import numpy as np
import pytest
from program_cases import drawn_networks
from random_programs import WholeTrace

from hwsim.arch import LAYER_BYTES, Arch
from hwsim.codec.segments import lengths_of, raw_segments, store_segments
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.programs import LAYER_FIELDS, pack, unpack
from hwsim.machine.schedule import Schedule, schedule
from hwsim.machine.workload import Workload
from hwsim.program import compile_network
from hwsim.program.image import HEADER_BYTES
from hwsim.reference import run_network
from hwsim.registers import MachineError
from hwsim.trace import open_trace
from hwsim_rtl.cosim.machine import MachineOutcome, build_machine

ARCH = Arch(cores=2, columns=4, accumulators=512, weight_words=2048, map_buffer=65536)
HALF = ARCH.map_buffer // 2


@pytest.fixture(scope="module")
def machine():
    return build_machine(ARCH)


@pytest.fixture(scope="module")
def lenet():
    with open_trace("lenet5_digits/sparse") as trace:
        yield trace


@pytest.fixture(scope="module")
def image(lenet):
    return compile_network(lenet, ARCH)


def run(machine, image, **options) -> MachineOutcome:
    return machine.run(image.to_bytes(), image.number("memory_bytes"), **options)


def descriptors(image) -> list[dict[str, int]]:
    """Of every layer, found as docs/image.md says."""
    found, at, size = [], image.number("program_at"), image.number("first_program_bytes")
    while size:
        found.append(unpack(LAYER_FIELDS, image.memory[at : at + 64]))
        at, size = at + size, 32 * found[-1]["next_beats"]
    return found


def as_memory(words: bytes) -> bytes:
    """Words of the map buffer as they lie in DRAM, highest byte first."""
    return np.frombuffer(words, "<u8").astype(">u8").tobytes()


def assert_made(trace, image, outcome: MachineOutcome) -> None:
    """Every byte of every map, of its index, and of the result is that of the network in integers."""
    assert outcome.error == MachineError.none
    maps, jobs, read = run_network(trace, 0), Workload(trace, 0).jobs(image.arch), descriptors(image)
    for number, (job, layer) in enumerate(zip(jobs[1:], read[1:], strict=True)):
        half = outcome.half(number, image.arch.map_buffer // 2)
        name = job.layer.input
        info = trace.maps[name]
        data, index = store_segments(maps[name], job.block, info.order, info.bits)
        at = 0
        for y, segment in np.ndindex(index.shape):
            size = 8 * int(lengths_of(index)[y, segment])
            place = 32 * (y * layer["row_beats"] + segment * layer["place_beats"])
            assert as_memory(half[place : place + size]) == data[at : at + size].tobytes(), (name, y, segment)
            at += size
        begin = 64 * layer["index_line"]
        assert half[begin : begin + 4 * index.size] == index.tobytes(), name
    last = jobs[-1].layer
    result = maps[trace.flow.results[last.name]]
    words, lengths = raw_segments(result, image.arch.columns, image.arch.activation_bits)
    at = 0
    for row, segment in np.ndindex(lengths.shape):
        size = 8 * int(lengths[row, segment])
        place = HEADER_BYTES + image.number("result_at")
        place += row * image.number("result_row") + segment * image.number("result_place")
        assert outcome.memory[place : place + size] == words[at : at + size].tobytes()
        at += size
    assert at == words.nbytes


def test_lenet_is_run_from_its_image_to_its_logits(machine, lenet, image):
    outcome = run(machine, image)
    assert_made(lenet, image, outcome)
    plan = schedule(Workload(lenet, 0).jobs(ARCH), ARCH)
    moved = sum(sum(span.dram.values()) for span in plan.layers)
    assert 32 * (outcome.beats_read + outcome.beats_written) == moved
    assert outcome.cycles == outcome.layer_ends[-1]
    assert_in_time(plan, outcome)


def assert_in_time(plan: Schedule, outcome: MachineOutcome) -> None:
    """Every pass begins and ends, and every layer ends, in the cycle of the model."""
    assert outcome.layer_ends == [span.end for span in plan.layers]
    passes = [run for span in plan.layers for run in span.passes]
    for core in range(ARCH.cores):
        due = [(run.begin, run.begin + run.timing.cycles) for run in passes if run.core == core]
        mine = outcome.passes[outcome.passes["core"] == core]
        assert list(zip(mine["begin"].tolist(), mine["end"].tolist(), strict=True)) == due, core


def as_made(trace: WholeTrace) -> WholeTrace:
    """The network with the maps that its layers make."""
    maps = run_network(trace, 0)
    return replace(trace, values={name: maps[name][None].astype(np.uint16) for name in trace.values})


def test_random_networks_are_run_in_the_cycles_of_the_model(machine):
    kinds = set()
    for trace in drawn_networks(7, 60):
        try:
            image = compile_network(trace, ARCH)
        except ArchError:
            continue
        trace = as_made(trace)
        jobs = Workload(trace, 0).jobs(ARCH)
        if sum(prod(layer.out_shape) for layer in trace.layers) > 4000:
            continue
        outcome = run(machine, image)
        assert_made(trace, image, outcome)
        assert_in_time(schedule(jobs, ARCH), outcome)
        kinds |= {(len(jobs), layer.kind, layer.transposed) for layer in trace.layers}
    assert {kind for _, kind, _ in kinds} >= {"conv", "depthwise"}
    assert {many for many, _, _ in kinds} >= {1, 2}


def test_values_of_a_long_segment_hold_up_those_of_a_short_one_behind_it(machine):
    # Five channels of a map of zeros, on two cores of four columns: both make long rows, and one short ones.
    layers = (
        Layer("zeros", "conv", "x", (1, 2, 60), (13, 2, 60), output="y"),
        Layer("after", "conv", "y", (13, 2, 60), (1, 2, 60)),
    )
    values = {"x": np.zeros((1, 1, 2, 60), np.uint16), "y": np.zeros((1, 13, 2, 60), np.uint16)}
    trace = as_made(WholeTrace(layers, values, 3, 16))
    plan = schedule(Workload(trace, 0).jobs(ARCH), ARCH)
    outcome = run(machine, compile_network(trace, ARCH))
    assert_made(trace, compile_network(trace, ARCH), outcome)
    assert_in_time(plan, outcome)
    last = max(run.begin + run.timing.cycles for run in plan.layers[0].passes)
    assert plan.layers[0].end > last - 1 + 60 + 4 * ARCH.cores + 7


def tall_network() -> WholeTrace:
    """Layers of more rows than the sequencer finds ahead, with the maps that they make."""
    layers = (
        Layer("tall", "conv", "x", (2, 70, 5), (9, 70, 5), (3, 3), (1, 1), (1, 1), output="y"),
        Layer("wide", "depthwise", "y", (9, 70, 5), (9, 68, 3), (3, 3)),
    )
    values = {"x": np.random.default_rng(0).integers(0, 5, (1, 2, 70, 5)).astype(np.uint16)}
    values["y"] = np.zeros((1, 9, 70, 5), np.uint16)
    return as_made(WholeTrace(layers, values, 3, 16))


def test_layers_of_many_rows_take_the_cycles_of_the_model(machine):
    trace = tall_network()
    image = compile_network(trace, ARCH)
    outcome = run(machine, image)
    assert_made(trace, image, outcome)
    assert_in_time(schedule(Workload(trace, 0).jobs(ARCH), ARCH), outcome)


def test_an_image_lies_anywhere_and_a_run_is_aborted_at_any_moment(machine, image):
    alone = run(machine, image)
    assert run(machine, image, before=5).memory == alone.memory
    for moment in (1, 40, 130, 700, 5000, 12000, alone.cycles - 20):
        outcome = run(machine, image, abort_at=moment)
        assert outcome.error == MachineError.none
        assert outcome.memory == alone.memory, moment


def changed(image, at: int, value: bytes) -> bytes:
    data = bytearray(image.to_bytes())
    data[at : at + len(value)] = value
    return bytes(data)


def with_field(image, number: int, **fields: int) -> bytes:
    """The image's file with other fields in the descriptor of a layer."""
    read = descriptors(image)
    at = image.number("program_at")
    for size in [image.number("first_program_bytes"), *(32 * each["next_beats"] for each in read)][:number]:
        at += size
    layer = {name: read[number][name] for name in LAYER_FIELDS} | fields
    return changed(image, HEADER_BYTES + at, pack(LAYER_FIELDS, layer, LAYER_BYTES))


def with_result_at(image, address: int) -> bytes:
    return changed(image, 152, struct.pack("<Q", address))


def last_place(image) -> int:
    """The last address of DRAM at which a result of one row has room in the simulator's memory, which is as
    long as the image's file and DRAM together."""
    room = (len(image.to_bytes()) + image.number("memory_bytes")) // 32 * 32
    return room - HEADER_BYTES - image.number("result_row")


def wrong(image) -> dict[str, tuple[bytes, MachineError]]:
    """Images that no machine should run, and what they are refused as."""
    dram = HEADER_BYTES
    index, values = dram + image.number("index_at"), dram + image.number("map_at")
    window = dict.fromkeys(("pool_rows", "pool_columns"), 2)  # of a map of one pixel
    window |= dict.fromkeys(("pool_vertical_stride", "pool_horizontal_stride"), 1)
    return {
        "magic": (changed(image, 0, b"X"), MachineError.image),
        "version": (changed(image, 8, b"\1"), MachineError.image),
        "columns": (changed(image, 68, b"\10"), MachineError.image),
        "no program": (changed(image, 183, bytes(4)), MachineError.program),
        "program beyond": (changed(image, 104, b"\xff" * 4), MachineError.program),
        "core": (changed(image, dram + 64, b"\5"), MachineError.program),
        "no units": (changed(image, dram, bytes(64)), MachineError.program),
        "map beyond": (changed(image, 120, b"\xff" * 4), MachineError.program),
        "result beyond": (changed(image, 152, b"\xe0\xff\xff\xff"), MachineError.image),
        "result past the end": (with_result_at(image, last_place(image) + 32), MachineError.image),
        "no result": (changed(image, 176, bytes(4)), MachineError.image),
        "pool without columns": (with_field(image, 0, pool_columns=0), MachineError.program),
        "pool that stands still": (with_field(image, 0, pool_vertical_stride=0), MachineError.program),
        "pool of another map": (with_field(image, 2, **window), MachineError.program),
        "empty segment": (changed(image, index, bytes(2)), MachineError.map),
        "illegal code": (changed(image, values, bytes(40)), MachineError.map),
    }


def test_what_is_wrong_ends_a_run_with_an_error_and_the_next_one_is_right(machine, image):
    alone = run(machine, image)
    size = image.number("memory_bytes")
    for name, (data, error) in wrong(image).items():
        assert machine.run(data, size).error == error, name
        assert run(machine, image).memory == alone.memory, name
    at_the_end = machine.run(with_result_at(image, last_place(image)), size)
    result = image.number("result_row")
    assert at_the_end.error == MachineError.none
    assert at_the_end.memory[-result:] == alone.memory[size + HEADER_BYTES - result : size + HEADER_BYTES]
    beat = (HEADER_BYTES + image.number("map_at")) // 32
    assert run(machine, image, error_at=beat).error == MachineError.memory
