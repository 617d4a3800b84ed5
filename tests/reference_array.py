"""A whole array on a chain of layers, pass by pass, every pass clocked: the reference of the schedule.

Written from docs/architecture.md (*Weights*, *DRAM*). It takes the mapper's choice as given, times every
single pass with ``reference_core`` and reuses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from reference_core import run_pass, segments_of

from hwsim.arch import DECODE_LATENCY, DRAIN_LATENCY, MAC_LATENCY, Arch
from hwsim.layer import Layer
from hwsim.machine.mapping import Mapping as LayerMapping


def occupancy(size: int, arch: Arch) -> int:
    """Cycles that the channel is busy with ``size`` bytes: whole bursts of 64 bytes."""
    return -(-(-(-size // 64) * 64) // arch.bytes_per_cycle)


@dataclass
class Channel:
    """The DRAM channel as a calendar of single cycles."""

    arch: Arch
    reading: set[int] = field(default_factory=set)
    free: int = 0
    parts: list[tuple[int, int]] = field(default_factory=list)  # of writes: (ready, cycles)

    def read(self, size: int, ready: int) -> tuple[int, int]:
        """(request, last byte there)."""
        request = max(ready, self.free)
        self.free = request + occupancy(size, self.arch)
        self.reading |= set(range(request, self.free))
        return request, self.free + self.arch.dram_latency

    def written(self, parts: int) -> int:
        """Cycle in which the first ``parts`` parts are written."""
        cycle = 0
        for ready, cycles in self.parts[:parts]:
            cycle = max(cycle, ready)
            while cycles:
                cycles -= cycle not in self.reading
                cycle += 1
        return cycle


@dataclass
class Stored:
    """A map in memory: its segments' lengths and what of it moves."""

    words: list[list[int]]  # [row][channel block]
    index_bytes: int

    @property
    def bytes(self) -> int:
        """All segments and the index."""
        return 8 * sum(map(sum, self.words)) + self.index_bytes


def store(values: np.ndarray, block: int, order: int | None, bits: int) -> Stored:
    """Lay a map out; ``order`` None: raw."""
    channels, height, _ = values.shape
    words = []
    for y in range(height):
        segments = segments_of(values, [y], range(channels), block, order, bits)
        words.append([len(segment.words) for segment in segments])
    return Stored(words, 0 if order is None else 4 * height * len(words[0]))


