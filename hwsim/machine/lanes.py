"""What decoder, scatter unit and drain of a core do in a pass, in cycles since the image began."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim.machine.schedule import LayerSpan, PassRun


class Lane(NamedTuple):
    """Intervals, int64 (n,): first cycles, and first cycles after."""

    begin: np.ndarray
    end: np.ndarray


class PassLanes(NamedTuple):
    """A pass.

    Attributes:
        decode: cycles in which a symbol is decoded.
        compute: items with a valid tap at the scatter unit.
        idle_taps: items without one.
        drain: rows of accumulators that are drained.
    """

    decode: Lane
    compute: Lane
    idle_taps: Lane
    drain: Lane


def pass_lanes(span: LayerSpan, run: PassRun) -> PassLanes:
    """The lanes of a pass, from the model's own events."""
    job = span.job
    events = job.events(run.unit, run.group, run.stream)
    decoded = events[:, 0]
    _, taken, occupied, useful = events[np.argsort(events[:, 1], kind="stable")].T
    begin, end = run.begin + taken, run.begin + taken + occupied
    hit, miss = useful == 1, (taken >= 0) & (useful == 0)
    row = len(job.mapping.parts[run.unit].makes) * job.layer.out_shape[2]
    drained = run.begin + np.asarray(run.timing.drained, np.int64) + 1
    return PassLanes(
        Lane(run.begin + decoded, run.begin + decoded + 1),
        Lane(begin[hit], end[hit]),
        Lane(begin[miss], end[miss]),
        Lane(drained - row, drained),
    )
