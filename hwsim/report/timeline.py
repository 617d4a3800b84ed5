"""One layer in time, from the model's own events: what every core and the DRAM channel do, cycle by cycle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.arch import Arch
from hwsim.errors import TraceError
from hwsim.machine.activity import pass_activity
from hwsim.machine.marks import trace_marks
from hwsim.machine.runs import DRAM_KINDS
from hwsim.machine.schedule import LayerSpan, Transfer, schedule
from hwsim.machine.simulation import check_widths
from hwsim.machine.workload import Workload

if TYPE_CHECKING:
    from hwsim.trace import Trace

CORES = 4  # shown, of those that work


@dataclass(frozen=True, eq=False)
class Busy:
    """When something is at work: cycles since the image began, int64, ascending and apart.

    Attributes:
        begin, end: first cycle, and first cycle after.
    """

    begin: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, intervals: Iterable[tuple[np.ndarray, np.ndarray]]) -> Busy:
        """From begins and ends in any order; where some overlap, they count once."""
        pairs = list(intervals)
        begin = np.concatenate([np.empty(0, np.int64), *(begin for begin, _ in pairs)])
        end = np.concatenate([np.empty(0, np.int64), *(end for _, end in pairs)])
        order = np.argsort(begin, kind="stable")
        begin, end = begin[order], end[order]
        covered = np.maximum.accumulate(end)
        begin[1:] = np.maximum(begin[1:], covered[:-1])
        return cls(begin[begin < end], end[begin < end])

    @property
    def cycles(self) -> int:
        """In all."""
        return int((self.end - self.begin).sum())

    def share(self, edges: np.ndarray) -> np.ndarray:
        """How much of every bin between ``edges`` (ascending cycles) is busy, 0 .. 1, float64."""
        before = np.concatenate(([0], np.cumsum(self.end - self.begin)))
        times = np.stack([self.begin, self.end], axis=1).ravel()
        done = np.stack([before[:-1], before[1:]], axis=1).ravel()
        total = np.interp(edges, times, done) if len(times) else np.zeros(len(edges))
        return np.diff(total) / np.diff(edges)


@dataclass(frozen=True)
class CoreTracks:
    """A core in a layer.

    Attributes:
        core: its number.
        decode: cycles in which a symbol is decoded.
        compute: cycles in which the scatter unit visits a valid tap.
        idle_taps: cycles of items without one.
        drain: cycles in which an accumulator is drained.
        waits: for weights, between passes.
    """

    core: int
    decode: Busy
    compute: Busy
    idle_taps: Busy
    drain: Busy
    waits: Busy


@dataclass(frozen=True)
class Timeline:
    """A layer of an image on a machine.

    Attributes:
        layer, image: which.
        marks: of the trace (hwsim.machine.marks).
        start, end: of the layer, in cycles since the image began.
        cores: a few of them, those that are through first and last among them.
        working: how many cores take part.
        steps: by its name, what takes time beside the passes.
        dram: of every kind of transfer that the layer has, the channel's work for it.
        others: the channel's work for other layers.
    """

    layer: str
    image: int
    marks: tuple[str, ...]
    start: int
    end: int
    cores: tuple[CoreTracks, ...]
    working: int
    steps: dict[str, Busy]
    dram: dict[str, Busy]
    others: Busy


def timeline(trace: Trace, arch: Arch, image: int, layer: str) -> Timeline:
    """Run an image, and look at one layer.

    Raises:
        ArchError: the trace does not fit the machine.
        TraceError: no such image or layer.
    """
    if layer not in {own.name for own in trace.layers}:
        known = ", ".join(own.name for own in trace.layers)
        raise TraceError(f"{trace.title} has no layer {layer}; it has {known}")
    check_widths(trace, arch)
    plan = schedule(Workload(trace, image).jobs(arch), arch)
    span = next(span for span in plan.layers if span.job.layer.name == layer)
    own = [transfer for transfer in plan.transfers if transfer.layer == layer]
    working = sorted({run.core for run in span.passes})
    return Timeline(
        layer=layer,
        image=image,
        marks=trace_marks(trace),
        start=span.start,
        end=span.end,
        cores=tuple(_tracks(span, core) for core in _spread(span, working)),
        working=len(working),
        steps={step.name: _spans([(step.begin, step.end)]) for step in span.steps},
        dram={
            kind: _channel(t for t in own if t.kind == kind)
            for kind in DRAM_KINDS
            if any(t.kind == kind for t in own)
        },
        others=_channel(t for t in plan.transfers if t.layer != layer),
    )


def _spread(span: LayerSpan, working: Sequence[int]) -> list[int]:
    """Some cores: those that finish last and first, and some between."""
    done = {core: max(r.begin + r.timing.cycles for r in span.passes if r.core == core) for core in working}
    ranked = sorted(working, key=lambda core: (done[core], core))
    places = np.linspace(0, len(ranked) - 1, min(CORES, len(ranked))).round().astype(int)
    return sorted(ranked[place] for place in places)


def _tracks(span: LayerSpan, core: int) -> CoreTracks:
    runs = [run for run in span.passes if run.core == core]
    decode, compute, idle, drain = zip(*(pass_activity(span, run) for run in runs), strict=True)
    waits = _spans((run.free, run.loaded) for run in runs)
    return CoreTracks(core, Busy.of(decode), Busy.of(compute), Busy.of(idle), Busy.of(drain), waits)


def _channel(transfers: Iterable[Transfer]) -> Busy:
    return _spans((transfer.begin, transfer.end) for transfer in transfers)


def _spans(pairs: Iterable[tuple[int, int]]) -> Busy:
    return Busy.of((np.array([begin], np.int64), np.array([end], np.int64)) for begin, end in pairs)