def run_chain(
    layers: Sequence[Layer],
    maps: Sequence[np.ndarray],
    blocks: Sequence[int],
    mappings: Sequence[LayerMapping],
    arch: Arch,
    order: int,
    bits: int,
    counts: list[Counter] | None = None,
) -> tuple[list[tuple[int, int]], list[Mapping[str, int]]]:
    """Layer i reads map i and makes map i + 1; the last one's output goes to DRAM raw.

    ``counts`` gets, of every layer, what happened how often, by the names of hwsim.machine.energy.EVENTS.

    Returns:
        (start, end) of every layer, bytes over the channel of every layer.
    """
    coded_order = order if arch.compress else None
    channel = Channel(arch)
    stored = [store(m, b, coded_order, bits) for m, b in zip(maps, blocks, strict=True)]
    fits = [s.bytes <= arch.map_buffer // 2 for s in stored]
    now = 0
    spans: list[tuple[int, int]] = []
    traffic: list[Mapping[str, int]] = []

    history: list[list[tuple[int, int]]] = [[] for _ in range(arch.cores)]  # of passes: words, end

    def room(core: int, words: int) -> int:
        """When the weight memory of a core has place for one pass more: the passes before it, but for the
        newest that fit beside it, are done."""
        for kept in range(len(history[core]), -1, -1):
            newest = history[core][len(history[core]) - kept :]
            if kept < 8 and sum(size for size, _ in newest) + words <= arch.weight_words:
                gone = history[core][: len(history[core]) - kept]
                return gone[-1][1] if gone else 0
        raise AssertionError("a pass larger than the memory")

    def load(layer: Layer, mapping: LayerMapping, number: int) -> tuple[dict[int, int], int, dict[int, int]]:
        """(unit -> weights there, bytes, unit -> words) of a round."""
        there, total, sizes = {}, 0, {}
        work = mapping.rounds[number]
        for unit in dict.fromkeys(unit for _, unit, _ in work):
            channels, taps = len(mapping.channels(unit, layer)), layer.kernel[0] * layer.kernel[1]
            if layer.kind == "depthwise":
                sizes[unit] = channels * -(-taps // arch.columns)
                lanes = arch.columns
            else:
                sizes[unit] = layer.in_shape[0] * taps
                lanes = channels
            size = -(-sizes[unit] * lanes * arch.weight_bits // 8)
            ready = max(room(core, sizes[unit]) for core, u, _ in work if u == unit)
            there[unit] = channel.read(size, ready)[1]
            total += size
        return there, total, sizes

    map_written = 0  # parts of writes that complete the map which the next layer reads
    for i, (layer, mapping) in enumerate(zip(layers, mappings, strict=True)):
        moved = {"weights": 0, "maps_in": 0, "maps_out": 0}
        count: Counter = Counter()
        done, drained = [now] * arch.cores, []
        place = None
        for number, work in enumerate(mapping.rounds):
            weights, weight_bytes, sizes = load(layer, mapping, number)
            moved["weights"] += weight_bytes
            from_dram = i == 0 or not fits[i]
            again = number == 0 or layer.kind == "depthwise" or not fits[i]
            if from_dram and again:
                place, size = stream_order(layer, mapping, stored[i], sorted({u for _, u, _ in work}))
                moved["maps_in"] += size
                request, _ = channel.read(size, max(now, channel.written(map_written)))
            for core, unit, group in work:
                begin = max(done[core], weights[unit])
                owned = [int(r) for r in mapping.groups[group]]
                channels = range(layer.in_shape[0])
                if layer.kind == "depthwise":
                    channels = mapping.channels(unit, layer)
                arrivals = None
                if place is not None:
                    arrivals = [
                        request
                        + arch.dram_latency
                        + -(-(o * 8 // 64 + 1) * 64 // arch.bytes_per_cycle)
                        - begin
                        for o in words_of_pass(layer, owned, channels, blocks[i], stored[i], place)
                    ]
                outcome = run_pass(
                    layer,
                    maps[i],
                    owned,
                    channels=channels,
                    block=blocks[i],
                    out_channels=len(mapping.channels(unit, layer)),
                    columns=arch.columns,
                    order=coded_order,
                    bits=bits,
                    skip_zeros=arch.skip_zeros,
                    run_max=arch.run_max,
                    fifo_depth=arch.fifo_depth,
                    latencies=(DECODE_LATENCY, MAC_LATENCY, DRAIN_LATENCY),
                    arrival=(lambda word: 0) if arrivals is None else arrivals.__getitem__,
                )
                count["symbol"] += outcome.symbols
                count["map_word"] += outcome.words
                count["weight_word"] += outcome.causes["compute"]
                count["weight_load"] += sizes[unit]
                made = len(owned) * layer.out_shape[2] * len(mapping.channels(unit, layer))
                count["drain"] += made * (arch.columns if layer.kind == "depthwise" else 1)
                count["requantize"] += made
                count["encoded"] += made
                done[core] = begin + outcome.cycles
                history[core].append((sizes[unit], done[core]))
                drained += [begin + cycle for cycle in outcome.drained]
        end = max(done)
        last = i + 1 == len(layers)
        if last or not fits[i + 1]:
            size = -(-int(np.prod(layer.out_shape)) * arch.activation_bits // 64) * 8
            size = size if last else stored[i + 1].bytes
            moved["maps_out"] = size
            cycles, drained = occupancy(size, arch), sorted(drained)
            bounds = [k * cycles // len(drained) for k in range(len(drained) + 1)]
            channel.parts += [(t, b - a) for t, a, b in zip(drained, bounds, bounds[1:], strict=False)]
            map_written = len(channel.parts)
        if last:
            end = max(end, channel.written(len(channel.parts)))
        output = -(-int(np.prod(layer.out_shape)) * arch.activation_bits // 64) * 8
        for size in (moved["maps_in"], moved["maps_out"], output if last else stored[i + 1].bytes):
            count["map_word"] += -(-size // 8)
        count["dram_byte"] = sum(moved.values())
        if counts is not None:
            counts.append(count)
        spans.append((now, end))
        traffic.append(moved)
        now = end
    return spans, traffic


def rows_read(layer: Layer, owned: Iterable[int]) -> list[int]:
    """Input rows that a pass reads, ascending."""
    reached = {r * layer.stride[0] - layer.padding[0] + k for r in owned for k in range(layer.kernel[0])}
    return sorted(y for y in reached if 0 <= y < layer.in_shape[1])


def stream_order(
    layer: Layer, mapping: LayerMapping, stored: Stored, units: Sequence[int]
) -> tuple[dict[tuple[int, int], int], int]:
    """Where the segments of a round lie in its stream, in words after the index; bytes of the stream."""
    first_use: dict[int, int] = {}
    for owned in mapping.groups:
        for position, y in enumerate(rows_read(layer, owned)):
            first_use[y] = min(position, first_use.get(y, position))
    blocks = units if layer.kind == "depthwise" else range(len(stored.words[0]))
    everything = len(stored.words) * len(stored.words[0])
    index_words = -(-stored.index_bytes * len(first_use) * len(blocks) // (everything * 8))
    place, at = {}, index_words
    for y in sorted(first_use, key=lambda y: (first_use[y], y)):
        for block in blocks:
            place[y, block] = at
            at += stored.words[y][block]
    return place, at * 8


def words_of_pass(
    layer: Layer,
    owned: Sequence[int],
    channels: range,
    block: int,
    stored: Stored,
    place: Mapping[tuple[int, int], int],
) -> list[int]:
    """Positions in the stream of every word that a pass reads, in its order."""
    found: list[int] = []
    for y in rows_read(layer, owned):
        for b in range(channels.start // block, -(-channels.stop // block)):
            found += range(place[y, b], place[y, b] + stored.words[y][b])
    return found
