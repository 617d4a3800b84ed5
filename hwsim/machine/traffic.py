"""Which segments of which maps cross the DRAM channel, layer by layer: decided before any timing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from hwsim.arch import BEAT_BYTES, INDEX_BYTES, WORD_BYTES, Arch
from hwsim.layer import Layer
from hwsim.machine.additions import Added, output_name
from hwsim.machine.rows import rows_read
from hwsim.machine.runs import DramKind
from hwsim.machine.storage import Segments, raw_segments


@dataclass(frozen=True, eq=False)
class Made:
    """A map that a layer makes, or its part of one.

    Attributes:
        name: of the map; None: an output that no layer reads, or that is added to another layer's.
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
        adds: what is added to its result.
    """

    stay: np.ndarray
    held: np.ndarray
    index_size: int
    made: tuple[Made, ...]
    adds: tuple[Added, ...]

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
    return _Planner(layers, maps, arch, shapes).plan()


class _Planner:
    """Who makes, reads and adds each map of a network, and which of its rows stay on chip."""

    def __init__(
        self,
        layers: Sequence[Layer],
        maps: Mapping[str, Segments],
        arch: Arch,
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self.layers, self.maps, self.arch, self.shapes = layers, maps, arch, shapes
        self.readers: dict[str, list[int]] = {}
        self.adders: dict[str, list[int]] = {}
        self.makers: dict[str, list[Layer]] = {}
        for i, layer in enumerate(layers):
            self.readers.setdefault(layer.input, []).append(i)
            for name in layer.adds:
                self.adders.setdefault(name, []).append(i)
            for name in layer.makes:
                self.makers.setdefault(name, []).append(layer)
        self.results = {name for layer in layers for name in layer.adds_results}
        self.stay = {name: map_.staying(arch) for name, map_ in maps.items()}
        self.parts = {name: _parts(maps[name], by) for name, by in self.makers.items() if name in maps}

    def plan(self) -> list[Traffic]:
        """Every layer in its turn."""
        plan = []
        held: dict[str, np.ndarray] = {}  # rows on chip when a layer begins
        outputs: dict[str, Made] = {}  # results that are added to others, by the layer that makes them
        for i, layer in enumerate(self.layers):
            name = layer.input
            made = [self._made(i, each) for each in layer.makes if each in self.maps]
            if not made or layer.name in self.results:
                made.append(outputs.setdefault(layer.name, self._output(layer)))
            here = held.get(name, np.zeros(layer.in_shape[1], bool))
            through = here | (self.stay[name] & rows_read(layer))
            on_chip = {**held, name: through}
            adds = [self._added(i, each, on_chip) for each in layer.adds]
            adds += [self._added_result(outputs[each].map, each) for each in layer.adds_results]
            plan.append(Traffic(self.stay[name], here, self._index_size(name), tuple(made), tuple(adds)))
            held = {each: self.stay[each] for each in layer.makes if each in self.maps and self._alone(each)}
            held[name] = through
        return plan

    def _alone(self, name: str) -> bool:
        """Whether one layer makes a map alone."""
        return len(self.makers.get(name, ())) == 1

    def _index_size(self, name: str, parts: int | None = None) -> int:
        """Bytes of a map's index, or of its first parts: the entries of each part begin at a beat."""
        map_ = self.maps[name]
        blocks = self.parts.get(name, [np.ones(map_.words.shape[1], bool)])[:parts]
        return sum(map_.index_size(len(map_.words) * int(part.sum())) for part in blocks)

    def _made(self, i: int, name: str) -> Made:
        """A map that a layer makes, or its part of it."""
        layer, stay = self.layers[i], self.stay[name]
        number = self.makers[name].index(layer)
        follow = list(range(i + 1, i + 1 + len(self.readers[name])))
        passed_on = (
            self._alone(name)
            and self.readers[name] == follow
            and all(self._finds(adder, name) for adder in self.adders.get(name, ()))
        )
        written = ~stay if passed_on else np.ones_like(stay)
        kind: DramKind = "pooled" if _pooled(layer, self.shapes[name]) else "maps_out"
        part = self.parts[name][number]
        return Made(name, kind, self.maps[name], part, self._index_size(name, number), written)

    def _output(self, layer: Layer) -> Made:
        """The result of a layer where it is no map: raw, for all of its rows and channels."""
        raw = raw_segments(layer.out_shape, self.arch.columns, self.arch.activation_bits)
        height, blocks = raw.words.shape
        return Made(None, "maps_out", raw, np.ones(blocks, bool), 0, np.ones(height, bool))

    def _finds(self, i: int, name: str) -> bool:
        """Whether a layer finds the rows of a map that it adds, and that are on chip, where it needs them.

        It reads them itself; or the layer before did, so that they lie in the half that its own map goes to,
        and each row of that has the place of the one that is added to it.
        """
        layer = self.layers[i]
        if layer.input == name:
            return True
        makes = [each for each in layer.makes if each in self.maps]
        if i == 0 or self.layers[i - 1].input != name or len(makes) != 1 or not self._alone(makes[0]):
            return False
        mine, other = self.maps[makes[0]], self.maps[name]
        return self.shapes[makes[0]] == self.shapes[name] and np.array_equal(mine.room, other.room)

    def _added(self, i: int, name: str, on_chip: Mapping[str, np.ndarray]) -> Added:
        """A map that a layer adds, of which some rows may be on chip."""
        map_ = self.maps[name]
        there = on_chip.get(name) if self._finds(i, name) else None
        fetched = np.ones(len(map_.words), bool) if there is None else ~there
        return Added(name, None, map_, fetched, self._index_size(name) if fetched.any() else 0)

    def _added_result(self, raw: Segments, layer: str) -> Added:
        """The result of a layer before, which is no map: it waits in DRAM."""
        return Added(output_name(layer), layer, raw, np.ones(len(raw.words), bool), 0)


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
