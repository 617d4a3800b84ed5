"""Layers of memory images as the bench of a whole array drives them, and what must come of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.lib import data
from bench_pass import loads_of
from core_cases import entry_fields
from program_cases import drawn_networks
from random_programs import WholeTrace

from hwsim.arch import Arch
from hwsim.codec.segments import RAW, lengths_of, raw_segments, store_segments
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.descriptors import column_weights
from hwsim.machine.programs import LAYER_FIELDS, unpack
from hwsim.machine.units import unit_weights
from hwsim.machine.workload import LayerJob, Workload
from hwsim.program import MemoryImage, compile_network
from hwsim.reference import run_layer
from hwsim_rtl.array import Load
from hwsim_rtl.core.payloads import ChannelScale, weight_load

LINE_BYTES, WORD_BYTES, BEAT_BYTES = 64, 8, 32
MOST_CYCLES = 600


@dataclass(frozen=True)
class ImageCase:
    """The first layer of an image: what goes in, and of every core what comes out.

    Attributes:
        layer: geometry. last: it is the only one, and its result goes out raw.
        lines: of the map buffer. words: of its program. weights, scales: loads, as bits.
        coded, index: payloads of every core. cycles: of its passes, by the model.
        memory: the image's. units: of every unit, in the order in which they are loaded, its cores and its
            loads of weights.
    """

    layer: Layer
    last: bool
    lines: list[dict[str, int]]
    words: list[int]
    weights: list[int]
    scales: list[int]
    coded: list[list[dict[str, int]]]
    index: list[list[dict[str, int]]]
    cycles: list[list[int]]
    memory: bytes
    units: list[tuple[list[int], int]]


def several_units() -> WholeTrace:
    """A layer of more units than an array of two cores makes at once."""
    layer = Layer("l", "conv", "x", (3, 4, 5), (14, 3, 4), (2, 2))
    values = np.random.default_rng(0).integers(0, 9, (1, *layer.in_shape)).astype(np.uint16)
    return WholeTrace((layer,), {"x": values}, 2, 8)


def image_cases(arch: Arch, number: int, count: int) -> Iterator[ImageCase]:
    """Of so many random networks those whose first layer is short, from a seed."""
    for trace in (several_units(), *drawn_networks(number, count)):
        try:
            image = compile_network(trace, arch)
        except ArchError:
            continue
        job = Workload(trace, 0).jobs(arch)[0]
        cycles: list[list[int]] = [[] for _ in range(arch.cores)]
        for core, unit, group in (work for round_ in job.mapping.rounds for work in round_):
            cycles[core].append(job.time(unit, group, None).cycles)
        if max(map(sum, cycles)) <= MOST_CYCLES:
            yield _case(trace, image, job, cycles)


def _case(trace: Any, image: MemoryImage, job: LayerJob, cycles: list[list[int]]) -> ImageCase:
    arch, layer, last = job.arch, job.layer, len(trace.layers) == 1
    program = image.memory[: job.program_size]
    weights, scales = _loads(trace, job)
    coded: list[list[dict[str, int]]] = [[] for _ in range(arch.cores)]
    index: list[list[dict[str, int]]] = [[] for _ in range(arch.cores)]
    drain = trace.requantize(layer)
    out = run_layer(layer, trace.map(layer.input, 0), trace.weights(layer), drain)
    block = unpack(LAYER_FIELDS, program[:64])["out_block"]
    for core, unit, group in (work for round_ in job.mapping.rounds for work in round_):
        makes = job.mapping.parts[unit].makes
        values = np.ascontiguousarray(out[makes.start : makes.stop][:, job.mapping.groups[group]])
        counts = np.count_nonzero(values, axis=2)
        nonzeros = np.add.reduceat(counts, np.arange(0, len(values), block), axis=0).T
        if last:
            stream, lengths = raw_segments(values, block, arch.activation_bits)
            entries = lengths + RAW
        else:
            made = trace.maps[trace.layers[1].input]
            stream, stored = store_segments(values, block, made.order, made.bits)
            entries, lengths = stored["words"], lengths_of(stored)
        words = stream.view(">u8").astype(np.uint64).tolist()
        ends = set(np.cumsum(lengths).tolist())
        coded[core] += [{"data": w, "last": int(i + 1 in ends)} for i, w in enumerate(words)]
        index[core] += [
            entry_fields(entry, count) for entry, count in zip(entries.ravel(), nonzeros.ravel(), strict=True)
        ]
    return ImageCase(
        layer=layer,
        last=last,
        lines=_lines(image, unpack(LAYER_FIELDS, program[:64])),
        words=[int.from_bytes(program[at : at + 8], "little") for at in range(0, len(program), 8)],
        weights=weights,
        scales=scales,
        coded=coded,
        index=index,
        cycles=cycles,
        memory=image.memory,
        units=[
            (sorted(cores), -(-job.weights[unit].words // 2))
            for users in job.mapping.users
            for unit, cores in users.items()
        ],
    )


def _lines(image: MemoryImage, layer: dict[str, int]) -> list[dict[str, int]]:
    """The input map in the map buffer, as docs/image.md says, out of the image's bytes."""
    memory, segments = image.memory, layer["map_segments"]
    half = bytearray(LINE_BYTES * (layer["index_line"] + 1 + layer["height"] * segments // 16))
    entries = memory[image.number("index_at") :][: 4 * layer["height"] * segments]
    for y in range(layer["height"]):
        for segment in range(segments):
            words = int.from_bytes(entries[4 * (y * segments + segment) :][:2], "little")
            at = image.number("map_at") + y * image.number("map_row") + segment * image.number("map_place")
            place = BEAT_BYTES * (y * layer["row_beats"] + segment * layer["place_beats"])
            for word in range(words):  # the highest byte of a word comes first
                taken = memory[at + 8 * word : at + 8 * word + 8]
                half[place + 8 * word : place + 8 * word + 8] = taken[::-1]
    index_at = LINE_BYTES * layer["index_line"]
    half[index_at : index_at + len(entries)] = entries
    return [
        {"number": at // LINE_BYTES, "words": int.from_bytes(half[at : at + LINE_BYTES], "little")}
        for at in range(0, len(half), LINE_BYTES)
    ]


def _loads(trace: Any, job: LayerJob) -> tuple[list[int], list[int]]:
    """Loads of weights and scales of every unit in the order of the program, for the cores that share it."""
    arch, layer, drain = job.arch, job.layer, trace.requantize(job.layer)
    weight_layout, scale_layout = Load(weight_load(arch), arch), Load(ChannelScale, arch)
    weights, scales = [], []
    for users in job.mapping.users:
        for unit, cores in users.items():
            part, mask = job.mapping.parts[unit], sum(1 << core for core in cores)
            words = unit_weights(layer, trace.weights(layer), part)
            loads = loads_of(column_weights(words, arch.columns, layer.kind == "depthwise").tolist(), arch)
            entries = [load["bits"] for load in loads]
            weights += [_bits(weight_layout, entry, mask, entries, i) for i, entry in enumerate(entries)]
            channels = [
                _scale(int(drain.bias[c]), int(drain.multiplier[c])) if c < part.makes.stop else 0
                for c in range(part.makes.start, part.makes.start + arch.columns)
            ]
            scales += [_bits(scale_layout, entry, mask, channels, i) for i, entry in enumerate(channels)]
    return weights, scales


def _scale(bias: int, multiplier: int) -> int:
    return (bias & (1 << 32) - 1) | multiplier << 32


def _bits(layout: data.StructLayout, entry: int, mask: int, entries: list[int], number: int) -> int:
    """A load: an entry, its cores, and whether it is the last one of its pass."""
    last = int(number == len(entries) - 1)
    return entry | mask << layout["cores"].offset | last << layout["last"].offset
