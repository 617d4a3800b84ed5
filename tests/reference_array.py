"""A whole array on a network of layers, pass by pass, every pass clocked: the reference of the schedule.

Written from docs/architecture.md (*Weights*, *DRAM*, *Where the cycles go*). It takes the mapper's choice as
given, times every single pass with ``reference_core`` and reuses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, product

import numpy as np
from reference_core import channels_read, order_of_reading, rows_awaited, run_pass, segments_of

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

    def read(self, size: int, ready: int, least: int = 0) -> tuple[int, int]:
        """(request, last byte there); the channel is busy for ``least`` cycles or more."""
        request = max(ready, self.free)
        self.free = request + max(occupancy(size, self.arch), least)
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


@dataclass
class Span:
    """What a layer did: when, why its cores waited, what crossed the channel, and how often what happened.

    ``events`` has the names of hwsim.machine.energy.EVENTS, but for the MACs of a depthwise layer.
    """

    start: int
    end: int
    causes: Counter
    moved: Mapping[str, int]
    events: Counter


@dataclass(frozen=True)
class Arriving:
    """A segment on its way: its stream's request, and its first word in that stream."""

    request: int
    place: int


def run_network(
    layers: Sequence[Layer],
    maps: Mapping[str, np.ndarray],
    blocks: Mapping[str, int],
    mappings: Sequence[LayerMapping],
    arch: Arch,
    order: int,
    bits: int,
) -> list[Span]:
    """The layers in their order; ``maps`` are those that they read, what none reads goes to DRAM raw."""
    coded_order = order if arch.compress else None
    channel = Channel(arch)
    stored = {name: store(values, blocks[name], coded_order, bits) for name, values in maps.items()}
    fits = {name for name, map_ in stored.items() if map_.bytes <= arch.map_buffer // 2}
    makers = {name: [layer for layer in layers if name in layer.makes] for name in maps}
    on_chip: set[str] = set()  # maps that the layer just before made alone, or read, if they fit
    now = 0
    spans: list[Span] = []

    history: list[list[tuple[int, int]]] = [[] for _ in range(arch.cores)]  # of passes: words, end

    def room(core: int, words: int) -> int:
        """When the weight memory of a core has place for one pass more: the passes before it, but for the
        newest that fit beside it, are done."""
        for kept in range(len(history[core]), -1, -1):
            newest = history[core][len(history[core]) - kept :]
            if kept < 8 and sum(size for size, _ in newest) + words <= arch.weight_words:  # of whole loads
                gone = history[core][: len(history[core]) - kept]
                return gone[-1][1] if gone else 0
        raise AssertionError("a pass larger than the memory")

    def load(layer: Layer, mapping: LayerMapping, number: int) -> tuple[dict[int, int], int, dict[int, int]]:
        """(unit -> weights there, bytes, unit -> words) of a round."""
        there, total, sizes = {}, 0, {}
        work = mapping.rounds[number]
        for unit in dict.fromkeys(unit for _, unit, _ in work):
            channels, taps = len(mapping.parts[unit].makes), layer.kernel[0] * layer.kernel[1]
            if layer.kind == "depthwise":
                sizes[unit] = channels * -(-taps // arch.columns)
                lanes = arch.columns
            else:
                sizes[unit] = len(channels_read(layer, mapping.parts[unit].makes)) * taps
                lanes = channels
            size = -(-sizes[unit] * lanes * arch.weight_bits // 8)
            sizes[unit] += sizes[unit] % 2  # two words a load
            ready = max(room(core, sizes[unit]) for core, u, _ in work if u == unit)
            # Two words and one scale a cycle at the port; two cycles more until a pass may start.
            there[unit] = channel.read(size, ready, max(sizes[unit] // 2, arch.columns))[1] + 2
            total += size
        return there, total, sizes

    complete: dict[str, int] = {}  # how many parts of writes there are once a map is whole in DRAM
    for i, (layer, mapping) in enumerate(zip(layers, mappings, strict=True)):
        read = stored[layer.input]
        moved = {"weights": 0, "maps_in": 0, "maps_out": 0}
        events: Counter = Counter()
        labels: list[list[str]] = [[] for _ in range(arch.cores)]  # of every core and cycle of the layer
        drained = []
        height, segments_a_row = len(read.words), len(read.words[0])
        # Segments in the map buffer. A map that does not fit passes by and is not kept.
        held = set(product(range(height), range(segments_a_row))) if layer.input in on_chip else set()
        arriving: dict[tuple[int, int], Arriving] = {}
        for number, work in enumerate(mapping.rounds):
            weights, weight_bytes, sizes = load(layer, mapping, number)
            moved["weights"] += weight_bytes
            units = {unit for _, unit, _ in work}
            block = blocks[layer.input]
            by_rounds = layer.kind == "depthwise" or layer.input not in fits
            blocks_read = sorted(
                {
                    channel // block
                    for unit in (units if by_rounds else range(mapping.units))
                    for channel in channels_read(layer, mapping.parts[unit].makes)
                }
            )
            rows = order_of_rows(layer, mapping)
            missing = [(y, b) for y in rows for b in blocks_read if (y, b) not in held]
            if missing:
                size, places = stream_of(missing, read)
                moved["maps_in"] += size
                whole = channel.written(complete.get(layer.input, 0))
                request, _ = channel.read(size, max(now, whole))
                arriving |= {segment: Arriving(request, place) for segment, place in places.items()}
                held |= set(missing) if layer.input in fits else set()
            for core, unit, group in work:
                labels[core] += ["weights"] * (weights[unit] - now - len(labels[core]))
                begin = now + len(labels[core])
                owned = [int(r) for r in mapping.groups[group]]
                channels = channels_read(layer, mapping.parts[unit].makes)
                arrivals = arrivals_of(layer, owned, channels, blocks[layer.input], read, arriving, arch)
                outcome = run_pass(
                    layer,
                    maps[layer.input],
                    owned,
                    channels=channels,
                    block=blocks[layer.input],
                    out_channels=len(mapping.parts[unit].makes),
                    columns=arch.columns,
                    order=coded_order,
                    bits=bits,
                    skip_zeros=arch.skip_zeros,
                    run_max=arch.run_max,
                    fifo_depth=arch.fifo_depth,
                    latencies=(DECODE_LATENCY, MAC_LATENCY, DRAIN_LATENCY),
                    arrival=[cycle - begin for cycle in arrivals].__getitem__,
                )
                events["symbol"] += outcome.symbols
                events["map_word"] += outcome.words
                events["weight_word"] += outcome.causes["compute"]
                if layer.kind != "depthwise":
                    events["mac"] += outcome.causes["compute"] * len(mapping.parts[unit].makes)
                events["weight_load"] += sizes[unit]
                made = len(owned) * layer.out_shape[2] * len(mapping.parts[unit].makes)
                events["drain"] += made * (arch.columns if layer.kind == "depthwise" else 1)
                events["requantize"] += made
                events["encoded"] += made
                labels[core] += outcome.labels
                history[core].append((sizes[unit], begin + outcome.cycles))
                drained += [begin + cycle for cycle in outcome.drained]
        longest = max(labels, key=len)  # of the last core, the one with the lowest number if there are more
        for waits in labels:
            theirs = longest[len(waits) :]
            waits += ["weights" if label == "weights" else "imbalance" for label in theirs]
        end = now + len(longest)
        parts = {
            name: part_of(stored[name], makers[name], layer, maps[name])
            for name in layer.makes
            if name in maps
        }
        alone = {name for name in parts if len(makers[name]) == 1 and name in fits}
        on_chip = alone | ({layer.input} & fits)
        leaves = {
            name: size for name, size in parts.items() if not (name in alone and kept(name, layers[i + 1 :]))
        }
        if not parts:
            parts = leaves = {"": -(-int(np.prod(layer.out_shape)) * arch.activation_bits // 64) * 8}
        moved["maps_out"] = sum(leaves.values())
        for name, size in leaves.items():
            cycles, drained = occupancy(size, arch), sorted(drained)
            bounds = [k * cycles // len(drained) for k in range(len(drained) + 1)]
            channel.parts += [(t, b - a) for t, a, b in zip(drained, bounds, bounds[1:], strict=False)]
            complete[name] = len(channel.parts)
        if i + 1 == len(layers):
            end = max(end, channel.written(len(channel.parts)))
            for waits in labels:
                waits += ["dram"] * (end - now - len(waits))
        for size in (moved["maps_in"], moved["maps_out"], sum(parts.values())):
            events["map_word"] += -(-size // 8)
        events["dram_byte"] = sum(moved.values())
        spans.append(Span(now, end, Counter(chain.from_iterable(labels)), moved, events))
        now = end
    return spans


def part_of(stored: Stored, makers: Sequence[Layer], layer: Layer, values: np.ndarray) -> int:
    """Bytes of a layer's part of a map: all, or by its channels where several layers make it."""
    own = len(values) if len(makers) == 1 else min(layer.out_shape[0], len(values))
    return -(-stored.bytes * own // len(values))


def kept(name: str, later: Sequence[Layer]) -> bool:
    """Whether all layers that read a map follow at once, one after the other."""
    readers = sum(layer.input == name for layer in later)
    return all(layer.input == name for layer in later[:readers])


def rows_read(layer: Layer, owned: Iterable[int]) -> list[int]:
    """Input rows that a pass reads, in its order."""
    awaited = rows_awaited(layer)
    read = {y for r in owned for y in awaited[r]}
    return [y for y in order_of_reading(layer) if y in read]


def order_of_rows(layer: Layer, mapping: LayerMapping) -> list[int]:
    """Input rows in the order of a stream: as the first group comes to each, the upper one first."""
    first_use: dict[int, int] = {}
    for owned in mapping.groups:
        for position, y in enumerate(rows_read(layer, owned)):
            first_use[y] = min(position, first_use.get(y, position))
    return sorted(first_use, key=lambda y: (first_use[y], y))


def stream_of(segments: Sequence[tuple[int, int]], stored: Stored) -> tuple[int, dict[tuple[int, int], int]]:
    """(bytes of a stream of segments with their index before them, where each lies in it, in words)."""
    index_bytes = 4 * len(segments) if stored.index_bytes else 0
    place, at = {}, (index_bytes + 7) // 8
    for y, block in segments:
        place[y, block] = at
        at += stored.words[y][block]
    return index_bytes + 8 * sum(stored.words[y][block] for y, block in segments), place


def arrivals_of(
    layer: Layer,
    owned: Sequence[int],
    channels: range,
    block: int,
    stored: Stored,
    arriving: Mapping[tuple[int, int], Arriving],
    arch: Arch,
) -> list[int]:
    """Cycles in which the words that a pass reads are there, in its order; long ago if they were on chip."""
    found: list[int] = []
    for y in rows_read(layer, owned):
        for b in range(channels.start // block, -(-channels.stop // block)):
            for word in range(stored.words[y][b]):
                if (y, b) not in arriving:
                    found.append(0)
                    continue
                byte = (arriving[y, b].place + word) * 8
                loaded = -(-(byte // 64 + 1) * 64 // arch.bytes_per_cycle)
                found.append(arriving[y, b].request + arch.dram_latency + loaded)
    return found
