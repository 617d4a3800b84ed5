"""What a layer has asked of the channel: of the map that it reads, and of what it adds to its results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from hwsim.machine.additions import Added
from hwsim.machine.passes import NO_STREAM, Layout, Stream
from hwsim.machine.workload import LayerJob


class Additions:
    """What a layer adds to its results, and what of it was asked for."""

    def __init__(self, job: LayerJob) -> None:
        self._job = job
        self._left = [np.ones(len(added.map.ends), bool) for added in job.traffic.adds]

    def of_round(self, units: Iterable[int]) -> Iterator[tuple[Added, np.ndarray, bool]]:
        """What is added in a round, its segments that come from DRAM, and whether they are the first.

        A segment that two rounds share comes with the first of them.
        """
        job = self._job
        made = [job.mapping.parts[unit].makes for unit in units]
        for added, left in zip(job.traffic.adds, self._left, strict=True):
            blocks = left & added.blocks(made, job.layer.out_shape[0])
            segments, first = added.segments(blocks), bool(left.all())
            left &= ~blocks
            if len(segments):
                yield added, segments, first


class Fetches:
    """What a layer has fetched of its map, and when each segment comes."""

    def __init__(self, job: LayerJob) -> None:
        self._job = job
        self._kept: frozenset[int] = frozenset()  # channel blocks of which the rows that stay were fetched
        shape = job.stored.words.shape
        self._requests = np.full(shape, NO_STREAM, np.int64)
        self._before = np.zeros(shape, np.int64)
        self.there = NO_STREAM  # cycle in which the last word of all that was requested is there
        self._taken: np.ndarray | None = None  # of a map that comes in its order, when each beat is

    def layout(self, users: Sequence[int]) -> Layout:
        """What a round over some units has to fetch, and takes note of what it keeps.

        A map that fits is fetched for all rounds at once, but for a depthwise layer, whose rounds share
        nothing of it.
        """
        job = self._job
        by_rounds = job.layer.kind == "depthwise" or not job.traffic.fits
        units = users if by_rounds else range(job.mapping.units)
        layout = job.layout(units, self._kept)
        self._kept |= frozenset(job.segments(units).tolist())
        return layout

    def all(self) -> Layout:
        """All segments, in their order, and takes note that they are kept."""
        job = self._job
        self._kept = frozenset(range(job.stored.words.shape[1]))
        beats = job.stored.beats.ravel()
        return Layout(np.arange(len(beats)), np.cumsum(beats) - beats, int(beats.sum()))

    def add(self, layout: Layout, request: int, there: int, taken: np.ndarray | None = None) -> None:
        """Segments are on their way; ``taken``: when each beat is, of a map that comes in its order."""
        self._taken = taken
        self._requests, self._before = self._requests.copy(), self._before.copy()
        self._requests.ravel()[layout.segments] = request
        self._before.ravel()[layout.segments] = layout.before
        self.there = there

    def stream(self, begin: int) -> Stream:
        """The words as a pass sees them that begins at ``begin``."""
        arch = self._job.arch
        return Stream(self._requests, self._before, begin, arch.dram_latency, arch.dram_rate, self._taken)
