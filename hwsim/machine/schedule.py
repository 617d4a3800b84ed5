"""When every pass runs and every byte moves: the array and its DRAM channel over the layers of one image."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from hwsim.arch import LOAD_LATENCY, WEIGHT_PASSES, WEIGHT_PORT_WORDS, Arch
from hwsim.machine import dram
from hwsim.machine.descriptors import weight_loads
from hwsim.machine.passes import CAUSES as PASS_CAUSES
from hwsim.machine.passes import Layout, PassTiming, Stream
from hwsim.machine.runs import CAUSES
from hwsim.machine.workload import LayerJob


class PassRun(NamedTuple):
    """One pass: cycles since the image began.

    Attributes:
        core, round, unit, group: who did what; unit and row group as in the layer's mapping.
        free: cycle from which the core was free; it waited for weights until ``begin``.
        begin: first cycle of the pass; it ends at ``begin + timing.cycles``.
        stream: the words of the map on their way; None if it was on chip when the pass began.
        timing: what it took.
    """

    core: int
    round: int
    unit: int
    group: int
    free: int
    begin: int
    stream: Stream | None
    timing: PassTiming


class Transfer(NamedTuple):
    """Bytes that cross the DRAM channel.

    Attributes:
        kind: ``weights``, ``maps_in`` or ``maps_out``.
        layer: whose weights, input map or output map.
        map: name of the map; None for weights, and for an output that no layer reads.
        size: bytes.
        begin, end: first cycle on the channel, and first cycle after; a write may be interrupted by reads.
    """

    kind: Literal["weights", "maps_in", "maps_out"]
    layer: str
    map: str | None
    size: int
    begin: int
    end: int


def drained_rows(passes: Sequence[PassRun]) -> np.ndarray:
    """Cycles in which output rows left the accumulators of any core, ascending int64."""
    return np.sort(np.concatenate([run.begin + run.timing.drained for run in passes]))


@dataclass(frozen=True)
class LayerSpan:
    """A layer in time; ``causes`` in core-cycles, ``dram`` in bytes by kind of transfer."""

    job: LayerJob
    start: int
    end: int
    passes: tuple[PassRun, ...]
    causes: dict[str, int]
    dram: dict[str, int]


@dataclass(frozen=True)
class Schedule:
    """All layers of one image on one machine, and the transfers in the order of request."""

    layers: tuple[LayerSpan, ...]
    _machine: _Machine

    @cached_property
    def transfers(self) -> tuple[Transfer, ...]:
        """Reads in their order, then writes in theirs; put together when they are asked for."""
        return self._machine.transfers()


def schedule(jobs: Sequence[LayerJob], arch: Arch) -> Schedule:
    """Run the layers one after the other, from an idle machine (docs/architecture.md, *Weights*, *DRAM*)."""
    machine = _Machine(arch)
    spans = [machine.run(job, last=job is jobs[-1]) for job in jobs]
    return Schedule(tuple(spans), machine)


@dataclass(frozen=True)
class _Fetch:
    """A map on its way; times since the image began."""

    layout: Layout
    request: int
    there: int


class _Machine:
    """The state of the array and the channel between passes."""

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.channel = dram.Channel(arch)
        self.now = 0  # end of the layer before
        self.held: list[deque[tuple[int, int]]] = [deque() for _ in range(arch.cores)]
        """Of every core, the last passes: loads of weights, and when their places are free again."""
        self.free_loads = [arch.weight_words // WEIGHT_PORT_WORDS] * arch.cores
        self.write: int | None = None  # the last one queued
        self.map_writes: dict[str, int] = {}  # map -> the write that completes it
        self.reads: list[Transfer] = []
        self.writes: list[tuple[str, dram.Made]] = []  # layer, and what it wrote

    def _load_weights(self, job: LayerJob, users: Mapping[int, Sequence[int]]) -> tuple[dict[int, int], int]:
        """Fetch the weights of a round, one load a unit, as soon as all its cores have room.

        Returns:
            (unit -> cycle in which its weights are there, bytes).
        """
        there, total = {}, 0
        for unit, cores in users.items():
            words, size = job.weights[unit]
            ready = max([self._room(core, words) for core in cores])
            busy = dram.load_cycles(words, size, self.arch)
            there[unit] = self._read("weights", job, size, busy, ready)[1] + LOAD_LATENCY
            total += size
        return there, total

    def _room(self, core: int, words: int) -> int:
        """Cycle from which the ring of a core has room for the weights of its next pass."""
        held, room = self.held[core], 0
        self.free_loads[core] -= weight_loads(words)
        while self.free_loads[core] < 0 or len(held) >= WEIGHT_PASSES:
            size, room = held.popleft()
            self.free_loads[core] += size
        return room

    def run(self, job: LayerJob, last: bool) -> LayerSpan:
        """One layer."""
        start, arch, mapping = self.now, self.arch, job.mapping
        causes = dict.fromkeys(CAUSES, 0)
        traffic = {"weights": 0, "maps_in": 0, "maps_out": job.traffic.write_bytes}
        passes: list[PassRun] = []
        done = [start] * arch.cores
        fetch: _Fetch | None = None
        on_chip: dict[tuple[int, ...], PassTiming] = {}
        alike = job.alike
        for number, (work, users) in enumerate(zip(mapping.rounds, mapping.users, strict=True)):
            ready, size = self._load_weights(job, users)
            traffic["weights"] += size
            # What fits is fetched once, but for a depthwise layer, whose rounds share nothing of the map.
            by_rounds = job.layer.kind == "depthwise" or not job.traffic.resident
            if job.traffic.fetch and (number == 0 or by_rounds):
                fetch = self._fetch(job, sorted(users) if by_rounds else range(mapping.units))
                traffic["maps_in"] += fetch.layout.size
            streamed: dict[tuple[int, ...], PassTiming] = {}  # cores that begin together see the same
            for core, unit, group in work:
                free = done[core]
                begin = max(free, ready[unit])
                if fetch is None or fetch.there <= begin:
                    key: tuple[int, ...] = (alike[unit], group)
                    if key not in on_chip:
                        on_chip[key] = job.time(unit, group, None)
                    stream, timing = None, on_chip[key]
                else:
                    stream = Stream(
                        fetch.layout, fetch.request - begin, arch.dram_latency, arch.bytes_per_cycle
                    )
                    key = (alike[unit], group, begin)
                    if key not in streamed:
                        streamed[key] = job.time(unit, group, stream)
                    timing = streamed[key]
                causes["weights"] += begin - free
                done[core] = begin + timing.cycles
                self.held[core].append((weight_loads(job.weights[unit][0]), done[core]))
                passes.append(PassRun(core, number, unit, group, free, begin, stream, timing))
        for timing, times in Counter(run.timing for run in passes).items():
            for cause in PASS_CAUSES:
                causes[cause] += times * timing.causes[cause]
        end = max(done)
        slowest = done.index(end)
        waits = [(run.free, run.begin) for run in passes if run.core == slowest]
        for through in done:
            with_last = sum(max(0, begin - max(free, through)) for free, begin in waits)
            causes["weights"] += with_last
            causes["imbalance"] += end - through - with_last
        for made in job.traffic.made:
            if made.write:
                self._write(job, drained_rows(passes), made)
        if last and self.write is not None:
            last_write = max(end, self.channel.written(self.write))
            causes["dram"] += (last_write - end) * arch.cores
            end = last_write
        self.now = end
        return LayerSpan(job, start, end, tuple(passes), causes, traffic)

    def transfers(self) -> tuple[Transfer, ...]:
        """Reads in their order, then writes in theirs."""
        writes = []
        for number, (layer, made) in enumerate(self.writes):
            begin, end = self.channel.write_span(number)
            writes.append(Transfer("maps_out", layer, made.name, made.size, begin, end))
        return (*self.reads, *writes)

    def _read(
        self, kind: Literal["weights", "maps_in"], job: LayerJob, size: int, busy: int, ready: int
    ) -> tuple[int, int]:
        request, there = self.channel.read(busy, ready)
        end = there - self.arch.dram_latency
        name = None if kind == "weights" else job.layer.input
        self.reads.append(Transfer(kind, job.layer.name, name, size, request, end))
        return request, there

    def _write(self, job: LayerJob, ready: np.ndarray, made: dram.Made) -> None:
        self.write = self.channel.write(ready, made.size)
        self.writes.append((job.layer.name, made))
        if made.name is not None:
            self.map_writes[made.name] = self.write

    def _fetch(self, job: LayerJob, units: Sequence[int]) -> _Fetch:
        """Request what a round reads of its map, once the map is written."""
        layout = job.layout(units)
        write = self.map_writes.get(job.layer.input)
        written = 0 if write is None else self.channel.written(write)
        busy, ready = dram.occupancy(layout.size, self.arch), max(self.now, written)
        return _Fetch(layout, *self._read("maps_in", job, layout.size, busy, ready))
