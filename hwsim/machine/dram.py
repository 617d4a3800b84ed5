"""Maps in memory, who fetches them, and the schedule of the DRAM channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from hwsim.arch import BURST_BYTES, INDEX_BYTES, WORD_BITS, WORD_BYTES, Arch
from hwsim.codec.segments import segment_bits
from hwsim.layer import Layer
from hwsim.machine.descriptors import weight_loads


@dataclass(frozen=True)
class StoredMap:
    """An activation map as it lies in memory.

    Attributes:
        words: int32 (H, channel blocks), length of every segment in 64-bit words.
        nonzeros: int64 (H, channel blocks), non-zeros of every segment.
        index_bytes: of the index; 0 for a raw map, whose segments all have the same length.
    """

    words: np.ndarray
    nonzeros: np.ndarray
    index_bytes: int

    @property
    def bytes(self) -> int:
        """Bytes of the map, index included."""
        return int(self.words.sum(dtype=np.int64)) * WORD_BYTES + self.index_bytes


def store_map(values: np.ndarray, block: int, order: int, bits: int, compressed: bool) -> StoredMap:
    """Lay out a map: SEG_``order`` segments with an index, or raw words of ``bits`` bits.

    Args:
        values: uint16 (C, H, W).
        block: channels of a segment.
        order: k of SEG.
        bits: width of a raw value.
        compressed: False for the dense baseline.
    """
    channels, height, width = values.shape
    if compressed:
        segment = segment_bits(values, block, order).T
        index_bytes = segment.size * INDEX_BYTES
    else:
        starts = np.arange(0, channels, block)
        segment = np.broadcast_to(np.minimum(block, channels - starts) * width * bits, (height, len(starts)))
        index_bytes = 0
    words = -(-segment // WORD_BITS)
    nonzeros = np.add.reduceat(np.count_nonzero(values, axis=2), np.arange(0, channels, block)).T
    return StoredMap(np.ascontiguousarray(words, dtype=np.int32), nonzeros.astype(np.int64), index_bytes)


@dataclass(frozen=True)
class Made:
    """A map that a layer makes, or its part of one.

    Attributes:
        name: of the map; None: an output that no layer reads.
        size: bytes.
        write: it goes to DRAM.
    """

    name: str | None
    size: int
    write: bool


@dataclass(frozen=True)
class Traffic:
    """What a layer moves over the channel, decided before its timing is known.

    Attributes:
        fetch: the input map comes from DRAM.
        resident: it fits on chip, so that one fetch serves all rounds.
        made: its output, and further maps that come of it, as those behind a pool.
    """

    fetch: bool
    resident: bool
    made: tuple[Made, ...]

    @property
    def made_bytes(self) -> int:
        """Bytes of all that the layer makes."""
        return sum(made.size for made in self.made)

    @property
    def write_bytes(self) -> int:
        """Bytes that go to DRAM."""
        return sum(made.size for made in self.made if made.write)


def plan_traffic(
    layers: Sequence[Layer], sizes: Mapping[str, int], channels: Mapping[str, int], arch: Arch, bits: int
) -> list[Traffic]:
    """Which maps cross the channel, layer by layer in the order of execution.

    Args:
        layers: in the order of execution.
        sizes: bytes of every map as stored.
        channels: of every map; a layer that makes a part of a map is charged by its channels.
        arch: the machine; half of ``map_buffer`` holds maps in, half maps out.
        bits: width of the raw values of an output that no layer reads.
    """
    readers: dict[str, list[int]] = {}
    makers: dict[str, list[int]] = {}
    for i, layer in enumerate(layers):
        readers.setdefault(layer.input, []).append(i)
        for name in layer.makes:
            makers.setdefault(name, []).append(i)
    fits = {name: size <= arch.map_buffer // 2 for name, size in sizes.items()}

    def stays(name: str) -> bool:
        """Made by one layer and read by those right after it, never leaving the chip."""
        made = makers[name]
        follow = list(range(made[0] + 1, made[0] + 1 + len(readers[name])))
        return fits[name] and len(made) == 1 and readers[name] == follow

    def part(name: str, layer: Layer) -> int:
        """Bytes of a layer's part of a map."""
        if len(makers[name]) == 1:
            return sizes[name]
        return -(-sizes[name] * min(layer.out_shape[0], channels[name]) // channels[name])

    plan = []
    for i, layer in enumerate(layers):
        before = layers[i - 1] if i else None
        near = before is not None and (
            before.input == layer.input or (layer.input in before.makes and len(makers[layer.input]) == 1)
        )
        read = [name for name in layer.makes if name in readers]
        made = tuple(Made(name, part(name, layer), not stays(name)) for name in read)
        if not made:
            raw = -(-prod(layer.out_shape) * bits // WORD_BITS) * WORD_BYTES
            made = (Made(layer.output, raw, True),)
        resident = fits[layer.input]
        plan.append(Traffic(not (near and resident), resident, made))
    return plan


def occupancy(size: int, arch: Arch) -> int:
    """Cycles that a transfer of ``size`` bytes occupies the channel: whole bursts move."""
    return -(-bursts(size) * BURST_BYTES // arch.bytes_per_cycle)


def load_cycles(words: int, size: int, arch: Arch) -> int:
    """Cycles that the weights of a pass occupy the channel: as many as the port of the array takes them in.

    Args:
        words: M-wide words of weight memory.
        size: bytes in DRAM.
        arch: the machine.
    """
    return max(occupancy(size, arch), weight_loads(words), arch.columns)


def bursts(size: int) -> int:
    """Bursts that hold ``size`` bytes."""
    return -(-size // BURST_BYTES)


def equal_parts(cycles: int, parts: int) -> np.ndarray:
    """How many of a transfer's cycles on the channel each of its parts takes, int64 (parts,)."""
    return np.diff(np.arange(parts + 1) * cycles // parts)


class FreeTime:
    """The cycles that reads leave, counted: in *free time* reads do not exist, and writes queue up alone.

    Args:
        starts, ends: int64, of every read on the channel, ascending and apart.
    """

    def __init__(self, starts: np.ndarray, ends: np.ndarray) -> None:
        self._starts, self._ends = starts, np.concatenate(([0], ends))
        self._busy = np.concatenate(([0], np.cumsum(ends - starts)))  # before each read, and in all
        self._reads = starts - self._busy[:-1]  # where each stands in free time

    def at(self, cycles: np.ndarray) -> np.ndarray:
        """Free time that has passed when ``cycles`` begin."""
        before = np.searchsorted(self._starts, cycles, side="right")
        running = np.maximum(self._ends[before] - cycles, 0)
        return cycles - self._busy[before] + running

    def begin(self, free: np.ndarray) -> np.ndarray:
        """The cycle that is number ``free`` of free time: it lies after all reads that start no later."""
        return free + self._busy[np.searchsorted(self._reads, free, side="right")]

    def end(self, free: np.ndarray) -> np.ndarray:
        """The first cycle when so much of it has passed: before the reads that start just then."""
        return free + self._busy[np.searchsorted(self._reads, free, side="left")]


class Channel:
    """The schedule of the one DRAM channel: reads in order, writes in the cycles that reads leave."""

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._ready: list[np.ndarray] = []  # of every write: cycles in which its parts become ready
        self._cycles: list[np.ndarray] = []  # and how long each part occupies the channel

    def read(self, busy: int, ready: int) -> tuple[int, int]:
        """Request what takes ``busy`` cycles once the reads before are through, not before ``ready``.

        Returns:
            (cycle of the request, cycle in which the last byte is there).
        """
        request = max(self._ends[-1] if self._ends else 0, ready)
        self._starts.append(request)
        self._ends.append(request + busy)
        return request, request + self._arch.dram_latency + busy

    def write(self, ready: np.ndarray, size: int) -> int:
        """Queue ``size`` bytes that become ready in equal parts at the cycles ``ready`` (ascending int64).

        Returns:
            The number of the write, for :meth:`written`.
        """
        self._ready.append(ready)
        self._cycles.append(equal_parts(occupancy(size, self._arch), len(ready)))
        return len(self._ready) - 1

    def written(self, number: int) -> int:
        """Cycle in which a write is through, unless reads unknown now are requested before it."""
        return self.write_span(number)[1]

    def write_span(self, number: int) -> tuple[int, int]:
        """First cycle of a write on the channel, and the cycle in which it is through (as :meth:`written`).

        In free time, a queue of parts is through at the largest of (free time when part k is ready) + (work
        of part k and all later ones).
        """
        free = FreeTime(np.array(self._starts, np.int64), np.array(self._ends, np.int64))
        ready, cycles = (np.concatenate(parts[: number + 1]) for parts in (self._ready, self._cycles))
        worked = np.cumsum(cycles)
        through = np.maximum.accumulate(free.at(ready) - worked + cycles) + worked  # of every part
        first = np.flatnonzero(cycles[-len(self._cycles[number]) :])[0] - len(self._cycles[number])
        return int(free.begin(through[first] - cycles[first])), int(free.end(through[-1]))
