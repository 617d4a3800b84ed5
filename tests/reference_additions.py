"""Maps in memory, and what is added to the results of layers: parts of the reference of the array.

Written from docs/architecture.md (*Memory*, *Additions*).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from hwsim.arch import Arch
from hwsim.layer import Layer

RESULT = "result of "  # a name that no map has


def beats(size: int) -> int:
    """Bytes of whole beats of 32 bytes."""
    return (size + 31) // 32 * 32


@dataclass
class Stored:
    """A map in memory: its segments' lengths, and what it takes."""

    words: list[list[int]]  # [row][channel block]
    raw: list[list[bool]]
    row_place: int  # bytes of the map buffer that a row takes
    coded: bool

    @property
    def segments(self) -> int:
        """How many there are."""
        return len(self.words) * len(self.words[0])

    def moved(self, segments: Iterable[tuple[int, int]]) -> int:
        """Bytes of some segments over the channel."""
        return sum(beats(8 * self.words[y][b]) for y, b in segments)

    def rows_that_stay(self, arch: Arch) -> set[int]:
        """Those for which a half of the map buffer has room: spread evenly, beside a ring, if not all."""
        height, half = len(self.words), arch.map_buffer // 2
        index = beats(4 * self.segments) if self.coded else 0
        if index + height * self.row_place <= half:
            return set(range(height))
        room = half - half // 4 - index
        place = (self.row_place + 63) // 64 * 64  # of a row that begins in a line of its own
        kept = min(max(room, 0) // place, height - 1)
        return {y for y in range(height) if (y + 1) * kept // height > y * kept // height}


@dataclass(frozen=True)
class Added:
    """Something that a layer adds: itself, its channels, those of a segment, the rows that are on chip."""

    name: str
    stored: Stored
    channels: int
    block: int
    on_chip: set[int]

    def blocks_for(self, made: set[int], channels: int) -> set[int]:
        """Its channel blocks that are needed for some channels of a result; all, if it has others."""
        if self.channels != channels:
            return set(range(len(self.stored.words[0])))
        return {channel // self.block for channel in made}


@dataclass(frozen=True)
class Additions:
    """Who adds what in a network."""

    layers: Sequence[Layer]
    maps: Mapping[str, np.ndarray]
    blocks: Mapping[str, int]
    stored: Mapping[str, Stored]
    makers: Mapping[str, Sequence[Layer]]
    arch: Arch

    def layer(self, name: str) -> Layer:
        """The layer of a name."""
        (found,) = (layer for layer in self.layers if layer.name == name)
        return found

    def output_of(self, layer: Layer) -> Stored:
        """A result that is no map: raw, in segments of M channels, of the widest values."""
        filters, tall, wide = layer.out_shape
        columns, bits = self.arch.columns, self.arch.activation_bits
        rows = [wide * min(columns, filters - c) * bits for c in range(0, filters, columns)]
        words = [[-(-size // 64) for size in rows]] * tall
        return Stored(words, [[True] * len(rows)] * tall, 0, False)

    def finds(self, i: int, name: str) -> bool:
        """Whether the rows of a map that are on chip are of use to a layer that adds it: its own input, or
        that of the layer before, in whose places it makes a map of the same shape and segments."""
        if self.layers[i].input == name:
            return True
        makes = [made for made in self.layers[i].makes if made in self.maps]
        if i == 0 or self.layers[i - 1].input != name or len(makes) != 1 or len(self.makers[makes[0]]) != 1:
            return False
        mine, other = self.maps[makes[0]], self.maps[name]
        sizes = [min(self.blocks[each], len(mine)) for each in (makes[0], name)]
        return mine.shape == other.shape and sizes[0] == sizes[1]

    def of(self, i: int, on_chip: Mapping[str, set[int]]) -> list[Added]:
        """What a layer adds: maps, some rows of which may be on chip, and results that are none."""
        found = []
        for name in self.layers[i].adds:
            there = on_chip.get(name, set()) if self.finds(i, name) else set()
            found.append(Added(name, self.stored[name], len(self.maps[name]), self.blocks[name], there))
        for name in self.layers[i].adds_results:
            layer = self.layer(name)
            output = self.output_of(layer)
            found.append(Added(RESULT + name, output, layer.out_shape[0], self.arch.columns, set()))
        return found

    def events(self, i: int) -> Counter:
        """What adding costs: all of it is read from the buffer, decoded, and scaled with each value made."""
        events: Counter[str] = Counter()
        for added in self.of(i, {}):
            events["map_word"] += sum(map(sum, added.stored.words))
            events["requantize"] += prod(self.layers[i].out_shape)
            if added.name in self.maps:
                runs = self.arch.run_max if self.arch.skip_zeros else 0
                events["symbol"] += symbols_of(self.maps[added.name], added.block, added.stored.raw, runs)
            else:
                events["symbol"] += prod(self.layer(added.name.removeprefix(RESULT)).out_shape)
        return events


def symbols_of(values: np.ndarray, block: int, raw: Sequence[Sequence[bool]], run_max: int) -> int:
    """Symbols of a whole map; ``run_max`` 0: every value is one, as every raw value is."""
    count = 0
    for b, first in enumerate(range(0, len(values), block)):
        for y in range(values.shape[1]):
            if raw[y][b] or not run_max:
                count += values[first : first + block, y].size
                continue
            run = 0
            for value in [*values[first : first + block, y].ravel().tolist(), None]:
                if value == 0:
                    run += 1
                    continue
                while run > run_max:  # a symbol of zeros alone
                    count += 1
                    run -= min(run, 3 * run_max)
                count += value is not None or run > 0
                run = 0
    return count
