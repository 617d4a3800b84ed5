"""A trace and a machine -> a memory image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.arch import BURST_BYTES, LANES, LAYER_BYTES, WORD_BYTES, Arch
from hwsim.codec.segments import lengths_of, store_segments
from hwsim.errors import ArchError, ProgramError
from hwsim.layer import Layer
from hwsim.machine.chain import links
from hwsim.machine.descriptors import Code, column_weights
from hwsim.machine.memory_map import (
    PROGRAMS,
    Region,
    index_of,
    map_of,
    memory_map,
    weights_of,
    weights_stride,
)
from hwsim.machine.programs import LAYER_FIELDS, layer_program, unit_geometries, unpack
from hwsim.machine.simulation import check_widths
from hwsim.machine.storage import whole_lines
from hwsim.machine.units import unit_weights
from hwsim.machine.workload import LayerJob, Workload
from hwsim.program.check import room_needed
from hwsim.program.image import MemoryImage

if TYPE_CHECKING:
    from hwsim.trace import StoredTrace


def compile_network(trace: StoredTrace, arch: Arch, image: int = 0) -> MemoryImage:
    """Put a network into memory: programs, weights and scales, and the input map of a picture.

    Where everything lies, and how long, is what the model charges (docs/architecture.md, *Memory*,
    *Programs*, *Weights*).

    Args:
        trace: with weights, and what lies between its maps.
        arch: a machine whose maps are coded.
        image: number of the picture.

    Raises:
        ArchError: a layer or a width does not fit the machine.
        ProgramError: the network is none that a program can hold.
        TraceError: the trace has no such picture, or no weights.
    """
    if not arch.compress:
        raise ArchError("compress: programs are for coded maps, since a core reads an index")
    check_widths(trace, arch)
    between = links(trace)
    workload = Workload(trace, image)
    jobs = workload.jobs(arch)
    _check_stays(jobs)
    _check_result(jobs[-1])
    blocks = {job.layer.input: job.block for job in jobs}
    regions = memory_map(jobs)
    parts: list[tuple[Region, bytes]] = []
    programs, before = b"", None
    for number, (job, link) in enumerate(zip(jobs, between, strict=True)):
        layer, last = job.layer, number + 1 == len(jobs)
        following = None if last else jobs[number + 1].layer.input
        weights = regions[weights_of(layer.name)]
        source, target = _codes(trace, layer, following, averaged=bool(link.pool.get("average")))
        drain = trace.requantize(layer)
        if layer.clamped != (drain.clamps is not None):  # the size of a program follows from the layer
            raise ProgramError(f"layer {layer.name}: whether its drain has clamps is told in two ways")
        geometries = unit_geometries(
            job,
            workload.network.blocks(arch)[layer.input] if layer.kind == "depthwise" else job.block,
            arch.columns if following is None else blocks[following],
            source,
            target,
            shift=drain.shift,
            relu=drain.relu,
            clamps=drain.clamps,
            result=last or link.remade,
        )
        program = layer_program(
            job,
            geometries,
            weights.first,
            last=last,
            link=link,
            next_bytes=0 if last else jobs[number + 1].program_size,
        )
        descriptor = unpack(LAYER_FIELDS, program[:LAYER_BYTES])
        if before is not None:
            _check_room(jobs[number - 1].layer, before, descriptor, arch)
        programs, before = programs + program, descriptor
        parts.append((weights, _weights(trace, job, arch)))
    parts.append((regions[PROGRAMS], programs))
    parts += _input_map(workload, jobs[0], regions)
    memory = bytearray(max(region.first + len(data) for region, data in parts))
    for region, data in parts:
        memory[region.first : region.first + len(data)] = data
    return MemoryImage(_header(trace, arch, jobs, regions), bytes(memory))


def _check_stays(jobs: list[LayerJob]) -> None:
    """Refuse maps that pass through the ring, in which no segment has a fixed place."""
    for job in jobs:
        stored, half = job.stored, job.arch.map_buffer // 2
        places = len(stored.words) * int(stored.room.sum())
        needed = whole_lines(places) + whole_lines(stored.index_size(stored.words.size))
        if not job.traffic.fits or needed > half // BURST_BYTES * BURST_BYTES:
            raise ProgramError(
                f"layer {job.layer.name}: its map and index take {needed} bytes, half of the map buffer has "
                f"{half}, and no program streams a map yet: raise map_buffer to {2 * needed}"
            )


def _check_result(job: LayerJob) -> None:
    """Refuse a result that the map buffer does not hold, from which it goes to DRAM."""
    (result,) = job.traffic.made
    if result.map.place_size > job.arch.map_buffer // 2:
        raise ProgramError(
            f"layer {job.layer.name}: its result takes {result.map.place_size} bytes, half of the map buffer "
            f"has {job.arch.map_buffer // 2}: raise map_buffer to {2 * result.map.place_size}"
        )


def _check_room(layer: Layer, made: dict[str, int], read: dict[str, int], arch: Arch) -> None:
    """Refuse a map that has no room before it is pooled or flattened."""
    try:
        needed = room_needed(made, read, arch)
    except ValueError as error:
        raise ProgramError(f"layer {layer.name}: {error}") from None
    if needed > arch.map_buffer // 2:
        raise ProgramError(
            f"layer {layer.name}: its map before it is pooled or flattened, and what is made of it, take "
            f"{needed} bytes, half of the map buffer has {arch.map_buffer // 2}: "
            f"raise map_buffer to {2 * needed}"
        )


def _codes(trace: StoredTrace, layer: Layer, following: str | None, *, averaged: bool) -> tuple[Code, Code]:
    """How the map that a layer reads is coded, and the one that it makes; with the order of the map that is
    made of that one, whose codes are others if it is ``averaged``."""
    source, drain = trace.maps[layer.input], trace.requantize(layer)
    order = drain.order
    if following is not None:
        made = trace.maps[following]
        order = made.order
        if not averaged and (made.bits, made.signed) != (drain.bits, drain.signed):
            raise ProgramError(
                f"layer {layer.name} makes other codes than map {following} has: capture the network again"
            )
    return Code(source.bits, source.order, source.signed), Code(drain.bits, order, drain.signed)


def _weights(trace: StoredTrace, job: LayerJob, arch: Arch) -> bytes:
    """Unit after unit its scales, in whole beats, then its weights, bit by bit."""
    layer, weights, drain = job.layer, trace.weights(job.layer), trace.requantize(job.layer)
    data = bytearray()
    for number, unit in enumerate(job.mapping.parts):
        made = slice(unit.makes.start, unit.makes.stop)
        scales = np.empty(len(unit.makes), np.dtype([("bias", "<i4"), ("multiplier", "<u2")]))
        scales["bias"], scales["multiplier"] = drain.bias[made], drain.multiplier[made]
        depthwise = layer.kind == "depthwise"
        words = column_weights(unit_weights(layer, weights, unit), arch.columns, depthwise)
        words = words if depthwise else words[:, : len(unit.makes)]
        bits = words.reshape(-1, 1).astype(np.int64) >> np.arange(arch.weight_bits) & 1
        at = number * weights_stride(job)
        data = data.ljust(at, b"\0") + scales.tobytes().ljust(job.weights[number].scales, b"\0")
        data += np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()
    return bytes(data)


def _input_map(workload: Workload, job: LayerJob, regions: dict[str, Region]) -> list[tuple[Region, bytes]]:
    """The first layer's map and its index."""
    layer, stored, info = job.layer, job.stored, workload.info(job.layer.input)
    values = workload.values(layer.input)
    data, index = store_segments(values, job.block, info.order, info.bits, stored.raw)
    region = regions[map_of(layer.input, layer.name)]
    laid = bytearray(region.size)
    at = 0
    for size, address in zip((lengths_of(index) * WORD_BYTES).flat, stored.addresses.flat, strict=True):
        laid[address : address + size] = data[at : at + size].tobytes()
        at += size
    return [(region, bytes(laid)), (regions[index_of(layer.input, layer.name)], index.tobytes())]


