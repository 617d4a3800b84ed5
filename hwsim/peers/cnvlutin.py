"""Cnvlutin: lanes that skip zero activations, in step at each window."""

from __future__ import annotations

import numpy as np

from hwsim.errors import PeerError
from hwsim.layer import Layer
from hwsim.peers.geometry import filters_at, meetings, tap_window
from hwsim.peers.peer import PeerRun, register

LANES = 16  # neuron lanes of a unit
FILTERS = 16  # filters of a unit
BRICK = 16  # values of a brick, along the channels
EMPTY_BRICK_CYCLES = 1  # a lane fetches a brick a cycle, also one without a non-zero


class Cnvlutin:
    """``units`` of 16 lanes x 16 filters (Albericio et al., ISCA 2016; docs/peers.md).

    The channels of a map are cut into bricks of 16 values, of which the non-zeros are stored with their
    offsets. The bricks of a window are dealt to the lanes; a lane takes one non-zero a cycle, and all its
    multipliers, one a filter, take it together. The lanes go their own ways inside a window and wait for
    each other at its end. With 16 bricks along the channels or more, a lane has a slice of them, as the
    paper says; with fewer, which it leaves open, bricks go to the lanes in turn, in the order
    (y, x, channel) of the window. Bricks in the padding are not there. A depthwise layer has one channel and
    one filter a window.

    Raises:
        PeerError: no unit.
    """

    citation = "Albericio et al., Cnvlutin: Ineffectual-Neuron-Free Deep Neural Network Computing (ISCA 2016)"

    def __init__(self, units: int = 1) -> None:
        if units < 1:
            raise PeerError(f"Cnvlutin has one unit or more (got {units})")
        self.units = units
        self.multipliers = units * LANES * FILTERS
        self.title = "Cnvlutin"

    def run(self, layer: Layer, nonzero: np.ndarray, weights: np.ndarray | None = None) -> PeerRun:
        """See :meth:`hwsim.peers.Peer.run`."""
        met = meetings(layer, nonzero)
        useful = int((met * filters_at(layer, weights)).sum())
        values, busy, cycles = self._windows(layer, nonzero)
        parallel = FILTERS * self.units
        times = 1 if layer.kind == "depthwise" else -(-layer.out_shape[0] // parallel)
        lane_filters = times * parallel
        multiplied = values * layer.filters
        return PeerRun(
            cycles=cycles * times,
            useful=useful,
            zeros=multiplied - useful,
            fragmentation=busy * lane_filters - multiplied,
            synchronisation=(cycles * LANES - busy) * lane_filters,
        )

    def _windows(self, layer: Layer, nonzero: np.ndarray) -> tuple[int, int, int]:
        """Of all windows: non-zero values, lane-cycles that fetch, and cycles."""
        if layer.kind == "depthwise":
            return self._shallow(layer, nonzero)
        channels = layer.in_shape[0]
        starts = np.arange(0, channels, BRICK)
        counts = np.add.reduceat(nonzero, starts, axis=0, dtype=np.int64)
        fetch = np.where(counts == 0, EMPTY_BRICK_CYCLES, counts)
        bricks = len(starts)
        lanes = np.zeros((LANES, *layer.out_shape[1:]), np.int64)
        if bricks >= LANES:  # a slice of the channels a lane: add up its bricks first
            fetch = np.add.reduceat(
                fetch, np.searchsorted(np.arange(bricks) * LANES // bricks, np.arange(LANES)), axis=0
            )
        for number, (kh, kw) in enumerate(np.ndindex(*layer.kernel)):
            (to_y, from_y), (to_x, from_x) = tap_window(layer, 0, kh), tap_window(layer, 1, kw)
            for brick in range(len(fetch)):
                lane = (number * len(fetch) + brick) % LANES
                lanes[lane, to_y, to_x] += fetch[brick, from_y, from_x]
        return int(meetings(layer, nonzero).sum()), int(lanes.sum()), int(lanes.max(axis=0).sum())

    def _shallow(self, layer: Layer, nonzero: np.ndarray) -> tuple[int, int, int]:
        """A depthwise layer: every brick holds one value and takes one cycle, zero or not."""
        bricks = np.zeros(layer.out_shape[1:], np.int64)
        for kh, kw in np.ndindex(*layer.kernel):
            bricks[tap_window(layer, 0, kh)[0], tap_window(layer, 1, kw)[0]] += 1
        times = layer.in_shape[0]
        return (
            int(meetings(layer, nonzero).sum()),
            times * int(bricks.sum()),
            times * int((-(-bricks // LANES)).sum()),
        )


def _of_multipliers(multipliers: int) -> tuple[Cnvlutin]:
    if multipliers % (LANES * FILTERS):
        raise PeerError(
            f"cnvlutin has units of {LANES * FILTERS} multipliers; {multipliers} is no multiple of that"
        )
    return (Cnvlutin(multipliers // (LANES * FILTERS)),)


register("cnvlutin", _of_multipliers)
