"""Passes of a layer, timed once for all streams that make no difference to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.machine.lines import beats_read, lines_there, there_of
from hwsim.machine.passes import EVENT_FIELDS, PassTiming, Stream, time_pass
from hwsim.machine.slots import slot_period

if TYPE_CHECKING:
    from hwsim.machine.workload import LayerJob

KEPT = 8  # passes of a unit over a row group that are kept, each with other lines late


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


def time_known(job: LayerJob, key: tuple, unit: int, group: int, stream: Stream | None) -> PassTiming:
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
    once = job.workload.once
    timed: list[_Timed] = once(("passes", *key), list)
    if stream is None:
        on_chip = next((run for run in timed if not run.due.any()), None)
        if on_chip is None:
            timing = time_anew(job, unit, group, None)
            on_chip = _Timed(timing, np.zeros(len(timing.asked), np.int64))
            timed.insert(0, on_chip)
        return on_chip.timing
    beats = once(("beats", *key), lambda: beats_read(job, unit, group))
    period = slot_period(job.arch)
    there = -(-there_of(job, beats, stream) // period) * period
    first = int(there[beats.lines[0]])
    later = first - first % 2 * period
    there = np.maximum(there - later, 0)
    due = there[beats.lines]
    known = next((run for run in timed if run.holds_for(due)), None)
    if known is None:
        known = _Timed(time_anew(job, unit, group, there), due)
        timed.append(known)
        if len(timed) > KEPT:
            del timed[1]
    return known.timing.delayed(later) if later else known.timing


def time_anew(
    job: LayerJob, unit: int, group: int, there: np.ndarray | None, *, events: np.ndarray | None = None
) -> PassTiming:
    """Time a pass for itself, with its lines there from some cycles on."""
    layer, arch = job.layer, job.arch
    blocks = job.segments([unit])
    return time_pass(
        layer,
        job.workload.symbols(layer.input, job.block, arch),
        arch,
        job.rows(group),
        segments=range(int(blocks[0]), int(blocks[-1]) + 1),
        out_channels=len(job.mapping.parts[unit].makes),
        words=job.stored.words,
        places=job.places,
        period=slot_period(arch),
        there=there,
        events=events,
    )


def pass_events(job: LayerJob, unit: int, group: int, stream: Stream | None) -> tuple[PassTiming, np.ndarray]:
    """As :func:`time_known`, timed anew, and every symbol of the pass in the order of decoding: int64
    (symbols, 6), passes.EVENT_FIELDS."""
    there = None if stream is None else lines_there(job, unit, group, stream)
    values = len(job.mapping.parts[unit].reads) * len(job.rows(group).y) * job.layer.in_shape[2]
    events = np.empty((values, len(EVENT_FIELDS)), np.int64)
    timing = time_anew(job, unit, group, there, events=events)
    return timing, events[np.argsort(events[: timing.symbols, 0])]
