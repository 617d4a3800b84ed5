"""Passes of a layer on a core of two lanes: where their lines lie, when these come, what can be shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.arch import BEAT_BYTES, LINE_WORDS, START_LATENCY, WORD_BYTES, Arch
from hwsim.layer import Layer
from hwsim.machine.passes import PassTiming, Stream
from hwsim.machine.two_lanes import LANE_EVENT_FIELDS, time_two_lanes

if TYPE_CHECKING:
    from hwsim.machine.workload import LayerJob

BEAT_WORDS = BEAT_BYTES // WORD_BYTES
KEPT = 8  # passes of a unit over a row group that are kept, each with other lines late


def slot_period(arch: Arch) -> int:
    """Cycles between two slots of a core: each has one, and one is left beside them."""
    return arch.cores + 1


def first_slot(core: int, able: int, arch: Arch) -> int:
    """The cycle in which a pass begins that can be told to start from ``able`` on: a slot of its core."""
    earliest = able + START_LATENCY
    return earliest + (core - earliest) % slot_period(arch)


def segment_blocks(layers: Sequence[Layer], blocks: Mapping[str, int]) -> dict[str, int]:
    """Channels of a segment of every map: of a depthwise pass half, so that both lanes have work.

    Args:
        layers: all of them.
        blocks: of every map, as for one lane (:func:`hwsim.machine.mapping.map_blocks`).
    """
    halved = {layer.input for layer in layers if layer.kind == "depthwise"}
    return {name: max(1, block // 2) if name in halved else block for name, block in blocks.items()}


class _Timed(NamedTuple):
    """A pass that was timed with each of its lines there from some slot on, ``due``: int64 (lines,)."""

    timing: PassTiming
    due: np.ndarray

    def holds_for(self, due: np.ndarray) -> bool:
        """Whether lines that are there from other slots on make no difference.

        What a pass sees of a line is whether it is there in each slot in which a lane asks for it. So one
        that was waited for must come in the same slot, any other by the slot in which it was asked for.
        """
        asked = self.timing.asked
        return bool(np.where(self.due > asked, due == self.due, due <= asked).all())


class _Beats(NamedTuple):
    """What a pass reads: of every beat the number of its segment, which of its beats, and its line; of these
    lines each one once, unless another is read in between."""

    segment: np.ndarray
    beat: np.ndarray
    line: np.ndarray
    lines: np.ndarray


def time_lanes(job: LayerJob, key: tuple, unit: int, group: int, stream: Stream | None) -> PassTiming:
    """Time the pass of a unit over a row group; ``stream`` None: its map is on chip.

    While the first line has not come, nothing happens: if it comes after an even number of cycles, the pass
    is that of lines which come earlier by as many; after an odd number the lanes have changed turns. Passes
    that were timed before serve for all streams for which they hold.

    Args:
        job: the layer.
        key: names the pass among all that the job's workload keeps.
        unit, group: which pass.
        stream: the words on their way.
    """
    once, places = job.workload.once, job.places
    timed: list[_Timed] = once(("lanes", *key), list)
    if stream is None:
        on_chip = next((run for run in timed if not run.due.any()), None)
        if on_chip is None:
            timing = time_placed(job, unit, group, None, places)
            on_chip = _Timed(timing, np.zeros(len(timing.asked), np.int64))
            timed.insert(0, on_chip)
        return on_chip.timing
    beats, period = (
        once(("lane beats", *key), lambda: _beats(job, unit, group, places)),
        slot_period(job.arch),
    )
    there = -(-_there(job, beats, stream, places) // period) * period
    first = int(there[beats.lines[0]])
    later = first - first % 2 * period
    there = np.maximum(there - later, 0)
    due = there[beats.lines]
    known = next((run for run in timed if run.holds_for(due)), None)
    if known is None:
        known = _Timed(time_placed(job, unit, group, there, places), due)
        timed.append(known)
        if len(timed) > KEPT:
            del timed[1]
    return known.timing.delayed(later) if later else known.timing


def time_placed(
    job: LayerJob,
    unit: int,
    group: int,
    there: np.ndarray | None,
    places: np.ndarray,
    *,
    events: np.ndarray | None = None,
) -> PassTiming:
    """Time a pass for itself, with its segments at some places and its lines there from some cycles on."""
    layer, arch = job.layer, job.arch
    blocks = job.segments([unit])
    return time_two_lanes(
        layer,
        job.workload.symbols(layer.input, job.block, arch),
        arch,
        job.rows(group),
        segments=range(int(blocks[0]), int(blocks[-1]) + 1),
        out_channels=len(job.mapping.parts[unit].makes),
        words=job.stored.words,
        places=places,
        period=slot_period(arch),
        there=there,
        events=events,
    )


def lane_events(job: LayerJob, unit: int, group: int, stream: Stream | None) -> tuple[PassTiming, np.ndarray]:
    """As :func:`time_lanes`, timed anew, and every symbol of the pass in the order of decoding: int64
    (symbols, 6), two_lanes.LANE_EVENT_FIELDS."""
    there = None if stream is None else lines_there(job, unit, group, stream, job.places)
    values = len(job.mapping.parts[unit].reads) * len(job.rows(group).y) * job.layer.in_shape[2]
    events = np.empty((values, len(LANE_EVENT_FIELDS)), np.int64)
    timing = time_placed(job, unit, group, there, job.places, events=events)
    return timing, events[np.argsort(events[: timing.symbols, 0])]


def lines_there(job: LayerJob, unit: int, group: int, stream: Stream, places: np.ndarray) -> np.ndarray:
    """Cycle of a pass from which each line is in the map buffer: all of it that the pass reads, int64."""
    return _there(job, _beats(job, unit, group, places), stream, places)


def _lines(job: LayerJob, places: np.ndarray) -> int:
    return int((places + job.stored.words).max()) // LINE_WORDS + 1


def _beats(job: LayerJob, unit: int, group: int, places: np.ndarray) -> _Beats:
    place = np.ix_(job.rows(group).y, job.segments([unit]))
    counts = job.stored.beats[place].ravel()
    numbers = np.arange(job.stored.words.size).reshape(job.stored.words.shape)[place].ravel()
    beat = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = np.repeat(places[place].ravel(), counts)
    line = (begins + beat * BEAT_WORDS) // LINE_WORDS
    return _Beats(np.repeat(numbers, counts), beat, line, line[np.diff(line, prepend=-1) != 0])


def _there(job: LayerJob, beats: _Beats, stream: Stream, places: np.ndarray) -> np.ndarray:
    there = np.zeros(_lines(job, places), np.int64)
    np.maximum.at(there, beats.line, stream.arrivals(beats.segment, beats.beat))
    return there
