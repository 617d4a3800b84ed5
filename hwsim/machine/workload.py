"""One image of a trace, and what follows from it: computed once, whatever machine asks for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from hwsim.arch import (
    BEAT_BYTES,
    CLAMP_BYTES,
    LAYER_BYTES,
    PASS_BYTES,
    POOL_BYTES,
    SCALE_BYTES,
    WEIGHT_PORT_WORDS,
    WORD_BYTES,
    Arch,
)
from hwsim.codec.seg_lengths import code_lengths
from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.machine.additions import Added
from hwsim.machine.compiled import CompiledNetwork, geometry
from hwsim.machine.descriptors import weight_loads
from hwsim.machine.known_passes import pass_events, time_known
from hwsim.machine.mapping import Mapping, segment_blocks, weight_words
from hwsim.machine.passes import Layout, PassTiming, Stream
from hwsim.machine.remade import Remade, remake
from hwsim.machine.rows import Rows, input_rows
from hwsim.machine.storage import Segments, store_map, whole_beats
from hwsim.machine.symbols import Symbols, raw_symbols, stored_symbols
from hwsim.machine.traffic import Traffic, plan_traffic

if TYPE_CHECKING:
    from hwsim.trace import MapInfo, Trace

T = TypeVar("T")


class Workload:
    """An image's activation maps, and what machines have asked of them so far.

    Segment lengths and the times of passes whose map is on chip are kept: they are not computed again when a
    parameter changes on which they do not depend. A sweep keeps one workload an image.

    Args:
        trace: what has the image.
        image: its number.
        network: the trace compiled, which its images share; made anew if not given.

    Raises:
        TraceError: the trace has no such image.
    """

    def __init__(self, trace: Trace, image: int, network: CompiledNetwork | None = None) -> None:
        if not 0 <= image < trace.images:
            raise TraceError(f"{trace.title} has no image {image}; it has 0 .. {trace.images - 1}")
        self.image = image
        self.network = network or CompiledNetwork(trace)
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
        self.network.forget()
        lasting = ("values", "macs", "stored", "symbols", "raw")
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
        info = self.info(name)
        if not (arch.skip_zeros or arch.compress):
            key = ("raw", info.shape, block, info.bits)
            return self.once(key, lambda: raw_symbols(info.shape, block, info.bits))
        run_max = arch.run_max if arch.skip_zeros else 0
        raw = self.stored(name, block, arch.compress).raw
        return self.once(
            ("symbols", name, block, arch.compress, run_max),
            lambda: stored_symbols(
                self.values(name), block, raw, code_lengths(info.order), info.bits, run_max
            ),
        )

    def stored(self, name: str, block: int, compressed: bool) -> Segments:
        """A map as it lies in memory."""
        info = self.info(name)
        return self.once(
            ("stored", name, block, compressed),
            lambda: store_map(self.values(name), block, info.order, info.bits, compressed),
        )

    def jobs(self, arch: Arch) -> list[LayerJob]:
        """All layers in the order of execution, mapped to a machine.

        Raises:
            ArchError: a layer does not fit the machine.
        """
        blocks = self.network.blocks(arch)
        of_segments = segment_blocks(self.layers, blocks)
        names = {layer.input for layer in self.layers}
        stored = {name: self.stored(name, of_segments[name], arch.compress) for name in names}
        plan = plan_traffic(self.layers, stored, arch, {name: self.info(name).shape for name in names})
        jobs = []
        links = self.network.links()
        followers = [*self.layers[1:], None]
        for number, (layer, traffic) in enumerate(zip(self.layers, plan, strict=True)):
            name = layer.input
            kin: Hashable = layer.name
            if not (arch.skip_zeros or arch.compress):  # values do not matter, but for their width
                kin = (self.info(name).bits, geometry(layer))
            mapping = self.network.mapping(layer, arch)
            remade, has_pool_word, form_block = None, False, 0
            if links is not None:
                following = followers[number]
                block = arch.columns if following is None else of_segments[following.input]
                if following is not None and arch.compress and not links[number].remade:
                    form_block = block
                row_segments = mapping.units * -(-len(mapping.parts[0].makes) // block)
                remade = remake(layer, links[number], block, row_segments, arch)
                has_pool_word = links[number].has_word
            whole = links is not None
            beside = (of_segments, kin, whole, form_block, remade, has_pool_word)
            jobs.append(LayerJob(self, layer, arch, stored[name], mapping, traffic, *beside))
        return jobs


class Weights(NamedTuple):
    """What a pass of a unit needs beside its map.

    Attributes:
        words: M-wide words of weight memory, in whole loads.
        size: bytes of the weights over the channel.
        scales: bytes of bias and multiplier of its channels over the channel.
        channels: how many it makes.
        load_bits: that a whole load takes in DRAM.
    """

    words: int
    size: int
    scales: int
    channels: int
    load_bits: int


@dataclass(frozen=True)
class LayerJob:
    """A layer of a workload on a machine: all that its timing depends on, except when it starts.

    Attributes:
        workload, layer, arch: what runs where.
        stored: the input map in memory.
        mapping: which core does what.
        traffic: which of its maps cross the DRAM channel.
        blocks: channels of a segment, by map.
        kin: equal for layers of the workload that take the same time on the same machine.
        whole: the machine runs the whole network by itself (hwsim.machine.whole).
        form_block: channels of a segment that its cores make, if their encoders choose its form; else 0.
        remade: what it takes to pool what it makes, or to lay it out anew; None if it stays as it is.
        has_pool_word: the pool behind it stands in a word of its program.
    """

    workload: Workload
    layer: Layer
    arch: Arch
    stored: Segments
    mapping: Mapping
    traffic: Traffic
    blocks: MappingOf[str, int]
    kin: Hashable
    whole: bool
    form_block: int
    remade: Remade | None
    has_pool_word: bool

    @property
    def block(self) -> int:
        """Channels of a segment of the input map."""
        return self.blocks[self.layer.input]

    @cached_property
    def _key(self) -> tuple[Hashable, ...]:
        """All that shapes the passes of the layer, but for the run decoder, the slots and the places."""
        flags = (self.arch.skip_zeros, self.arch.compress)
        return (self.kin, self.block, self.arch.columns, *flags, self.mapping)

    def rows(self, group: int) -> Rows:
        """Input rows that a pass over a row group reads."""
        key = ("rows", self.kin, self.mapping, group)
        return self.workload.once(key, lambda: input_rows(self.layer, self.mapping.groups[group]))

    @cached_property
    def program_size(self) -> int:
        """Bytes of the layer's program: its descriptor, clamps, a mask of rows a group, passes, a pool."""
        groups = len(self.mapping.groups)
        clamps = CLAMP_BYTES if self.layer.clamped else 0
        masks = groups * -(-self.layer.out_shape[1] // 8)
        passes = groups * self.mapping.units * PASS_BYTES
        return whole_beats(LAYER_BYTES + clamps + masks + passes + self.has_pool_word * POOL_BYTES)

    @cached_property
    def weights(self) -> list[Weights]:
        """What is loaded of every unit.

        In DRAM a word has a column only where there is an output channel, or a tap if depthwise.
        """
        return self.workload.once(("weights", *self._key, self.arch.weight_bits), self._weights)

    def _weights(self) -> list[Weights]:
        found = []
        for unit in range(self.mapping.units):
            part = self.mapping.parts[unit]
            words = weight_words(self.layer, len(part.reads), self.arch)
            columns = self.arch.columns if self.layer.kind == "depthwise" else len(part.makes)
            written = WEIGHT_PORT_WORDS * weight_loads(words)
            size = -(-words * columns * self.arch.weight_bits // (8 * BEAT_BYTES)) * BEAT_BYTES
            scales = whole_beats(len(part.makes) * SCALE_BYTES)
            load_bits = WEIGHT_PORT_WORDS * columns * self.arch.weight_bits
            found.append(Weights(written, size, scales, len(part.makes), load_bits))
        return found

    def segments(self, units: Sequence[int]) -> np.ndarray:
        """Channel blocks of the map that a round over ``units`` reads."""
        parts = [self.mapping.parts[unit].reads for unit in units]
        blocks = [np.arange(part.start // self.block, -(-part.stop // self.block)) for part in parts]
        return blocks[0] if len(blocks) == 1 else np.unique(np.concatenate(blocks))

    @cached_property
    def places(self) -> np.ndarray:
        """Word of the map buffer at which each segment begins; rows that pass by share no line."""
        return self.stored.line_places(self.traffic.fits)

    @property
    def written(self) -> list[int]:
        """Bytes of each map that the layer writes into the map buffer, one that is remade among them."""
        raw = [self.remade.raw_words * WORD_BYTES] if self.remade else []
        return [*raw, *(made.bytes for made in self.traffic.made)]

    @property
    def alike(self) -> list[int]:
        """Of every unit, the same number as of those whose passes take the same time."""
        return self.mapping.kinds

    def symbols_added(self, added: Added) -> int:
        """Symbols of what is added to the layer's result, each decoded once.

        A result that is no map is raw, and has one a value.
        """
        if added.of_layer is None:
            found = self.workload.symbols(added.name, self.blocks[added.name], self.arch)
            return int((found.end - found.first).sum())
        return next(prod(layer.out_shape) for layer in self.workload.layers if layer.name == added.of_layer)

    def layout(self, units: Sequence[int], kept: frozenset[int]) -> Layout:
        """What a round over ``units`` fetches: row by row, as the first core comes to each.

        Args:
            units: of the round.
            kept: channel blocks of which the rows that stay were fetched before.
        """
        key = (units if isinstance(units, range) else tuple(units), kept)
        rows = (self.traffic.stay.tobytes(), self.traffic.held.tobytes())
        return self.workload.once(("layout", *self._key, *key, *rows), lambda: self._layout(units, kept))

    def _layout(self, units: Sequence[int], kept: frozenset[int]) -> Layout:
        height, blocks = self.stored.words.shape
        never = np.iinfo(np.int64).max
        position = np.full(height, never)
        for group in range(len(self.mapping.groups)):
            y = self.rows(group).y
            np.minimum.at(position, y, np.arange(len(y)))
        order = np.argsort(position, kind="stable")[: np.count_nonzero(position < never)]
        segments = self.segments(units)
        there = self.traffic.held[order, None] | (
            self.traffic.stay[order, None] & np.isin(segments, list(kept))
        )
        numbers = (order[:, None] * blocks + segments)[~there]
        beats = self.stored.beats.ravel()[numbers]
        return Layout(numbers, np.cumsum(beats) - beats, int(beats.sum()))

    def time(self, unit: int, group: int, stream: Stream | None) -> PassTiming:
        """Time the pass of a unit over a row group; ``stream`` None: its map is on chip."""
        arch = self.arch
        shape = (arch.cores, self.traffic.fits, self.alike[unit], group, arch.run_max)
        return time_known(self, (*self._key, *shape), unit, group, stream)

    def events(self, unit: int, group: int, stream: Stream | None) -> np.ndarray:
        """Every symbol of a pass, from its first cycle: int64 (symbols, 6), passes.EVENT_FIELDS."""
        return pass_events(self, unit, group, stream)[1]
