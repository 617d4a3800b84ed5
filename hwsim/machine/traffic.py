"""Which segments of which maps cross the DRAM channel, layer by layer: decided before any timing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from hwsim.arch import BEAT_BYTES, INDEX_BYTES, WORD_BYTES, Arch
from hwsim.layer import Layer
from hwsim.machine.rows import rows_read
from hwsim.machine.runs import DramKind
from hwsim.machine.storage import Segments, raw_segments


@dataclass(frozen=True, eq=False)
class Made:
    """A map that a layer makes, or its part of one.

    Attributes:
        name: of the map; None: an output that no layer reads.
        kind: ``pooled`` if it lies behind a pool, else ``maps_out``.
        map: all of it.
        blocks: bool (channel blocks,), those that this layer makes.
        index_at: bytes of the index in DRAM before the entries of this part.
        written: bool (H,), the rows that go to DRAM.
    """

    name: str | None
    kind: DramKind
    map: Segments
    blocks: np.ndarray
    index_at: int
    written: np.ndarray

    @cached_property
    def segments(self) -> np.ndarray:
        """Numbers of the segments that go to DRAM, row by row, int64."""
        return np.flatnonzero(np.outer(self.written, self.blocks))

    @property
    def size(self) -> int:
        """Bytes of those over the channel."""
        return int(self.map.beats.ravel()[self.segments].sum()) * BEAT_BYTES

    @property
    def entries(self) -> int:
        """Segments of this part, each with an index entry if the map has an index."""
        return int(self.blocks.sum()) * len(self.map.words)

    @property
    def index_size(self) -> int:
        """Bytes of the index over the channel: that of the whole part, if any of it goes to DRAM."""
        return self.map.index_size(self.entries) if len(self.segments) else 0

    @property
    def bytes(self) -> int:
        """Bytes that the encoders make of this part, index entries included."""
        words = int(self.map.words[:, self.blocks].sum(dtype=np.int64))
        return words * WORD_BYTES + self.map.coded * self.entries * INDEX_BYTES


@dataclass(frozen=True, eq=False)
class Traffic:
    """What a layer moves over the channel.

    Attributes:
        stay: bool (H,), rows of the input map that the map buffer keeps once they are there.
        held: bool (H,), rows of it that are there when the layer begins.
        index_size: bytes of its index over the channel, if any of it is fetched.
        made: its output, and further maps that come of it, as those behind a pool.
    """

    stay: np.ndarray
    held: np.ndarray
    index_size: int
    made: tuple[Made, ...]

    @property
    def fits(self) -> bool:
        """Whether one fetch serves all rounds."""
        return bool(self.stay.all())


def plan_traffic(
    layers: Sequence[Layer], maps: Mapping[str, Segments], arch: Arch, shapes: Mapping[str, tuple[int, ...]]
) -> list[Traffic]:
    """Which maps cross the channel, layer by layer in the order of execution.

    Args:
        layers: in the order of execution.
        maps: every map as stored.
        arch: the machine; half of ``map_buffer`` holds maps in, half maps out.
        shapes: (C, H, W) of every map.
    """
    readers: dict[str, list[int]] = {}
    makers: dict[str, list[Layer]] = {}
    for i, layer in enumerate(layers):
        readers.setdefault(layer.input, []).append(i)
        for name in layer.makes:
            makers.setdefault(name, []).append(layer)
    stay = {name: map_.staying(arch) for name, map_ in maps.items()}
    parts = {name: _parts(maps[name], made_by) for name, made_by in makers.items() if name in maps}

    def index_size(name: str, blocks: Sequence[np.ndarray]) -> int:
        """Bytes of the index entries of some parts of a map: those of each begin at a beat of their own."""
        return sum(maps[name].index_size(len(maps[name].words) * int(part.sum())) for part in blocks)

    plan = []
    held: dict[str, np.ndarray] = {}  # rows on chip when a layer begins
    for i, layer in enumerate(layers):
        made = []
        alone = {name for name in layer.makes if name in maps and len(makers[name]) == 1}
        for name in layer.makes:
            if name not in maps:
                continue
            follow = list(range(i + 1, i + 1 + len(readers[name])))
            leaves = ~stay[name] if name in alone and readers[name] == follow else np.ones_like(stay[name])
            number = makers[name].index(layer)
            at = index_size(name, parts[name][:number])
            kind: DramKind = "pooled" if _pooled(layer, shapes[name]) else "maps_out"
            made.append(Made(name, kind, maps[name], parts[name][number], at, leaves))
        if not made:
            raw = raw_segments(layer.out_shape, arch.columns, arch.activation_bits)
            height, blocks = raw.words.shape
            made = [Made(None, "maps_out", raw, np.ones(blocks, bool), 0, np.ones(height, bool))]
        here = held.get(layer.input, np.zeros(layer.in_shape[1], bool))
        whole = [np.ones(maps[layer.input].words.shape[1], bool)]
        index = index_size(layer.input, parts.get(layer.input, whole))
        plan.append(Traffic(stay[layer.input], here, index, tuple(made)))
        held = {name: stay[name] for name in alone}
        held[layer.input] = here | (stay[layer.input] & rows_read(layer))
    return plan


def _parts(map_: Segments, makers: Sequence[Layer]) -> list[np.ndarray]:
    """Of every layer that makes a map, its channel blocks: bool (channel blocks,).

    Parts follow each other in the order of execution; a block is of the layer that makes its last channel.
    """
    ends = np.cumsum([layer.out_shape[0] for layer in makers])
    owner = np.minimum(np.searchsorted(ends, map_.ends), len(makers) - 1)
    return [owner == number for number in range(len(makers))]


def _pooled(layer: Layer, shape: tuple[int, ...]) -> bool:
    """Whether a map lies behind a pool: it has fewer pixels, and is no other shape of the same values."""
    return prod(shape[1:]) < prod(layer.out_shape[1:]) and prod(shape) != prod(layer.out_shape)
