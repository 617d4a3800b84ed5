"""When every pass runs and every byte moves: the array and its DRAM channel over the layers of one image."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from hwsim.arch import BEAT_BYTES, WEIGHT_PASSES, WEIGHT_PORT_WORDS, Arch
from hwsim.machine import dram
from hwsim.machine.additions import output_name
from hwsim.machine.around import Around, BesidePasses
from hwsim.machine.descriptors import weight_loads
from hwsim.machine.fetches import Additions, Fetches
from hwsim.machine.passes import CAUSES as PASS_CAUSES
from hwsim.machine.passes import NO_STREAM, PassTiming, Stream
from hwsim.machine.runs import CAUSES, DRAM_KINDS, DramKind
from hwsim.machine.traffic import Made
from hwsim.machine.whole import WholeMachine
from hwsim.machine.workload import LayerJob


class PassRun(NamedTuple):
    """One pass: cycles since the image began.

    Attributes:
        core, round, unit, group: who did what; unit and row group as in the layer's mapping.
        free: cycle from which the core was free.
        loaded: until then it waited for weights.
        able: until then it waited for the sequencer, in a machine that runs the whole network, and until
            ``begin`` for a slot.
        begin: first cycle of the pass; it ends at ``begin + timing.cycles``.
        stream: the words of the map on their way; None if it was on chip when the pass began.
        timing: what it took.
        added: cycle from which all that is added to its rows is there; they leave no earlier.
    """

    core: int
    round: int
    unit: int
    group: int
    free: int
    loaded: int
    able: int
    begin: int
    stream: Stream | None
    timing: PassTiming
    added: int = 0


class Transfer(NamedTuple):
    """Bytes that cross the DRAM channel.

    Attributes:
        kind: what they are; those of an index may go either way.
        layer: whose weights, scales, program, input map or output map.
        map: name of the map, or of the one that an index is of, or, where a result that is no map is
            fetched, its ``output_name``; None for weights, scales and programs, and where such a result is
            written.
        write: they go to DRAM.
        size: bytes, in whole beats.
        begin, end: first cycle on the channel, and first cycle after; a write may be interrupted by reads.
            Scales and weights of a unit are one read, with the scales first.
        part: of weights and scales the unit; of maps the numbers of the segments in their order, int64,
            counted row by row of the map; of an index the bytes of it in DRAM before this part; else 0.
    """

    kind: DramKind
    layer: str
    map: str | None
    write: bool
    size: int
    begin: int
    end: int
    part: int | np.ndarray = 0


def drained_rows(passes: Sequence[PassRun]) -> np.ndarray:
    """Cycles in which output rows were complete: out of the accumulators of any core, and all that is added
    to them there; ascending int64."""
    return np.sort(np.concatenate([np.maximum(run.begin + run.timing.drained, run.added) for run in passes]))


@dataclass(frozen=True)
class LayerSpan:
    """A layer in time.

    Attributes:
        job: the layer.
        start, end: first cycle, and first cycle after.
        passes: in their order.
        causes: core-cycles by cause.
        dram: bytes by kind of transfer.
        steps: what takes time beside the passes, one after the other; of a network that no machine runs
            whole the last write alone.
    """

    job: LayerJob
    start: int
    end: int
    passes: tuple[PassRun, ...]
    causes: dict[str, int]
    dram: dict[str, int]
    steps: tuple[BesidePasses, ...] = ()


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
    machine = _Machine(arch, WholeMachine(arch) if jobs[0].whole else Around(arch))
    machine.read_program(jobs[0], None)
    spans = [machine.run(job, following) for job, following in zip(jobs, [*jobs[1:], None], strict=True)]
    return Schedule(tuple(spans), machine)


def _steps(begin: int, **ends: int) -> Iterator[BesidePasses]:
    """Steps that follow each other from ``begin`` on, by their ends; those that take no time are left out."""
    for name, end in ends.items():
        if end > begin:
            yield BesidePasses(name, begin, end)
        begin = end


class _Machine:
    """The state of the array and the channel between passes."""

    def __init__(self, arch: Arch, around: Around) -> None:
        self.arch, self.around = arch, around
        self.channel = dram.Channel(arch)
        self.now = 0  # end of the layer before
        self.held: list[deque[tuple[int, int]]] = [deque() for _ in range(arch.cores)]
        """Of every core, the last passes: loads of weights, and when their places are free again."""
        self.free_loads = [arch.weight_words // WEIGHT_PORT_WORDS] * arch.cores
        self.programs: dict[str, int] = {}  # layer -> cycle in which its program is there
        self.map_writes: dict[str, int] = {}  # map, or output -> the write that completes it
        self.reads: list[Transfer] = []
        self.writes: list[Transfer] = []  # in their order; when they cross is not known before the end

    def read_program(self, job: LayerJob, before: LayerJob | None) -> None:
        """Read a layer's program, as soon as the channel is free and it is known how long it is."""
        before_there = None if before is None else self.programs[before.layer.name]
        ready = self.around.program_ready(self.channel, before_there)
        request, there = self._read("programs", job, job.program_size, ready)
        self.programs[job.layer.name] = self.around.taken(request, job.program_size, there)

    def _load_weights(
        self, job: LayerJob, users: Mapping[int, Sequence[int]], *, last: bool
    ) -> dict[int, int]:
        """Fetch scales and weights of a round, one load a unit, as soon as all its cores have room.

        Args:
            job: the layer.
            users: unit -> its cores.
            last: no layer follows.

        Returns:
            unit -> cycle in which its weights are there.
        """
        there = {}
        for unit, cores in users.items():
            words, size, scales = job.weights[unit][:3]
            program, room = self.programs[job.layer.name], max(self._room(core, words) for core in cores)
            first = unit == job.mapping.rounds[0][0][1]
            request, busy, there[unit] = self.around.read_unit(
                self.channel, job, job.weights[unit], program, room, first=first, last=last
            )
            through = request + dram.occupancy(scales, self.arch)
            self._note_read("scales", job, scales, request, through, unit)
            self._note_read("weights", job, size, request, request + busy, unit)
        return there

    def _room(self, core: int, words: int) -> int:
        """Cycle from which the ring of a core has room for the weights of its next pass."""
        held, room = self.held[core], 0
        self.free_loads[core] -= weight_loads(words)
        while self.free_loads[core] < 0 or len(held) >= WEIGHT_PASSES:
            size, room = held.popleft()
            self.free_loads[core] += size
        return room

    def run(self, job: LayerJob, following: LayerJob | None) -> LayerSpan:
        """One layer; ``following`` is the next one, whose program is read ahead."""
        start, arch, mapping = self.now, self.arch, job.mapping
        causes = dict.fromkeys(CAUSES, 0)
        first_read, first_write = len(self.reads), len(self.writes)
        if following is not None:
            self.read_program(following, job)
        passes: list[PassRun] = []
        steps: list[BesidePasses] = []
        begun: set[int] = set()  # cores that have had a pass
        done: list[int] = []  # of every core
        fetches, additions = Fetches(job), Additions(job)
        on_chip: dict[tuple[int, ...], PassTiming] = {}
        alike = job.alike
        for number, (work, users) in enumerate(zip(mapping.rounds, mapping.users, strict=True)):
            ready = self._load_weights(job, users, last=following is None)
            self._fetch(job, fetches, sorted(users))
            added = self._fetch_added(job, additions, users)
            if number == 0:
                opens = self._open(job, following)
                done = [opens] * arch.cores
                causes["dram"] += (opens - start) * arch.cores
                steps += _steps(start, programs=opens, sequencer=self.around.told(opens))
            streamed: dict[tuple[int, ...], PassTiming] = {}  # cores that begin together see the same
            for core, unit, group in work:
                free = done[core]
                loaded = max(free, ready[unit])
                able = self.around.able(core, loaded, first=core not in begun)
                begin = self.around.slot(core, able)
                begun.add(core)
                if fetches.there <= begin:
                    key: tuple[int, ...] = (alike[unit], group)
                    if key not in on_chip:
                        on_chip[key] = job.time(unit, group, None)
                    stream, timing = None, on_chip[key]
                else:
                    stream = fetches.stream(begin)
                    key = (alike[unit], group, begin)
                    if key not in streamed:
                        streamed[key] = job.time(unit, group, stream)
                    timing = streamed[key]
                causes["weights"] += loaded - free
                causes["decode"] += begin - loaded
                done[core] = begin + timing.cycles
                self.held[core].append((weight_loads(job.weights[unit].words), done[core]))
                cycles = (free, loaded, able, begin)
                passes.append(PassRun(core, number, unit, group, *cycles, stream, timing, added))
        for timing, times in Counter(run.timing for run in passes).items():
            for cause in PASS_CAUSES:
                causes[cause] += times * timing.causes[cause]
        end = max(done)
        slowest = done.index(end)
        waits = [(run.free, run.loaded) for run in passes if run.core == slowest]
        for through in done:
            with_last = sum(max(0, loaded - max(free, through)) for free, loaded in waits)
            causes["weights"] += with_last
            causes["imbalance"] += end - through - with_last
        complete = max(end, *(run.added for run in passes))
        causes["dram"] += (complete - end) * arch.cores
        end = complete
        drained = drained_rows(passes)
        flushed = self.around.flushed(job, passes, end)
        remade = self.around.end(flushed, job.remade)
        causes["drain"] += (flushed - end) * arch.cores
        causes["pool"] = (remade - flushed) * arch.cores
        kind = "flatten" if job.remade and not job.remade.pooled else "pool"
        steps += _steps(end, writers=flushed, **{kind: remade})
        end = remade
        for made in job.traffic.made:
            leaves = drained if following else self.around.result_ready(drained, end, made.size)
            self._write(job, leaves, made)
        if following is None and self.writes:
            last_write = self.around.written(max(end, self.channel.written(len(self.writes) - 1)))
            steps += _steps(end, result=last_write)
            causes["dram"] += (last_write - end) * arch.cores
            end = last_write
        self.now = end
        moved: dict[str, int] = dict.fromkeys(DRAM_KINDS, 0)
        for transfer in (*self.reads[first_read:], *self.writes[first_write:]):
            moved[transfer.kind] += transfer.size
        moved["programs"] = job.program_size  # that of the next layer was read in this one
        if start == 0:
            moved["programs"] += self.around.header
        return LayerSpan(job, start, end, tuple(passes), causes, moved, tuple(steps))

    def _open(self, job: LayerJob, following: LayerJob | None) -> int:
        """Prepare a layer: when it begins."""
        programs = [self.programs[each.layer.name] for each in (job, following) if each is not None]
        return self.around.opens(job, self.now, programs)

    def transfers(self) -> tuple[Transfer, ...]:
        """Reads in their order, then writes in theirs."""
        spans = map(self.channel.write_span, range(len(self.writes)))
        writes = (
            write._replace(begin=begin, end=end)
            for write, (begin, end) in zip(self.writes, spans, strict=True)
        )
        return (*self.reads, *writes)

    def _read(
        self,
        kind: DramKind,
        job: LayerJob,
        size: int,
        ready: int = 0,
        part: int | np.ndarray = 0,
        name: str | None = None,
    ) -> tuple[int, int]:
        busy = dram.occupancy(size, self.arch)
        request, there = self.channel.read(busy, ready)
        self._note_read(kind, job, size, request, request + busy, part, name)
        return request, there

    def _note_read(
        self,
        kind: DramKind,
        job: LayerJob,
        size: int,
        begin: int,
        end: int,
        part: int | np.ndarray,
        name: str | None = None,
    ) -> None:
        self.reads.append(Transfer(kind, job.layer.name, name, False, size, begin, end, part))

    def _write(self, job: LayerJob, drained: np.ndarray, made: Made) -> None:
        """Queue what goes to DRAM of a map: segments as rows are drained, its index after the last row."""
        segments: tuple[DramKind, np.ndarray, int, np.ndarray] = (
            made.kind,
            drained,
            made.size,
            made.segments,
        )
        index: tuple[DramKind, np.ndarray, int, int] = ("index", drained[-1:], made.index_size, made.index_at)
        for kind, ready, size, part in (segments, index):
            if size:
                number = self.channel.write(ready, size)
                self.writes.append(Transfer(kind, job.layer.name, made.name, True, size, 0, 0, part))
                self.map_writes[made.name or output_name(job.layer.name)] = number

    def _written(self, name: str) -> int:
        """Cycle from which a map, or an output, can be fetched: it is written, and the layer has begun."""
        write = self.map_writes.get(name)
        return max(self.now, 0 if write is None else self.channel.written(write))

    def _fetch(self, job: LayerJob, fetches: Fetches, users: Sequence[int]) -> None:
        """Request what a round reads of its map and does not find on chip, once the map is written."""
        self.around.fetch_first(job, fetches, self._read)
        layout = fetches.layout(users)
        if not layout.beats:
            return
        name = job.layer.input
        ready = self._written(name)
        if fetches.there == NO_STREAM and job.traffic.index_size:
            self._read("index", job, job.traffic.index_size, ready, 0, name)
        size = layout.beats * BEAT_BYTES
        fetches.add(layout, *self._read("maps_in", job, size, ready, layout.segments, name))

    def _fetch_added(self, job: LayerJob, additions: Additions, users: Iterable[int]) -> int:
        """Request what is added to the results of a round, as far as no round before has.

        Returns:
            the cycle in which the last of it is there.
        """
        there = 0
        for added, segments, first in additions.of_round(users):
            ready = self._written(added.name)
            if first and added.index_size:
                self._read("index", job, added.index_size, ready, 0, added.name)
            size = int(added.map.beats.ravel()[segments].sum()) * BEAT_BYTES
            there = max(there, self._read("residuals", job, size, ready, segments, added.name)[1])
        return there
