"""A whole array on a network of layers, pass by pass, every pass clocked: the reference of the schedule.

Written from docs/architecture.md (*Memory*, *Weights*, *Programs*, *DRAM*, *Where the cycles go*). Who makes
what is said by ``reference_mapping``; every single pass is stepped by ``reference_core``, and nothing reused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from math import ceil, prod

import numpy as np
from reference_additions import RESULT, Additions, Stored, beats
from reference_mapping import Shared
from reference_rows import channels_read, order_of_reading, rows_awaited
from reference_segments import segments_of
from reference_slots import first_slot, run_in_slots

from hwsim.arch import Arch
from hwsim.layer import Layer

KINDS = ("weights", "scales", "programs", "index", "maps_in", "maps_out", "pooled", "residuals")


def occupancy(size: int, arch: Arch) -> int:
    """Cycles that the channel is busy with ``size`` bytes: whole beats, at a part of the bandwidth."""
    return ceil(Fraction(beats(size) * 100, arch.bytes_per_cycle * arch.dram_efficiency))


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

    def write(self, size: int, ready: Sequence[int]) -> None:
        """Queue equal parts that are ready at some cycles."""
        cycles = occupancy(size, self.arch)
        bounds = [k * cycles // len(ready) for k in range(len(ready) + 1)]
        self.parts += [(t, b - a) for t, a, b in zip(ready, bounds, bounds[1:], strict=False)]

    def written(self, parts: int) -> int:
        """Cycle in which the first ``parts`` parts are written."""
        cycle = 0
        for ready, cycles in self.parts[:parts]:
            cycle = max(cycle, ready)
            while cycles:
                cycles -= cycle not in self.reading
                cycle += 1
        return cycle


def store(values: np.ndarray, block: int, order: int | None, bits: int) -> Stored:
    """Lay a map out; ``order`` None: raw."""
    channels, height, width = values.shape
    rows = [segments_of(values, [y], range(channels), block, order, bits) for y in range(height)]
    words = [[len(segment.words) for segment in row] for row in rows]
    raw = [[segment.raw for segment in row] for row in rows]
    sizes = [min(block, channels - first) * width * bits for first in range(0, channels, block)]
    return Stored(words, raw, sum(beats((size + 7) // 8) for size in sizes), order is not None)


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
    """A segment on its way: its stream's request, and how many beats of that stream come before it."""

    request: int
    before: int


