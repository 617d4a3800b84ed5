"""One image of a trace, and what follows from it: computed once, whatever machine asks for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hwsim.arch import BURST_BYTES, WEIGHT_PORT_WORDS, WORD_BYTES, Arch
from hwsim.codec.seg_lengths import code_lengths
from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.machine import dram
from hwsim.machine.descriptors import weight_loads
from hwsim.machine.mapping import Mapping, map_blocks, map_layer, weight_words
from hwsim.machine.passes import (
    EVENT_FIELDS,
    Layout,
    PassTiming,
    Stream,
    time_pass,
)
from hwsim.machine.rows import Rows, input_rows
from hwsim.machine.symbols import Symbols, coded_symbols, raw_skipping_symbols, raw_symbols

if TYPE_CHECKING:
    from hwsim.trace import MapInfo, Trace

T = TypeVar("T")


class Workload:
    """An image's activation maps, and what machines have asked of them so far.

    Segment lengths, mappings and the times of passes whose map is on chip are kept: they are not computed
    again when a parameter changes on which they do not depend. A sweep keeps one workload an image.

    Raises:
        TraceError: the trace has no such image.
    """

    def __init__(self, trace: Trace, image: int) -> None:
        if not 0 <= image < trace.images:
            raise TraceError(f"{trace.title} has no image {image}; it has 0 .. {trace.images - 1}")
        self.image = image
        self.layers: Sequence[Layer] = trace.layers
        self._trace = trace
        self._known: dict[tuple[Hashable, ...], object] = {}

    def once(self, key: tuple[Hashable, ...], compute: Callable[[], T]) -> T:
        """What ``compute`` gives, computed when ``key`` is asked for the first time."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]  # type: ignore[return-value]

    def forget(self) -> None:
        """Drop what depends on a mapping, so that a long sweep does not keep all that it ever computed."""
        lasting = ("values", "macs", "stored", "coded", "raw", "blocks")
        self._known = {key: known for key, known in self._known.items() if key[0] in lasting}

    def info(self, name: str) -> MapInfo:
        """What the trace says of a map."""
        return self._trace.maps[name]

    def values(self, name: str) -> np.ndarray:
        """A map, uint16 (C, H, W)."""
        return self.once(("values", name), lambda: self._trace.map(name, self.image))

    def nonzero_macs(self, layer: Layer) -> int:
        """MACs of a layer whose activation is not zero."""
        return self.once(("macs", layer.name), lambda: layer.nonzero_macs(self.values(layer.input)))

    def symbols(self, name: str, block: int, arch: Arch) -> Symbols:
        """What the decoder of a machine sees of a map."""
        info, skip = self.info(name), arch.skip_zeros
        if not arch.compress:
            if skip:
                return self.once(
                    ("raw", name, block), lambda: raw_skipping_symbols(self.values(name), block, info.bits)
                )
            key = ("raw", info.shape, block, info.bits)
            return self.once(key, lambda: raw_symbols(info.shape, block, info.bits))
        run_max = arch.run_max if skip else 0
        return self.once(
            ("coded", name, block, run_max),
            lambda: coded_symbols(self.values(name), block, code_lengths(info.order), run_max),
        )

    def stored(self, name: str, block: int, compressed: bool) -> dram.StoredMap:
        """A map as it lies in memory."""
        info = self.info(name)
        return self.once(
            ("stored", name, block, compressed),
            lambda: dram.store_map(self.values(name), block, info.order, info.bits, compressed),
        )

    def jobs(self, arch: Arch) -> list[LayerJob]:
        """All layers in the order of execution, mapped to a machine.

        Raises:
            ArchError: a layer does not fit the machine.
        """
        skip, shape = arch.skip_zeros, (arch.columns, arch.accumulators, arch.weight_words)
        blocks = self.once(("blocks", *shape), lambda: map_blocks(self.layers, arch))
        names = {layer.input for layer in self.layers}
        stored = {name: self.stored(name, blocks[name], arch.compress) for name in names}
        plan = dram.plan_traffic(
            self.layers,
            {name: map_.bytes for name, map_ in stored.items()},
            {name: len(self.values(name)) for name in stored},
            arch,
            arch.activation_bits,
        )
        jobs = []
        for layer, traffic in zip(self.layers, plan, strict=True):
            map_, block = stored[layer.input], blocks[layer.input]
            indexed = skip and arch.compress  # only the index of a coded map says where zeros are
            counts = map_.nonzeros if indexed else _all_values(layer, block)
            # In a dense machine values do not matter: layers of one geometry take the same time.
            geometry = (
                self.info(layer.input).bits,
                replace(layer, name="", input="", output=None, relu=False),
            )
            kin = layer.name if skip or arch.compress else geometry
            mapping = self.once(
                ("mapping", kin, block, arch.columns, arch.cores, arch.row_split, indexed),
                lambda: map_layer(layer, arch, counts, block),  # noqa: B023
            )
            jobs.append(LayerJob(self, layer, arch, map_, mapping, traffic, block, kin))
        return jobs


