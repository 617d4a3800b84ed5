"""Passes of a layer on a core of two lanes: where their lines lie, when these come, what can be shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.arch import BEAT_BYTES, LINE_WORDS, START_LATENCY, WORD_BYTES, Arch
from hwsim.layer import Layer
from hwsim.machine.passes import PassTiming, Stream
from hwsim.machine.two_lanes import LANE_EVENT_FIELDS, SERVED_FIELDS, time_two_lanes

if TYPE_CHECKING:
    from hwsim.machine.workload import LayerJob

BEAT_WORDS = BEAT_BYTES // WORD_BYTES


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


class _Known(NamedTuple):
    """A pass whose lines come in time: how late its first slot is used, what it takes, when it reads each of
    its lines first."""

    delay: int
    timing: PassTiming
    due: np.ndarray


class _Beats(NamedTuple):
    """What a pass reads: of every beat the number of its segment, which of its beats, and its line."""

    segment: np.ndarray
    beat: np.ndarray
    line: np.ndarray


def time_lanes(job: LayerJob, key: tuple, unit: int, group: int, stream: Stream | None) -> PassTiming:
    """Time the pass of a unit over a row group; ``stream`` None: its map is on chip.

    Lines that are there when a pass reads them on chip might as well have been there before. And while the
    first line has not come, nothing happens: if it comes after an even number of cycles, the pass is that on
    chip, only later; after an odd number the lanes have changed turns. Any other pass is timed anew.

    Args:
        job: the layer.
        key: names the pass among all that the job's workload keeps.
        unit, group: which pass.
        stream: the words on their way.
    """
    once = job.workload.once
    if stream is None:
        return once(("lanes", *key, 0), lambda: _known(job, unit, group, 0)).timing
    places = line_places(job)
    beats = once(("lane beats", *key), lambda: _beats(job, unit, group, places))
    there = _there(job, beats, stream, places)
    period = slot_period(job.arch)
    delay = -(-int(there[beats.line[0]]) // period) * period
    odd = delay % 2
    known = once(("lanes", *key, odd), lambda: _known(job, unit, group, odd * period))
    later = delay - known.delay
    if (there[beats.line] <= known.due[beats.line] + later).all():
        return known.timing.delayed(later)
    return time_placed(job, unit, group, there, places)


def time_placed(
    job: LayerJob,
    unit: int,
    group: int,
    there: np.ndarray | None,
    places: np.ndarray,
    *,
    events: np.ndarray | None = None,
    served: np.ndarray | None = None,
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
        served=served,
    )


def lane_events(job: LayerJob, unit: int, group: int, stream: Stream | None) -> tuple[PassTiming, np.ndarray]:
    """As :func:`time_lanes`, timed anew, and every symbol of the pass in the order of decoding: int64
    (symbols, 6), two_lanes.LANE_EVENT_FIELDS."""
    places = line_places(job)
    there = None if stream is None else lines_there(job, unit, group, stream, places)
    values = len(job.mapping.parts[unit].reads) * len(job.rows(group).y) * job.layer.in_shape[2]
    events = np.empty((values, len(LANE_EVENT_FIELDS)), np.int64)
    timing = time_placed(job, unit, group, there, places, events=events)
    return timing, events[np.argsort(events[: timing.symbols, 0])]


def line_places(job: LayerJob) -> np.ndarray:
    """Word at which each segment begins; rows that pass by share no line with others."""
    return job.stored.line_places(job.traffic.fits)


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
    return _Beats(np.repeat(numbers, counts), beat, (begins + beat * BEAT_WORDS) // LINE_WORDS)


def _there(job: LayerJob, beats: _Beats, stream: Stream, places: np.ndarray) -> np.ndarray:
    there = np.zeros(_lines(job, places), np.int64)
    np.maximum.at(there, beats.line, stream.arrivals(beats.segment, beats.beat))
    return there


def _known(job: LayerJob, unit: int, group: int, delay: int) -> _Known:
    """A pass all of whose lines come in cycle ``delay``."""
    places = line_places(job)
    words = job.stored.words[np.ix_(job.rows(group).y, job.segments([unit]))]
    served = np.empty((int(words.sum()) + words.size, len(SERVED_FIELDS)), np.int64)
    there = np.full(_lines(job, places), delay) if delay else None
    timing = time_placed(job, unit, group, there, places, served=served)
    slot, _, line = served[: timing.words // LINE_WORDS].T
    due = np.full(_lines(job, places), -1)
    due[line[::-1]] = slot[::-1]  # of several slots the first
    return _Known(delay, timing, due)