def run_network(
    layers: Sequence[Layer],
    maps: Mapping[str, np.ndarray],
    blocks: Mapping[str, int],
    mappings: Sequence[Shared],
    arch: Arch,
    order: int,
    bits: int,
) -> list[Span]:
    """The layers in their order; ``maps`` are those that they read, what none reads goes to DRAM raw."""
    coded_order = order if arch.compress else None
    channel = Channel(arch)
    stored = {name: store(values, blocks[name], coded_order, bits) for name, values in maps.items()}
    stay = {name: map_.rows_that_stay(arch) for name, map_ in stored.items()}
    fits = {name for name, map_ in stored.items() if len(stay[name]) == len(map_.words)}
    makers = {name: [layer for layer in layers if name in layer.makes] for name in maps}

    def index_of(name: str) -> int:
        """Bytes of the index of a map: of each part in beats of its own."""
        if not stored[name].coded:
            return 0
        return sum(beats(4 * len(stored[name].words) * len(part)) for part in parts_of(name).values())

    def parts_of(name: str) -> dict[str, list[int]]:
        """Channel blocks of a map by the layer that makes their last channels; all if none makes it."""
        channels, block = len(maps[name]), blocks[name]
        owner = [layer.name for layer in makers[name] for _ in range(layer.out_shape[0])] or [""]
        found: dict[str, list[int]] = {layer.name: [] for layer in makers[name]} or {"": []}
        for b in range(-(-channels // block)):
            last = min((b + 1) * block, channels) - 1
            found[owner[min(last, len(owner) - 1)]].append(b)
        return found

    additions = Additions(layers, maps, blocks, stored, makers, arch)

    on_chip: dict[str, set[int]] = {}  # rows of maps that the layer just before made alone, or read
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

    def load(
        layer: Layer, mapping: Shared, number: int, program: int
    ) -> tuple[dict[int, int], Counter, dict[int, int]]:
        """(unit -> weights there, bytes by kind, unit -> words) of a round."""
        there: dict[int, int] = {}
        total: Counter[str] = Counter()
        sizes: dict[int, int] = {}
        work = mapping.rounds[number]
        for unit in dict.fromkeys(unit for _, unit, _ in work):
            channels, taps = len(mapping.makes[unit]), layer.kernel[0] * layer.kernel[1]
            if layer.kind == "depthwise":
                sizes[unit] = channels * -(-taps // arch.columns)
                lanes = arch.columns
            else:
                sizes[unit] = len(channels_read(layer, mapping.makes[unit])) * taps
                lanes = channels
            size = beats(-(-sizes[unit] * lanes * arch.weight_bits // 8))
            scales = beats(6 * channels)
            sizes[unit] += sizes[unit] % 2  # two words a load
            ready = max(program, *(room(core, sizes[unit]) for core, u, _ in work if u == unit))
            # Two words and one scale a cycle at the port; two cycles more until a pass may start.
            there[unit] = channel.read(size + scales, ready, max(sizes[unit] // 2, arch.columns))[1] + 2
            total += Counter(weights=size, scales=scales)
        return there, total, sizes

    programs = [program_size(layer, mapping) for layer, mapping in zip(layers, mappings, strict=True)]
    programs_there = [channel.read(programs[0], 0)[1]]

    complete: dict[str, int] = {}  # how many parts of writes there are once a map is whole in DRAM
    for i, (layer, mapping) in enumerate(zip(layers, mappings, strict=True)):
        read = stored[layer.input]
        moved = dict.fromkeys(KINDS, 0)
        moved["programs"] = programs[i]
        if i + 1 < len(layers):
            programs_there.append(channel.read(programs[i + 1], 0)[1])
        events: Counter = Counter()
        labels: list[list[str]] = [[] for _ in range(arch.cores)]  # of every core and cycle of the layer
        drained = []
        segments_a_row = len(read.words[0])
        found = on_chip | {
            layer.input: on_chip.get(layer.input, set()) | (rows_of(layer) & stay[layer.input])
        }
        to_add = additions.of(i, found)
        events += additions.events(i)
        events["compared"] = 0  # of a network that is no chain, a pool costs nothing
        asked_for: set[tuple[str, int]] = set()  # channel blocks of what is added
        complete_with = 0  # when all of it is there
        # Segments in the map buffer. Rows that do not stay pass by and are not kept.
        there = on_chip.get(layer.input, set())
        held = {(y, b) for y in there for b in range(segments_a_row)}
        arriving: dict[tuple[int, int], Arriving] = {}
        for number, work in enumerate(mapping.rounds):
            weights, loaded, sizes = load(layer, mapping, number, programs_there[i])
            for kind, size in loaded.items():
                moved[kind] += size
            units = {unit for _, unit, _ in work}
            block = blocks[layer.input]
            by_rounds = layer.kind == "depthwise" or layer.input not in fits
            blocks_read = sorted(
                {
                    channel // block
                    for unit in (units if by_rounds else range(len(mapping.makes)))
                    for channel in channels_read(layer, mapping.makes[unit])
                }
            )
            rows = order_of_rows(layer, mapping)
            missing = [(y, b) for y in rows for b in blocks_read if (y, b) not in held]
            if missing:
                whole = max(now, channel.written(complete.get(layer.input, 0)))
                if not arriving and read.coded:
                    channel.read(index_of(layer.input), whole)
                    moved["index"] += index_of(layer.input)
                size, before = read.moved(missing), 0
                request, _ = channel.read(size, whole)
                for y, b in missing:
                    arriving[y, b] = Arriving(request, before)
                    before += beats(8 * read.words[y][b]) // 32
                moved["maps_in"] += size
                held |= {(y, b) for y, b in missing if y in stay[layer.input]}
            there_to_add = 0  # when all that is added to what this round makes is there
            made_now = {channel for unit in units for channel in mapping.makes[unit]}
            for added in to_add:
                now_added = added.blocks_for(made_now, layer.out_shape[0])
                come = [
                    (y, b)
                    for y in range(len(added.stored.words))
                    for b in sorted(now_added)
                    if y not in added.on_chip and (added.name, b) not in asked_for
                ]
                if come:
                    whole = max(now, channel.written(complete.get(added.name, 0)))
                    if added.stored.coded and not any(of == added.name for of, _ in asked_for):
                        channel.read(index_of(added.name), whole)
                        moved["index"] += index_of(added.name)
                    size = added.stored.moved(come)
                    there_to_add = max(there_to_add, channel.read(size, whole)[1])
                    moved["residuals"] += size
                asked_for |= {(added.name, b) for b in now_added}
            complete_with = max(complete_with, there_to_add)
            for core, unit, group in work:
                labels[core] += ["weights"] * (weights[unit] - now - len(labels[core]))
                able = now + len(labels[core])
                labels[core] += ["decode"] * (first_slot(core, able, arch.cores) - able)
                begin = now + len(labels[core])
                owned = mapping.groups[group]
                channels = channels_read(layer, mapping.makes[unit])
                arrivals = arrivals_of(layer, owned, channels, blocks[layer.input], read, arriving, arch)
                waits = [cycle - begin for cycle in arrivals]
                outcome = run_in_slots(
                    layer,
                    maps[layer.input],
                    owned,
                    rows_read(layer, owned),
                    channels=channels,
                    block=blocks[layer.input],
                    out_channels=len(mapping.makes[unit]),
                    order=coded_order,
                    bits=bits,
                    arch=arch,
                    words=read.words,
                    arrivals=waits,
                    fits=layer.input in fits,
                )
                worked = outcome.labels.count("compute")
                events["symbol"] += len(outcome.symbols)
                events["map_word"] += 8 * len(outcome.served)  # of every line, be it of the index, all words
                events["weight_word"] += worked
                if layer.kind != "depthwise":
                    events["mac"] += worked * len(mapping.makes[unit])
                events["weight_load"] += sizes[unit]
                made = len(owned) * layer.out_shape[2] * len(mapping.makes[unit])
                events["drain"] += made * (arch.columns if layer.kind == "depthwise" else 1)
                events["requantize"] += made
                events["encoded"] += made
                labels[core] += outcome.labels
                history[core].append((sizes[unit], begin + outcome.cycles))
                drained += [max(begin + cycle, there_to_add) for cycle in outcome.drained]
        longest = max(labels, key=len)  # of the last core, the one with the lowest number if there are more
        for causes in labels:
            theirs = longest[len(causes) :]
            causes += ["weights" if label == "weights" else "imbalance" for label in theirs]
        end = max(now + len(longest), complete_with)
        for causes in labels:
            causes += ["dram"] * (end - now - len(causes))
        on_chip = {layer.input: {y for y in rows_of(layer) if y in stay[layer.input]} | there}
        made_words = 0
        drained = sorted(drained)

        for name in layer.makes:
            if name not in maps:
                continue
            map_, own = stored[name], parts_of(name)[layer.name]
            rows = list(range(len(map_.words)))
            made_words += sum(map_.words[y][b] for y in rows for b in own)
            made_words += -(-len(rows) * len(own) // 2) if map_.coded else 0
            if len(makers[name]) == 1:
                on_chip[name] = stay[name]
                if kept(name, layers[i + 1 :]) and all(
                    additions.finds(j, name) for j, other in enumerate(layers) if name in other.adds
                ):
                    rows = [y for y in rows if y not in stay[name]]
            size = map_.moved((y, b) for y in rows for b in own)
            if size:
                channel.write(size, drained)
                moved["pooled" if pooled(layer, maps[name]) else "maps_out"] += size
                if map_.coded:
                    index = beats(4 * len(map_.words) * len(own))
                    channel.write(index, drained[-1:])
                    moved["index"] += index
                complete[name] = len(channel.parts)
        added_later = any(layer.name in other.adds_results for other in layers)
        if added_later or not any(name in maps for name in layer.makes):
            output = additions.output_of(layer)
            size = output.moved((y, b) for y, row in enumerate(output.words) for b in range(len(row)))
            channel.write(size, drained)
            moved["maps_out"] += size
            made_words += sum(map(sum, output.words))
            complete[RESULT + layer.name] = len(channel.parts)
        if i + 1 == len(layers):
            end = max(end, channel.written(len(channel.parts)))
            for causes in labels:
                causes += ["dram"] * (end - now - len(causes))
        events["map_word"] += made_words
        events["map_word"] += sum(moved[kind] for kind in KINDS[3:]) // 8
        events["dram_byte"] = sum(moved.values())
        spans.append(Span(now, end, Counter(chain.from_iterable(labels)), moved, events))
        now = end
    return spans


def program_size(layer: Layer, mapping: Shared, *, pool_word: bool = False) -> int:
    """A descriptor of 64 bytes, a bit an output row a group, 8 bytes a pass, 8 of clamps, 8 of a pool."""
    words = sum(len(work) for work in mapping.rounds) + layer.clamped + pool_word
    return beats(64 + len(mapping.groups) * -(-layer.out_shape[1] // 8) + 8 * words)


def pooled(layer: Layer, values: np.ndarray) -> bool:
    """Whether a map has fewer pixels than the layer makes; a mere change of shape keeps the values."""
    fewer = prod(values.shape[1:]) < prod(layer.out_shape[1:])
    return fewer and values.size != prod(layer.out_shape)


def kept(name: str, later: Sequence[Layer]) -> bool:
    """Whether all layers that read a map follow at once, one after the other."""
    readers = sum(layer.input == name for layer in later)
    return all(layer.input == name for layer in later[:readers])


def rows_read(layer: Layer, owned: Iterable[int]) -> list[int]:
    """Input rows that a pass reads, in its order."""
    awaited = rows_awaited(layer)
    read = {y for r in owned for y in awaited[r]}
    return [y for y in order_of_reading(layer) if y in read]


def rows_of(layer: Layer) -> set[int]:
    """Input rows that a layer reads."""
    return {y for rows in rows_awaited(layer).values() for y in rows}


def order_of_rows(layer: Layer, mapping: Shared) -> list[int]:
    """Input rows in the order of a stream: as the first group comes to each, the upper one first."""
    first_use: dict[int, int] = {}
    for owned in mapping.groups:
        for position, y in enumerate(rows_read(layer, owned)):
            first_use[y] = min(position, first_use.get(y, position))
    return sorted(first_use, key=lambda y: (first_use[y], y))


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
                came = arriving[y, b].before + word // 4 + 1
                found.append(arriving[y, b].request + arch.dram_latency + occupancy(32 * came, arch))
    return found