def _header(
    trace: StoredTrace, arch: Arch, jobs: list[LayerJob], regions: dict[str, Region]
) -> dict[str, int | bytes]:
    first, last = jobs[0], jobs[-1]
    source, (result,) = trace.maps[first.layer.input], last.traffic.made
    drain = trace.requantize(last.layer)
    return {
        "memory_bytes": max(region.end for region in regions.values()),
        "trace": bytes.fromhex(trace.digest),
        "cores": arch.cores,
        "columns": arch.columns,
        "accumulators": arch.accumulators,
        "weight_words": arch.weight_words,
        "map_buffer": arch.map_buffer,
        "activation_bits": arch.activation_bits,
        "weight_bits": arch.weight_bits,
        "lanes": LANES,
        "skip_zeros": int(arch.skip_zeros),
        "layers": len(jobs),
        "program_at": regions[PROGRAMS].first,
        "program_bytes": regions[PROGRAMS].size,
        "map_at": regions[map_of(first.layer.input, first.layer.name)].first,
        "index_at": regions[index_of(first.layer.input, first.layer.name)].first,
        "map_channels": source.shape[0],
        "map_block": first.block,
        "map_place": int(first.stored.room[0]),
        "map_row": int(first.stored.room.sum()),
        "map_signed": int(source.signed),
        "result_at": regions[map_of(None, last.layer.name)].first,
        "result_channels": last.layer.out_shape[0],
        "result_rows": last.layer.out_shape[1],
        "result_columns": last.layer.out_shape[2],
        "result_place": int(result.map.room[0]),
        "result_row": int(result.map.room.sum()),
        "result_bits": drain.bits,
        "result_signed": int(drain.signed),
        "first_program_bytes": first.program_size,
        "unused": bytes(5),
    }
