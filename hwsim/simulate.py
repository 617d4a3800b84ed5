"""Trace + machine -> result: the one entry that everything else calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim import dram
from hwsim.arch import WORD_BITS, Arch
from hwsim.codec.seg import code_lengths
from hwsim.cycles import CAUSES as PASS_CAUSES
from hwsim.cycles import PassTiming, Rows, Stream, input_rows, time_pass
from hwsim.energy import energy_pj, event_table
from hwsim.errors import ArchError, TraceError
from hwsim.layer import Layer
from hwsim.mapping import Mapping, map_blocks, map_layer, weight_words
from hwsim.result import CAUSES, LayerResult, LayerRun, Result

if TYPE_CHECKING:
    from hwsim.trace import Trace


def simulate(
    trace: Trace,
    arch: Arch | None = None,
    images: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Run a trace through the machine and through its dense baseline.

    Args:
        trace: from :func:`hwsim.open_trace`.
        arch: the machine; the default one if not given.
        images: numbers of the images to run, each from an idle machine; all if not given.
        progress: called with (images done, images in all).

    Raises:
        ArchError: a layer does not fit the machine.
        TraceError: an image that the trace does not have.
    """
    arch = arch or Arch()
    numbers = tuple(range(trace.images) if images is None else images)
    for number in numbers:
        if not 0 <= number < trace.images:
            raise TraceError(f"{trace.title} has no image {number}; it has 0 .. {trace.images - 1}")
    _check_widths(trace, arch)
    machines = (arch.replace(skip_zeros=True), arch.dense())
    results: list[LayerResult] = []
    for done, number in enumerate(numbers):
        values = {name: trace.map(name, number) for name in dict.fromkeys(la.input for la in trace.layers)}
        work = {layer.name: layer.nonzero_macs(values[layer.input]) for layer in trace.layers}
        skipping, dense = (_run_image(trace, machine, number, values, work) for machine in machines)
        results += [LayerResult(*pair) for pair in zip(skipping, dense, strict=True)]
        if progress is not None:
            progress(done + 1, len(numbers))
    return Result(
        title=trace.title,
        network=trace.network,
        variant=trace.variant,
        synthetic=trace.synthetic,
        provenance=dict(trace.provenance),
        images=numbers,
        arch=arch,
        layers=tuple(results),
    )


def _check_widths(trace: Trace, arch: Arch) -> None:
    for info in trace.maps.values():
        if info.bits > arch.activation_bits:
            raise ArchError(
                f"map {info.name} has {info.bits} bits, the machine takes {arch.activation_bits}: "
                "raise activation_bits"
            )
    if trace.weight_bits > arch.weight_bits:
        raise ArchError(
            f"the trace has {trace.weight_bits}-bit weights, the machine takes {arch.weight_bits}: "
            "raise weight_bits"
        )


def _run_image(
    trace: Trace, arch: Arch, image: int, values: dict[str, np.ndarray], work: dict[str, int]
) -> list[LayerRun]:
    """One image through one machine, from an idle start."""
    layers = trace.layers
    blocks = map_blocks(layers, arch)
    stored = {}
    for name, array in values.items():
        info = trace.maps[name]
        stored[name] = dram.store_map(array, blocks[name], info.order, info.bits, arch.skip_zeros)
    plan = dram.plan_traffic(
        layers,
        {name: map_.bytes for name, map_ in stored.items()},
        {name: array.shape[0] for name, array in values.items()},
        arch,
        arch.activation_bits,
    )
    jobs = []
    for layer, traffic in zip(layers, plan, strict=True):
        map_, block = stored[layer.input], blocks[layer.input]
        height, width = layer.in_shape[1:]
        counts = map_.nonzeros if arch.skip_zeros else np.full(height, layer.in_shape[0] * width)
        mapping = map_layer(layer, arch, counts, block)
        info = trace.maps[layer.input]
        lengths = code_lengths(info.order) if arch.skip_zeros else np.full(1 << 16, info.bits, np.uint8)
        jobs.append(_Job(layer, arch, values[layer.input], map_, mapping, traffic, lengths, block))
    return _Machine(arch, image, work).run(jobs)


