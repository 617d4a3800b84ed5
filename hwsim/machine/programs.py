"""A layer's program, word by word: what the sequencer of a machine reads (docs/image.md).

A program is a descriptor of ``LAYER_BYTES``, the clamps of the drain if it has some of its own, an entry of
``PASS_BYTES`` for each pass in the order of the rounds, and a mask of the output rows of each row group; of
some, the last ``POOL_BYTES`` are a pool. What is not in it, the sequencer makes by stepping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.arch import (
    BEAT_BYTES,
    CLAMP_BYTES,
    LAYER_BYTES,
    LINE_ENTRIES,
    LINE_WORDS,
    PASS_BYTES,
    POOL_BYTES,
    WORD_BITS,
    WORD_BYTES,
)
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.chain import Link
from hwsim.machine.descriptors import POOL_FIELDS, PROGRAM_WORDS, SHORT_POOL_FIELDS, Code, PassGeometry
from hwsim.machine.memory_map import weights_stride
from hwsim.machine.storage import whole_lines
from hwsim.machine.workload import LayerJob

BEAT_WORDS = BEAT_BYTES // WORD_BYTES

LAYER_FIELDS = {
    # What a pass computes.
    "depthwise": 1,
    "transposed": 1,
    "signed_input": 1,
    "signed_output": 1,
    "relu": 1,
    "skip_zeros": 1,
    "last": 1,
    "flatten": 1,
    "kernel_rows": 5,
    "kernel_columns": 5,
    "vertical_stride": 5,
    "horizontal_stride": 5,
    "vertical_dilation": 11,
    "horizontal_dilation": 11,
    "padding_top": 12,
    "padding_left": 12,
    "height": 16,
    "width": 16,
    "out_height": 16,
    "out_width": 16,
    "reciprocal": 17,
    "shift": 6,
    "in_bits": 5,
    "in_order": 4,
    "out_bits": 5,
    "out_order": 4,
    "out_block": 7,
    "ring": 4,
    "row_sub_banks": 3,
    # The input map in the map buffer, and how units read it.
    "map_segments": 16,
    "place_beats": 14,
    "row_beats": 18,
    "index_line": 17,
    "full_values": 16,
    "segment_pixels": 16,
    "segment_words": 17,
    "segments": 16,
    "tail_values": 16,
    "pass_words": 17,
    "odd_segments": 16,
    "odd_tail_values": 16,
    "odd_pass_words": 17,
    # Passes, and where the weights of units lie.
    "row_groups": 10,
    "units": 16,
    "unit_segments": 7,
    "weights_at": 28,
    "weights_stride": 18,
    "next_beats": 10,
    # The pool behind the layer; rows of its window are 0 where there is none, or where it has a word.
    **{f"pool_{name}": bits for name, bits in SHORT_POOL_FIELDS.items()},
    "pool_word": 1,
    "clamped": 1,
}
"""Of a layer's descriptor, the bits of every field, the lowest first; docs/image.md says what they mean."""

PASS_FIELDS = {"core": 10, "row_group": 10, "unit": 16, "first_segment": 16, "channels": 7, "odd": 1}
"""Of a pass: where, which rows, which unit; the first segment that it reads of a row, the channels that it
makes, and whether its segments are those of the layer's fields that begin with ``odd_``."""


CLAMP_BITS = 17
CLAMP_FIELDS = {"low": CLAMP_BITS, "high": CLAMP_BITS}
"""Of the clamps of a layer that is ``clamped``: least and largest integer of its result, two's complement."""


def pack(fields: Mapping[str, int], values: Mapping[str, int], size: int) -> bytes:
    """Fields as so many bytes, the lowest bit first.

    Raises:
        ValueError: a value does not fit; its text is ``NAME: at most MOST, not VALUE``.
    """
    word, at = 0, 0
    for name, bits in fields.items():
        if not 0 <= values[name] < 1 << bits:
            raise ValueError(f"{name}: at most {(1 << bits) - 1}, not {values[name]}")
        word |= int(values[name]) << at
        at += bits
    return word.to_bytes(size, "little")


def unpack(fields: Mapping[str, int], data: bytes) -> dict[str, int]:
    """The fields of bytes that :func:`pack` made, and ``unused``: what is left above them."""
    word, values = int.from_bytes(data, "little"), {}
    for name, bits in fields.items():
        values[name] = word & (1 << bits) - 1
        word >>= bits
    return {**values, "unused": word}


def is_remade(layer: Mapping[str, int]) -> bool:
    """Whether the map that a layer makes is pooled or laid out anew, and leaves its cores raw."""
    return bool(layer["pool_rows"] or layer["pool_word"] or layer["flatten"])


def pool_of(layer: Mapping[str, int], program: bytes) -> dict[str, int]:
    """The pool behind a layer, as fields of :data:`POOL_FIELDS`, from its descriptor or from the end of its
    program; its rows are 0 if there is none."""
    if layer["pool_word"]:
        pool = unpack(POOL_FIELDS, program[-POOL_BYTES:])
        return {name: pool[name] for name in POOL_FIELDS}
    return {name: layer.get(f"pool_{name}", 0) for name in POOL_FIELDS}


