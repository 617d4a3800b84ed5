"""Whether a memory image is one that a machine can run: bounds of all that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hwsim.arch import (
    BEAT_BYTES,
    INDEX_BYTES,
    LAYER_BYTES,
    LINE_WORDS,
    PASS_BYTES,
    POOL_BYTES,
    SUB_BANKS,
    WORD_BYTES,
    Arch,
)
from hwsim.between.pools import SUM_MAX
from hwsim.codec.segments import INDEX_ENTRY, RAW, lengths_of
from hwsim.machine.descriptors import (
    COUNT_BITS,
    DEPTHWISE_KERNEL,
    MAX_KERNEL,
    MAX_STRIDE,
    POOL_FIELDS,
    PROGRAM_WORDS,
    segment_room,
)
from hwsim.machine.programs import (
    LAYER_FIELDS,
    PASS_FIELDS,
    clamps_of,
    is_remade,
    masks_at,
    passes_at,
    pool_of,
    pooled_shape,
    raw_places,
    unpack,
)
from hwsim.machine.storage import whole_beats
from hwsim.quantize import SHIFT_MAX, code_limits, drain_bounds

MOST_LAYERS = 1 << 16
REMADE_BITS = (4, 8, 16)  # of a value that is pooled or laid out anew: as many as fill a word
PROGRAM_BEATS = (LAYER_BYTES + PROGRAM_WORDS * WORD_BYTES) // BEAT_BYTES  # of a layer's program, at most


def check_memory(arch: Arch, header: Mapping[str, Any], memory: bytes) -> None:
    """Hold programs, weights and input map against the memory and the machine.

    Raises:
        ValueError: what is wrong.
    """
    if header["memory_bytes"] < len(memory):
        raise ValueError(f"its memory has {header['memory_bytes']} bytes, {len(memory)} are given")
    for name in ("program_at", "map_at", "index_at", "result_at", "map_place", "map_row"):
        if header[name] % BEAT_BYTES:
            raise ValueError(f"{name} is {header[name]}, which is no multiple of {BEAT_BYTES}")
    program = _part(memory, "the program", header["program_at"], header["program_bytes"])
    if not 0 < header["layers"] <= MOST_LAYERS:
        raise ValueError(f"it has {header['layers']} layers: 1 .. {MOST_LAYERS} can be")
    at, before, expected = 0, None, header["first_program_bytes"]
    pool: dict[str, int] = {}  # behind the layer before
    for number in range(header["layers"]):
        layer = unpack(LAYER_FIELDS, _part(program, f"the program of layer {number}", at, LAYER_BYTES))
        try:
            _check_descriptor(layer, arch, number + 1 == header["layers"])
            _check_chain(before, pool, layer, arch)
            size = _check_passes(layer, arch, program[at:])
            pool = pool_of(layer, program[at : at + size])
            _check_pool(layer, pool)
            if size != expected:
                raise ValueError(f"its program takes {size} bytes, it is said to have {expected}")
            at += size
            units, stride = layer["units"], layer["weights_stride"] * BEAT_BYTES
            needed = (units - 1) * stride + 1
            _part(memory, "the weights", layer["weights_at"] * BEAT_BYTES, needed)
        except ValueError as error:
            raise ValueError(f"layer {number}: {error}") from None
        if before is None:
            _check_map(layer, header, memory)
        before, expected = layer, layer["next_beats"] * BEAT_BYTES
    if at != len(program):
        raise ValueError(f"the programs of its layers take {at} bytes, not {len(program)}")
    _check_result(layer, arch, header)


def _part(data: bytes, what: str, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError(f"{what} ends at byte {at + size}, behind the {len(data)} that there are")
    return data[at : at + size]


def _check_descriptor(layer: Mapping[str, int], arch: Arch, last: bool) -> None:
    kernel = DEPTHWISE_KERNEL if layer["depthwise"] else MAX_KERNEL
    half_lines = arch.map_buffer // 2 // (LINE_WORDS * WORD_BYTES)
    any_count = (1, (1 << COUNT_BITS) - 1)
    ranges = {
        "last": (int(last), int(last)),
        "kernel_rows": (1, kernel),
        "kernel_columns": (1, kernel),
        "vertical_stride": (1, MAX_STRIDE),
        "horizontal_stride": (1, MAX_STRIDE),
        "vertical_dilation": (1, (1 << 11) - 1),
        "horizontal_dilation": (1, (1 << 11) - 1),
        **dict.fromkeys(("height", "width", "out_height", "out_width"), any_count),
        **dict.fromkeys(("map_segments", "segments", "odd_segments", "units"), any_count),
        **dict.fromkeys(("tail_values", "odd_tail_values"), any_count),
        "shift": (1, SHIFT_MAX),
        "in_bits": (1, arch.activation_bits),
        "out_bits": (1 + layer["signed_output"], arch.activation_bits),
        "out_block": (1, arch.columns),
        "ring": (1, SUB_BANKS),
        "row_sub_banks": (1, SUB_BANKS // layer["ring"] if layer["ring"] else 0),
        "index_line": (1, half_lines),
        "place_beats": (1, layer["row_beats"]),
        "pass_words": (1, arch.weight_words),
        "odd_pass_words": (1, arch.weight_words),
        "unit_segments": (1, arch.columns),
        "next_beats": (0, 0) if last else (LAYER_BYTES // BEAT_BYTES, PROGRAM_BEATS),
        "row_groups": (1, min(arch.cores, layer["out_height"])),
    }
    _check_ranges(layer, ranges)
    beats_a_line = LINE_WORDS * WORD_BYTES // BEAT_BYTES
    entries = layer["height"] * layer["map_segments"]
    index_lines = -(-entries * INDEX_BYTES // (LINE_WORDS * WORD_BYTES))
    places = layer["height"] * layer["row_beats"]
    if places > layer["index_line"] * beats_a_line or layer["index_line"] + index_lines > half_lines:
        raise ValueError("its map and index do not fit their half of the map buffer")


def _check_ranges(fields: Mapping[str, int], ranges: Mapping[str, tuple[int, int]]) -> None:
    for name, (low, high) in ranges.items():
        if not low <= fields[name] <= high:
            raise ValueError(f"{name} is {fields[name]}, which must be {low} .. {high}")


def _check_pool(layer: Mapping[str, int], pool: Mapping[str, int]) -> None:
    """Whether the windows behind a layer are such as a machine walks through."""
    if not pool["rows"] and not layer["pool_word"]:
        return
    most = {name: (1 << bits) - 1 for name, bits in POOL_FIELDS.items()}
    sizes = ("rows", "columns", "vertical_stride", "horizontal_stride")
    ranges = {name: (1, most[name]) for name in sizes}
    ranges |= {"top": (0, pool["rows"] - 1), "left": (0, pool["columns"] - 1)}
    ranges["shift"] = (1, SHIFT_MAX) if pool["average"] else (0, 0)
    try:
        _check_ranges(pool, ranges)
    except ValueError as error:
        raise ValueError(f"of its pool {error}") from None
    _, largest = code_limits(layer["out_bits"], bool(layer["signed_output"]))
    if pool["average"] and pool["rows"] * pool["columns"] * largest > SUM_MAX:
        raise ValueError("its pool has a window whose sum does not fit 32 bits")


def _check_chain(
    before: Mapping[str, int] | None, pool: Mapping[str, int], layer: Mapping[str, int], arch: Arch
) -> None:
    """Whether a layer reads what the one before, and the pool behind that one, make."""
    if before is None:
        return
    pairs = {"in_bits": "out_bits", "in_order": "out_order", "signed_input": "signed_output"}
    if pool["average"]:  # its means have codes of their own
        pairs = {"in_order": "out_order"}
    for read, made in pairs.items():
        if before[made] != layer[read]:
            raise ValueError(f"{read} is {layer[read]}, the layer before makes {before[made]}")
    rows, columns = (1, 1) if before["flatten"] else pooled_shape(before, pool)
    for name, size in (("height", rows), ("width", columns)):
        if layer[name] != size:
            raise ValueError(f"{name} is {layer[name]}, the layer before makes {size}")
    needed, half = room_needed(before, layer, arch), arch.map_buffer // 2
    if needed > half:
        raise ValueError(f"what it is made of takes {needed} bytes, half of the map buffer has {half}")


def room_needed(layer: Mapping[str, int], following: Mapping[str, int], arch: Arch) -> int:
    """Bytes of half of the map buffer that a map takes before it is pooled or flattened, with what is made of
    it; 0 if it is neither.

    Raises:
        ValueError: its values are none that the machine reads one by one, or too many in a segment.
    """
    if not is_remade(layer):
        return 0
    if arch.activation_bits not in REMADE_BITS:
        raise ValueError(
            f"maps are pooled and flattened with activation_bits of {REMADE_BITS}, not {arch.activation_bits}"
        )
    longest, room = layer["out_block"] * following["width"], segment_room(arch)
    if longest > room:
        raise ValueError(f"segments of {longest} values are made of it, an encoder holds {room}")
    return WORD_BYTES * raw_places(layer, following, arch.activation_bits).end


def _check_passes(layer: Mapping[str, int], arch: Arch, program: bytes) -> int:
    """Hold passes and masks against the descriptor; returns the bytes of the layer's program."""
    groups, units, rows = layer["row_groups"], layer["units"], layer["out_height"]
    masks, mask = masks_at(layer["clamped"], groups, units), -(-rows // 8)
    size = whole_beats(masks + groups * mask + layer["pool_word"] * POOL_BYTES)
    if size > LAYER_BYTES + PROGRAM_WORDS * WORD_BYTES:
        raise ValueError(f"its program takes {size} bytes, which no sequencer has room for")
    data = _part(program, "its program", 0, size)
    if (clamps := clamps_of(layer, data)) is not None:
        drain_bounds(layer["out_bits"], bool(layer["signed_output"]), bool(layer["relu"]), clamps)
    seen = set()
    for at in range(passes_at(layer["clamped"]), masks, PASS_BYTES):
        one = unpack(PASS_FIELDS, data[at : at + PASS_BYTES])
        segments = layer["odd_segments" if one["odd"] else "segments"]
        ranges = {
            "core": arch.cores - 1,
            "row_group": groups - 1,
            "unit": units - 1,
            "first_segment": layer["map_segments"] - segments,
            "unused": 0,
        }
        for name, most in ranges.items():
            if one[name] > most:
                raise ValueError(f"{name} of a pass is {one[name]}: at most {most}")
        if not 1 <= one["channels"] <= arch.columns:
            raise ValueError(f"a pass makes {one['channels']} channels: 1 .. {arch.columns} can be")
        seen.add((one["unit"], one["row_group"]))
    if len(seen) < groups * units:
        raise ValueError("a unit is not made for each row group once")
    bits = np.frombuffer(data[masks : masks + groups * mask], np.uint8).reshape(groups, mask)
    owns = np.unpackbits(bits, axis=1, bitorder="little")
    if (owns[:, :rows].sum(axis=0) != 1).any() or owns[:, rows:].any() or not owns.any(axis=1).all():
        raise ValueError("its row groups do not own each output row once")
    return size


def _check_map(layer: Mapping[str, int], header: Mapping[str, Any], memory: bytes) -> None:
    """Whether the input map lies where the header says, in segments that have room on chip."""
    rows, segments = layer["height"], layer["map_segments"]
    channels, block, width = header["map_channels"], header["map_block"], layer["width"]
    if block < 1 or -(-channels // block) != segments:
        raise ValueError(f"{channels} channels in segments of {block} are not {segments} segments a row")
    if header["map_row"] < (segments - 1) * header["map_place"]:
        raise ValueError("the places of a row of its map take more than map_row")
    if header["map_signed"] != layer["signed_input"]:
        raise ValueError("map_signed is not that of its first layer")
    data = _part(memory, "the index", header["index_at"], rows * segments * INDEX_BYTES)
    index = np.frombuffer(data, INDEX_ENTRY).reshape(rows, segments)
    words = lengths_of(index)
    place = np.full(segments, layer["place_beats"] * BEAT_BYTES)
    place[-1] = layer["row_beats"] * BEAT_BYTES - place[:-1].sum()
    room = np.full(segments, header["map_place"])
    room[-1] = header["map_row"] - room[:-1].sum()
    values = np.full(segments, block * width)
    values[-1] = channels * width - values[:-1].sum()
    bits = values * np.where(index["words"] & RAW, layer["in_bits"], 1)  # at least
    wrong = (words * WORD_BYTES > np.minimum(place, room)) | (words * 8 * WORD_BYTES < bits)
    if wrong.any():
        row, segment = np.argwhere(wrong)[0]
        raise ValueError(
            f"segment {segment} of row {row} of its map has {words[row, segment]} words, "
            "which fit neither its place nor its values"
        )
    last = header["map_at"] + (rows - 1) * header["map_row"] + (segments - 1) * header["map_place"]
    _part(memory, "the map", last, whole_beats(int(words[-1, -1]) * WORD_BYTES))


def _check_result(layer: Mapping[str, int], arch: Arch, header: Mapping[str, Any]) -> None:
    """Whether there is room for what the last layer makes, where nothing else lies."""
    found = tuple(header[f"result_{name}"] for name in ("rows", "columns", "bits", "signed"))
    expected = (layer["out_height"], layer["out_width"], layer["out_bits"], layer["signed_output"])
    if found != expected:
        raise ValueError(
            f"its result is {found}, the last layer makes {expected} (rows, columns, bits, sign)"
        )
    channels, width = header["result_channels"], layer["out_width"]
    blocks = -(-channels // arch.columns)
    tail = channels - (blocks - 1) * arch.columns
    sizes = [
        whole_beats(-(-many * width * arch.activation_bits // 8))
        for many in (min(arch.columns, channels), tail)
    ]
    row = (blocks - 1) * sizes[0] + sizes[1]
    if channels < 1 or header["result_place"] != sizes[0] or header["result_row"] != row:
        raise ValueError(f"places of its result take {sizes[0]} bytes, of a row {row}")
    if layer["out_height"] * row > arch.map_buffer // 2:
        raise ValueError("its result does not fit half of the map buffer")
    if header["result_at"] + layer["out_height"] * row > header["memory_bytes"]:
        raise ValueError("its result ends behind its memory")