@dataclass(frozen=True)
class _Job:
    """A layer with everything that its timing depends on, except when it starts."""

    layer: Layer
    arch: Arch
    values: np.ndarray
    stored: dram.StoredMap
    mapping: Mapping
    traffic: dram.Traffic
    lengths: np.ndarray
    block: int

    def weight_bytes(self, unit: int) -> int:
        """Bytes of a unit's weights, in whole M-wide words."""
        words = weight_words(self.layer, len(self.mapping.channels(unit, self.layer)), self.arch)
        lanes = self.arch.columns
        if self.layer.kind != "depthwise":
            lanes = len(self.mapping.channels(unit, self.layer))
        return -(-words * lanes * self.arch.weight_bits // 8)

    def segments(self, units: Sequence[int]) -> np.ndarray:
        """Channel blocks of the map that a round over ``units`` reads."""
        if self.layer.kind == "depthwise":
            return np.array(units)
        return np.arange(self.stored.words.shape[1])

    def alike(self, unit: int) -> int:
        """The same number for units whose passes take the same time: they read the same activations."""
        return unit if self.layer.kind == "depthwise" else len(self.mapping.channels(unit, self.layer))

    def time(self, unit: int, rows: Rows, stream: Stream | None) -> PassTiming:
        """Time one pass."""
        channels = self.mapping.channels(unit, self.layer)
        return time_pass(
            self.layer,
            self.values,
            self.arch,
            rows,
            channels=channels if self.layer.kind == "depthwise" else range(self.layer.in_shape[0]),
            block=self.block,
            out_channels=len(channels),
            words=self.stored.words,
            lengths=self.lengths,
            stream=stream,
        )


class _Machine:
    """The array and its DRAM channel while the layers of one image pass through."""

    def __init__(self, arch: Arch, image: int, work: dict[str, int]) -> None:
        self.arch = arch
        self.image = image
        self.work = work
        self.table = event_table(arch)
        self.channel = dram.Channel(arch)
        self.now = 0  # end of the layer before
        self.started = [0] * arch.cores  # last pass of each core: since then its other weight half is free
        self.done = [0] * arch.cores
        self.weights_ready: dict[int, int] = {}  # unit -> cycle, for the round to come
        self.weight_bytes = 0  # loaded for the round to come
        self.write: int | None = None  # the last one queued
        self.writes: dict[str, int] = {}  # map -> the write that completes it

    def run(self, jobs: Sequence[_Job]) -> list[LayerRun]:
        """All layers, in order."""
        self._load_weights(jobs[0], 0)
        return [self._layer(job, following) for job, following in zip(jobs, [*jobs[1:], None], strict=True)]

    def _load_weights(self, job: _Job, number: int) -> None:
        """Fetch the weights of a round, one load a unit, into the halves that its cores do not use."""
        users: dict[int, list[int]] = {}
        for core, unit, _ in job.mapping.round(number):
            users.setdefault(unit, []).append(core)
        self.weights_ready = {}
        self.weight_bytes = 0
        for unit, cores in users.items():
            size = job.weight_bytes(unit)
            _, there = self.channel.read(size, max(self.started[core] for core in cores))
            self.weights_ready[unit] = there
            self.weight_bytes += size

    def _layer(self, job: _Job, following: _Job | None) -> LayerRun:
        start, arch, mapping = self.now, self.arch, job.mapping
        groups = [input_rows(job.layer, owned) for owned in mapping.groups]
        causes = dict.fromkeys(CAUSES, 0)
        traffic = {"weights": 0, "maps_in": 0, "maps_out": job.traffic.write_bytes}
        passes: list[tuple[int, int, PassTiming]] = []  # start, unit
        self.done = [start] * arch.cores
        stream: _Fetch | None = None
        on_chip: dict[tuple[int, int], PassTiming] = {}
        for number in range(mapping.rounds):
            ready, traffic["weights"] = self.weights_ready, traffic["weights"] + self.weight_bytes
            work = mapping.round(number)
            if self._fetches(job, number):
                stream = self._fetch(job, groups, [unit for _, unit, _ in work])
                traffic["maps_in"] += stream.size
            timed: dict[tuple[int, int, int], PassTiming] = {}
            for core, unit, group in work:
                begin = max(self.done[core], ready[unit])
                causes["weights"] += begin - self.done[core]
                shape = (job.alike(unit), group)
                if stream is None or stream.there <= begin:
                    if shape not in on_chip:
                        on_chip[shape] = job.time(unit, groups[group], None)
                    timing = on_chip[shape]
                else:
                    if (*shape, begin) not in timed:
                        timed[*shape, begin] = job.time(unit, groups[group], stream.seen_from(begin, arch))
                    timing = timed[*shape, begin]
                for cause in PASS_CAUSES:
                    causes[cause] += timing.causes[cause]
                self.started[core] = begin
                self.done[core] = begin + timing.cycles
                passes.append((begin, unit, timing))
            if number + 1 < mapping.rounds:
                self._load_weights(job, number + 1)
            elif following is not None:
                self._load_weights(following, 0)
        end = max(self.done)
        causes["imbalance"] += sum(end - done for done in self.done)
        if job.traffic.write:
            drained = np.sort(np.concatenate([begin + timing.drained for begin, _, timing in passes]))
            self.write = self.channel.write(drained, traffic["maps_out"])
            if job.layer.output is not None:
                self.writes[job.layer.output] = self.write
        if following is None and self.write is not None:
            last_write = max(end, self.channel.written(self.write))
            causes["dram"] += (last_write - end) * arch.cores
            end = last_write
        self.now = end
        return self._account(job, start, end, causes, traffic, passes)

    def _fetches(self, job: _Job, number: int) -> bool:
        """Whether the map is fetched for this round."""
        if not job.traffic.fetch:
            return False
        return number == 0 or job.layer.kind == "depthwise" or not job.traffic.resident

    def _fetch(self, job: _Job, groups: Sequence[Rows], units: Sequence[int]) -> _Fetch:
        """Stream what a round reads: row by row, in the order in which the first core comes to it."""
        words = job.stored.words
        position = np.full(words.shape[0], np.iinfo(np.int64).max)
        for rows in groups:
            np.minimum.at(position, rows.y, np.arange(len(rows.y)))
        order = np.argsort(position, kind="stable")[: np.count_nonzero(position < np.iinfo(np.int64).max)]
        blocks = job.segments(sorted(set(units)))
        chosen = words[np.ix_(order, blocks)].astype(np.int64)
        ends = np.cumsum(chosen).reshape(chosen.shape)
        index_words = -(-job.stored.index_bytes * chosen.size // (words.size * WORD_BITS // 8))
        offsets = np.zeros(words.shape, np.int64)
        offsets[np.ix_(order, blocks)] = ends - chosen + index_words
        size = int(ends[-1, -1] + index_words) * (WORD_BITS // 8)
        write = self.writes.get(job.layer.input)
        written = 0 if write is None else self.channel.written(write)
        request, there = self.channel.read(size, max(self.now, written))
        return _Fetch(offsets, request, there, size)

    def _account(
        self,
        job: _Job,
        start: int,
        end: int,
        causes: dict[str, int],
        traffic: dict[str, int],
        passes: Sequence[tuple[int, int, PassTiming]],
    ) -> LayerRun:
        layer, elements = job.layer, int(np.prod(job.layer.in_shape))
        nonzeros = int(job.stored.nonzeros.sum())
        nonzero_macs = self.work[layer.name]
        macs = nonzero_macs if self.arch.skip_zeros else layer.macs
        outputs = int(np.prod(layer.out_shape))
        events = {
            "mac": macs,
            "accumulator": macs,
            "drain": outputs,
            "weight_word": sum(timing.tap_cycles for _, _, timing in passes),
            "weight_byte_loaded": traffic["weights"],
            "map_word": sum(t.words for _, _, t in passes)
            + (traffic["maps_in"] + traffic["maps_out"]) // (WORD_BITS // 8),
            "symbol": sum(timing.symbols for _, _, timing in passes),
            "encoded": outputs,
            "dram_byte": sum(traffic.values()),
        }
        return LayerRun(
            name=layer.name,
            kind=layer.kind,
            image=self.image,
            start=start,
            end=end,
            cycles=end - start,
            macs=layer.macs,
            nonzero_macs=nonzero_macs,
            elements=elements,
            nonzeros=nonzeros,
            causes=causes,
            dram=traffic,
            map_bytes=job.stored.bytes,
            energy_pj=energy_pj(events, self.table),
            rounds=job.mapping.rounds,
            row_groups=len(job.mapping.groups),
            block=job.block,
        )


@dataclass(frozen=True)
class _Fetch:
    """A map on its way: offsets as in :class:`Stream`, times since the image began, size in bytes."""

    offsets: np.ndarray
    request: int
    there: int
    size: int

    def seen_from(self, begin: int, arch: Arch) -> Stream:
        return Stream(self.offsets, self.request - begin, arch.dram_latency, arch.bytes_per_cycle)
