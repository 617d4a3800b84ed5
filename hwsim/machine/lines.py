"""Lines of the map buffer that a pass reads: which they are, and when each is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.arch import BEAT_BYTES, LINE_WORDS, WORD_BYTES
from hwsim.machine.passes import Stream

if TYPE_CHECKING:
    from hwsim.machine.workload import LayerJob

BEAT_WORDS = BEAT_BYTES // WORD_BYTES


class Beats(NamedTuple):
    """What a pass reads: of every beat the number of its segment, which of its beats, and its line; of these
    lines each one once, unless another is read in between."""

    segment: np.ndarray
    beat: np.ndarray
    line: np.ndarray
    lines: np.ndarray


def beats_read(job: LayerJob, unit: int, group: int) -> Beats:
    """The beats of the pass of a unit over a row group, in the order of reading."""
    place = np.ix_(job.rows(group).y, job.segments([unit]))
    counts = job.stored.beats[place].ravel()
    numbers = np.arange(job.stored.words.size).reshape(job.stored.words.shape)[place].ravel()
    beat = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = np.repeat(job.places[place].ravel(), counts)
    line = (begins + beat * BEAT_WORDS) // LINE_WORDS
    return Beats(np.repeat(numbers, counts), beat, line, line[np.diff(line, prepend=-1) != 0])


def there_of(job: LayerJob, beats: Beats, stream: Stream) -> np.ndarray:
    """Cycle of a pass from which each line of the map buffer is there, int64 (lines,): all of it that the
    pass reads."""
    if job.whole and job.traffic.fits:
        return _there_in_order(job, stream)
    there = np.zeros(_lines(job), np.int64)
    np.maximum.at(there, beats.line, stream.arrivals(beats.segment, beats.beat))
    return there


def lines_there(job: LayerJob, unit: int, group: int, stream: Stream) -> np.ndarray:
    """The same of the pass of a unit over a row group."""
    return there_of(job, beats_read(job, unit, group), stream)


def _lines(job: LayerJob) -> int:
    return int((job.places + job.stored.words).max()) // LINE_WORDS + 1


def _there_in_order(job: LayerJob, stream: Stream) -> np.ndarray:
    """Of the first map of a machine that runs the whole network, which comes from the top: a line is there
    when all has come that comes before its end, whoever reads it."""
    behind = 2 * np.arange(_lines(job)) + 1  # the last beat of each line
    begins = job.places.ravel() // BEAT_WORDS
    segment = np.searchsorted(begins, behind, side="right") - 1
    last = job.stored.beats.ravel()[segment] - 1
    return stream.arrivals(segment, np.minimum(behind - begins[segment], last))