def pooled_shape(layer: Mapping[str, int], pool: Mapping[str, int]) -> tuple[int, int]:
    """Rows and columns of the map that a layer makes, behind its pool: as many as there are windows that end
    no further behind the layer's map than they may begin before it."""
    shape = layer["out_height"], layer["out_width"]
    if not pool["rows"]:
        return shape
    rows, columns = (
        (size + 2 * pool[before] - pool[window]) // pool[stride] + 1
        for size, before, window, stride in (
            (shape[0], "top", "rows", "vertical_stride"),
            (shape[1], "left", "columns", "horizontal_stride"),
        )
    )
    return rows, columns


@dataclass(frozen=True)
class RawPlaces:
    """Where a raw map lies in its half of the map buffer before it is pooled or laid out anew: behind the map
    that is made of it, and its index.

    Attributes:
        first: word in which it begins.
        place: words from a segment to the next one in its row. row: from a row to the next one.
        end: the word behind it.
    """

    first: int
    place: int
    row: int
    end: int


def raw_places(layer: Mapping[str, int], following: Mapping[str, int], activation_bits: int) -> RawPlaces:
    """Of a layer whose map is remade, and the one that reads what is made of it."""
    entries = following["height"] * following["map_segments"]
    first = (following["index_line"] + -(-entries // LINE_ENTRIES)) * LINE_WORDS
    place = -(-layer["out_block"] * layer["out_width"] * activation_bits // WORD_BITS)
    row = layer["units"] * layer["unit_segments"] * place
    return RawPlaces(first, place, row, first + layer["out_height"] * row)


def passes_at(clamped: bool | int) -> int:
    """Bytes of a program before its passes."""
    return LAYER_BYTES + (CLAMP_BYTES if clamped else 0)


def masks_at(clamped: bool | int, row_groups: int, units: int) -> int:
    """Bytes of a program before its masks."""
    return passes_at(clamped) + row_groups * units * PASS_BYTES


def clamps_of(layer: Mapping[str, int], program: bytes) -> tuple[int, int] | None:
    """Clamps of a layer's drain, from its descriptor and its program; None if it has none of its own.

    Raises:
        ValueError: bits above the clamps are not 0.
    """
    if not layer["clamped"]:
        return None
    found = unpack(CLAMP_FIELDS, program[LAYER_BYTES : passes_at(True)])
    if found["unused"]:
        raise ValueError("bits above its clamps are not 0")
    low, high = (found[name] - (found[name] >> CLAMP_BITS - 1 << CLAMP_BITS) for name in CLAMP_FIELDS)
    return low, high


def layer_program(
    job: LayerJob,
    geometries: Sequence[PassGeometry],
    weights_at: int,
    *,
    last: bool,
    link: Link,
    next_bytes: int,
) -> bytes:
    """The program of a layer, ``job.program_size`` bytes.

    Args:
        job: the layer on its machine.
        geometries: of a pass of every unit, of any row group.
        weights_at: address of its weights.
        last: no layer reads what it makes.
        link: what becomes of its map.
        next_bytes: of the program that follows; 0 if none does.

    Raises:
        ArchError: names the layer, and what a program does not hold.
    """
    layer, groups = job.layer, job.mapping.groups
    fields = _descriptor(job, geometries) | {
        "last": int(last),
        "flatten": int(link.flatten),
        "weights_at": weights_at // BEAT_BYTES,
        "next_beats": next_bytes // BEAT_BYTES,
        "unit_segments": _unit_segments(job, geometries[0].out_block),
        **{f"pool_{name}": 0 if link.has_word else link.pool.get(name, 0) for name in SHORT_POOL_FIELDS},
        "pool_word": int(link.has_word),
    }
    blocks = [int(job.segments([unit])[0]) for unit in range(job.mapping.units)]
    passes = [
        {
            "core": core,
            "row_group": group,
            "unit": unit,
            "first_segment": blocks[unit],
            "channels": len(job.mapping.parts[unit].makes),
            "odd": int(_reads(job, unit) != _reads(job, 0)),
        }
        for work in job.mapping.rounds
        for core, unit, group in work
    ]
    try:
        data = pack(LAYER_FIELDS, fields, LAYER_BYTES)
        if (clamps := geometries[0].clamps) is not None:
            ends = dict(zip(CLAMP_FIELDS, (end % (1 << CLAMP_BITS) for end in clamps), strict=True))
            data += pack(CLAMP_FIELDS, ends, CLAMP_BYTES)
        data += b"".join(pack(PASS_FIELDS, one, PASS_BYTES) for one in passes)
        pool = pack(POOL_FIELDS, {name: link.pool.get(name, 0) for name in POOL_FIELDS}, POOL_BYTES)
    except ValueError as error:
        raise ArchError(f"layer {layer.name}: a program holds of {error}") from None
    owns = np.zeros((len(groups), layer.out_shape[1]), np.uint8)
    for group, rows in enumerate(groups):
        owns[group, rows] = 1
    if job.program_size > LAYER_BYTES + PROGRAM_WORDS * WORD_BYTES:
        raise ArchError(
            f"layer {layer.name}: its program takes {job.program_size} bytes, the sequencer has room for "
            f"{LAYER_BYTES + PROGRAM_WORDS * WORD_BYTES}: raise columns"
        )
    data += np.packbits(owns, axis=1, bitorder="little").tobytes()
    data = data.ljust(job.program_size, b"\0")
    return data[:-POOL_BYTES] + pool if link.has_word else data


def _unit_segments(job: LayerJob, out_block: int) -> int:
    """Segments of the map that is made from a unit to the next one.

    Raises:
        ArchError: it is not the same for all units.
    """
    made = [unit.makes for unit in job.mapping.parts]
    segments = -(-len(made[0]) // out_block)
    if any(makes.start != number * segments * out_block for number, makes in enumerate(made)):
        raise ArchError(
            f"layer {job.layer.name}: its units make different numbers of channels, and a program holds of "
            "units that are alike but for the last: choose other columns"
        )
    return segments


def _reads(job: LayerJob, unit: int) -> int:
    return len(job.mapping.parts[unit].reads)


def _descriptor(job: LayerJob, geometries: Sequence[PassGeometry]) -> dict[str, int]:
    """All fields that follow from geometry, codes and mapping."""
    layer, arch, stored = job.layer, job.arch, job.stored
    first, odd = geometries[0], geometries[-1]
    row = int(stored.room.sum())
    index_line = whole_lines(row * layer.in_shape[1]) // (2 * BEAT_BYTES)
    config, other = (one.config(arch, job.block) for one in (first, odd))
    core, decoder = config["core"], config["core"]["decoder"]
    return {
        **_geometry(layer),
        "depthwise": core["depthwise"],
        "signed_input": core["signed_input"],
        "signed_output": int(first.target.signed),
        "relu": int(first.relu),
        "clamped": int(first.clamps is not None),
        "skip_zeros": decoder["skip_zeros"],
        "reciprocal": core["reciprocal"],
        "shift": core["requantize"]["shift"],
        "in_bits": decoder["raw_bits"],
        "in_order": decoder["order"],
        "out_bits": first.target.bits,
        "out_order": core["encoder"]["order"],
        "out_block": core["out_block"],
        "ring": core["ring"],
        "row_sub_banks": core["row_sub_banks"],
        "map_segments": stored.words.shape[1],
        "place_beats": int(stored.room[0]) // BEAT_BYTES,
        "row_beats": row // BEAT_BYTES,
        "index_line": index_line,
        "full_values": decoder["full_values"],
        "segment_pixels": config["segment_pixels"],
        "segment_words": core["segment_words"],
        "segments": decoder["segments"],
        "tail_values": decoder["tail_values"],
        "pass_words": first.channels * core["channel_words"],
        "odd_segments": other["core"]["decoder"]["segments"],
        "odd_tail_values": other["core"]["decoder"]["tail_values"],
        "odd_pass_words": odd.channels * core["channel_words"],
        "row_groups": len(job.mapping.groups),
        "units": job.mapping.units,
        "weights_stride": weights_stride(job) // BEAT_BYTES,
    }


def _geometry(layer: Layer) -> dict[str, int]:
    return {
        "transposed": int(layer.transposed),
        "kernel_rows": layer.kernel[0],
        "kernel_columns": layer.kernel[1],
        "vertical_stride": layer.stride[0],
        "horizontal_stride": layer.stride[1],
        "vertical_dilation": layer.dilation[0],
        "horizontal_dilation": layer.dilation[1],
        "padding_top": layer.padding[0],
        "padding_left": layer.padding[1],
        "height": layer.in_shape[1],
        "width": layer.in_shape[2],
        "out_height": layer.out_shape[1],
        "out_width": layer.out_shape[2],
    }


def unit_geometries(
    job: LayerJob,
    block: int,
    out_block: int,
    source: Code,
    target: Code,
    *,
    shift: int,
    relu: bool,
    clamps: tuple[int, int] | None,
    result: bool,
) -> list[PassGeometry]:
    """Of every unit, a pass over the first row group.

    Args:
        job: the layer on its machine.
        block: channels of a depthwise pass, or of a segment of the input map.
        out_block: channels of a segment of the output map.
        source, target: how those maps are coded.
        shift, relu, clamps: of the drain.
        result: no layer reads the output map.
    """
    owned = [int(row) for row in job.mapping.groups[0]]
    return [
        PassGeometry(
            layer=job.layer,
            channels=len(unit.reads),
            owned=owned,
            out_channels=len(unit.makes),
            block=block,
            out_block=out_block,
            source=source,
            target=target,
            shift=shift,
            relu=relu,
            clamps=clamps,
            skip_zeros=job.arch.skip_zeros,
            compress=job.arch.compress,
            result=result,
        )
        for unit in job.mapping.parts
    ]
