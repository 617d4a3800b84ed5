"""What decoder, scatter unit and drain of a core do in a pass, in cycles since the image began."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim.machine.schedule import LayerSpan, PassRun


class Intervals(NamedTuple):
    """Intervals, int64 (n,): first cycles, and first cycles after."""

    begin: np.ndarray
    end: np.ndarray


class PassActivity(NamedTuple):
    """A pass.

    Attributes:
        decode: cycles in which a symbol is decoded.
        compute: items with a valid tap at the scatter unit.
        idle_taps: items without one.
        drain: rows of accumulators that are drained.
    """

    decode: Intervals
    compute: Intervals
    idle_taps: Intervals
    drain: Intervals


def pass_activity(span: LayerSpan, run: PassRun) -> PassActivity:
    """When each part has work in a pass, from the model's own events."""
    job = span.job
    events = job.events(run.unit, run.group, run.stream)
    decoded = events[:, 0]
    taken, occupied, useful = events[np.argsort(events[:, 1], kind="stable"), 1:4].T
    begin, end = run.begin + taken, run.begin + taken + occupied
    hit, miss = useful == 1, (taken >= 0) & (useful == 0)
    row = len(job.mapping.parts[run.unit].makes) * job.layer.out_shape[2]
    drained = run.begin + np.asarray(run.timing.drained, np.int64) + 1
    return PassActivity(
        Intervals(run.begin + decoded, run.begin + decoded + 1),
        Intervals(begin[hit], end[hit]),
        Intervals(begin[miss], end[miss]),
        Intervals(drained - row, drained),
    )