def _all_values(layer: Layer, block: int) -> np.ndarray:
    """Values of every segment of a layer's input map, int64 (H, channel blocks)."""
    channels, height, width = layer.in_shape
    values = np.minimum(block, channels - np.arange(0, channels, block)) * width
    return np.broadcast_to(values, (height, len(values)))


@dataclass(frozen=True)
class LayerJob:
    """A layer of a workload on a machine: all that its timing depends on, except when it starts.

    Attributes:
        workload, layer, arch: what runs where.
        stored: the input map in memory.
        mapping: which core does what.
        traffic: which of its maps cross the DRAM channel.
        block: channels of a segment of the input map.
        kin: equal for layers of the workload that take the same time on the same machine.
    """

    workload: Workload
    layer: Layer
    arch: Arch
    stored: dram.StoredMap
    mapping: Mapping
    traffic: dram.Traffic
    block: int
    kin: Hashable

    @cached_property
    def _key(self) -> tuple[Hashable, ...]:
        """All that shapes the passes of the layer, but for the depths of run decoder and FIFO."""
        flags = (self.arch.skip_zeros, self.arch.compress)
        return (self.kin, self.block, self.arch.columns, *flags, self.mapping)

    def rows(self, group: int) -> Rows:
        """Input rows that a pass over a row group reads."""
        key = ("rows", self.kin, self.mapping, group)
        return self.workload.once(key, lambda: input_rows(self.layer, self.mapping.groups[group]))

    @cached_property
    def weights(self) -> list[tuple[int, int]]:
        """Of every unit, M-wide words of weight memory, in whole loads, and bytes in DRAM.

        In DRAM a word has a lane only where there is an output channel, or a tap if depthwise.
        """
        return self.workload.once(("weights", *self._key, self.arch.weight_bits), self._weights)

    def _weights(self) -> list[tuple[int, int]]:
        found = []
        for unit in range(self.mapping.units):
            part = self.mapping.parts[unit]
            words = weight_words(self.layer, len(part.reads), self.arch)
            lanes = self.arch.columns if self.layer.kind == "depthwise" else len(part.makes)
            written = WEIGHT_PORT_WORDS * weight_loads(words)
            found.append((written, -(-words * lanes * self.arch.weight_bits // 8)))
        return found

    def segments(self, units: Sequence[int]) -> np.ndarray:
        """Channel blocks of the map that a round over ``units`` reads."""
        parts = [self.mapping.parts[unit].reads for unit in units]
        return np.unique(
            [b for part in parts for b in range(part.start // self.block, -(-part.stop // self.block))]
        )

    @property
    def alike(self) -> list[int]:
        """Of every unit, the same number as of those whose passes take the same time."""
        return self.mapping.kinds

    def layout(self, units: Sequence[int]) -> Layout:
        """What a round over ``units`` streams: row by row, as the first core comes to each."""
        return self.workload.once(("layout", *self._key, tuple(units)), lambda: self._layout(units))

    def _layout(self, units: Sequence[int]) -> Layout:
        words = self.stored.words
        never = np.iinfo(np.int64).max
        position = np.full(words.shape[0], never)
        for group in range(len(self.mapping.groups)):
            y = self.rows(group).y
            np.minimum.at(position, y, np.arange(len(y)))
        order = np.argsort(position, kind="stable")[: np.count_nonzero(position < never)]
        place = np.ix_(order, self.segments(units))
        chosen = words[place].astype(np.int64)
        ends = np.cumsum(chosen).reshape(chosen.shape)
        index_bytes = self.stored.index_bytes * chosen.size // words.size
        offsets = np.zeros(words.shape, np.int64)
        offsets[place] = ends - chosen + -(-index_bytes // WORD_BYTES)
        return Layout(offsets, int(ends[-1, -1]) * WORD_BYTES + index_bytes)

    def time(self, unit: int, group: int, stream: Stream | None) -> PassTiming:
        """Time the pass of a unit over a row group; ``stream`` None: its map is on chip.

        A pass does not depend on when it starts. So if the words for its first symbol come d cycles late, and
        no other word more than d cycles after its deadline, it is the pass on chip, d cycles later.
        """
        once, arch = self.workload.once, self.arch
        key = (*self._key, self.alike[unit], group, arch.run_max, arch.fifo_depth)
        if stream is None:
            return once(("time", *key), lambda: self._time(unit, group, None))
        timing, deadlines = once(("deadlines", *key), lambda: self._deadlines(unit, group))
        bursts, due, first = once(
            ("due", *key, stream.layout), lambda: self._due(unit, group, stream.layout, deadlines)
        )
        late = stream.arrivals(bursts) - due
        delay = max(0, int(late[:first].max()))
        return timing.delayed(delay) if late.max() <= delay else self._time(unit, group, stream)

    def _deadlines(self, unit: int, group: int) -> tuple[PassTiming, np.ndarray]:
        words = self.stored.words[np.ix_(self.rows(group).y, self.segments([unit]))]
        deadlines = np.empty(words.sum(dtype=np.int64), np.int64)
        return self._time(unit, group, None, deadlines=deadlines), deadlines

    def _due(
        self, unit: int, group: int, layout: Layout, deadlines: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """The bursts of a pass, when each is due, and how many of them its first symbol needs."""
        place = np.ix_(self.rows(group).y, self.segments([unit]))
        words = self.stored.words[place].ravel()
        before = np.cumsum(words) - words
        positions = np.repeat(layout.offsets[place].ravel() - before, words) + np.arange(len(deadlines))
        bursts = positions * WORD_BYTES // BURST_BYTES
        changes = np.flatnonzero(np.diff(bursts, prepend=-1))
        first = 1 + int(words[0] > 1 and bursts[1] != bursts[0])
        return bursts[changes], np.minimum.reduceat(deadlines, changes), first

    def events(self, unit: int, group: int, stream: Stream | None) -> np.ndarray:
        """Every symbol of a pass, from its first cycle: int64 (symbols, 4), passes.EVENT_FIELDS."""
        channels = len(self.mapping.parts[unit].reads)
        events = np.empty(
            (channels * len(self.rows(group).y) * self.layer.in_shape[2], len(EVENT_FIELDS)), np.int64
        )
        timing = self._time(unit, group, stream, events=events)
        return events[: timing.symbols]

    def _time(
        self,
        unit: int,
        group: int,
        stream: Stream | None,
        *,
        events: np.ndarray | None = None,
        deadlines: np.ndarray | None = None,
    ) -> PassTiming:
        layer, arch = self.layer, self.arch
        blocks = self.segments([unit])
        return time_pass(
            layer,
            self.workload.symbols(layer.input, self.block, arch),
            arch,
            self.rows(group),
            segments=range(int(blocks[0]), int(blocks[-1]) + 1),
            out_channels=len(self.mapping.parts[unit].makes),
            words=self.stored.words,
            stream=stream,
            events=events,
            deadlines=deadlines,
        )
