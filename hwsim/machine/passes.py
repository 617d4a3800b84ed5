"""One pass of one core: what it takes, exactly, and how the words of its map come.

The times are those of docs/architecture.md, *Timing of a pass*; :mod:`hwsim.machine.lanes` computes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hwsim.arch import BEAT_BYTES, LINE_WORDS, Arch
from hwsim.layer import Layer
from hwsim.machine.lanes import CONSTANTS, time_lanes
from hwsim.machine.rows import Rows, row_order
from hwsim.machine.symbols import Symbols

NO_STREAM = -(2**60)  # a request so long ago that every word has arrived
# Of every symbol T; of its item S, c, and whether a tap is valid; its lane; of its item C. Without an item
# S and C are -1.
EVENT_FIELDS = ("decoded", "taken", "occupied", "useful", "lane", "chosen")
SERVED_FIELDS = ("slot", "lane", "line")  # of every slot that is used; the line of the map, -1: of the index
CAUSES = ("compute", "taps", "decode", "dram", "drain")


@dataclass(frozen=True, eq=False)
class Layout:
    """The order in which segments are fetched; equal only to itself.

    Attributes:
        segments: int64 (segments,), their numbers, row by row of the map, in the order of the stream.
        before: int64 (segments,), beats of the stream before each.
        beats: of the stream.
    """

    segments: np.ndarray
    before: np.ndarray
    beats: int


@dataclass(frozen=True, eq=False)
class Stream:
    """Words of a map on their way from DRAM.

    Attributes:
        requests: int64 (H, channel blocks), cycle of the request of the fetch that brings each segment, since
            the image began; NO_STREAM if it was there before.
        before: int64 (H, channel blocks), beats of that fetch before the segment.
        begin: cycle in which the pass begins.
        latency: cycles from request to data.
        rate: (bytes, cycles) of the channel.
        taken: int64, of every beat of a map that comes in its order the cycle in which it is, since the image
            began; None of others.
    """

    requests: np.ndarray
    before: np.ndarray
    begin: int
    latency: int
    rate: tuple[int, int]
    taken: np.ndarray | None = None

    def arrivals(self, segments: np.ndarray, beats: np.ndarray) -> np.ndarray:
        """Cycles of the pass, 0 or later, in which beats are there.

        Args:
            segments: int64 (n,), numbers of the segments that the beats are of.
            beats: int64 (n,), which of the segment's.
        """
        moved, cycles = self.rate
        requests, before = self.requests.ravel()[segments], self.before.ravel()[segments]
        if self.taken is not None:
            arrived: np.ndarray = np.maximum(self.taken[before + beats] - self.begin, 0)
            return arrived
        loaded = -(-(before + beats + 1) * BEAT_BYTES * cycles // moved)
        return np.maximum(requests + self.latency + loaded - self.begin, 0)


@dataclass(frozen=True, eq=False)
class PassTiming:
    """What a pass took; equal only to itself.

    Attributes:
        cycles: from start to done.
        causes: cycles by cause; they sum to ``cycles``.
        symbols: decoder cycles with a symbol.
        words: 64-bit words read from the map buffer.
        tap_cycles: cycles in which a weight word was read.
        drained: int64 (owned,), cycle in which each owned row left the accumulators.
        asked: int64 (lines,), slot in which each line of the map was asked for first, in the order of
            reading; a line that two segments share is one if they are read one after the other.
    """

    cycles: int
    causes: dict[str, int]
    symbols: int
    words: int
    tap_cycles: int
    drained: np.ndarray
    asked: np.ndarray

    def delayed(self, cycles: int) -> PassTiming:
        """The same pass, all of whose words came later by some cycles."""
        causes = {**self.causes, "dram": self.causes["dram"] + cycles}
        return replace(self, cycles=self.cycles + cycles, causes=causes, drained=self.drained + cycles)


def time_pass(
    layer: Layer,
    symbols: Symbols,
    arch: Arch,
    rows: Rows,
    *,
    segments: range,
    out_channels: int,
    words: np.ndarray,
    places: np.ndarray,
    period: int | None = None,
    there: np.ndarray | None = None,
    events: np.ndarray | None = None,
    served: np.ndarray | None = None,
) -> PassTiming:
    """Time one pass of one core, exactly.

    Args:
        layer: geometry.
        symbols: of the layer's input map; coded or raw is what makes the machine skipping or dense.
        arch: the machine.
        rows: what the pass reads, from :func:`hwsim.machine.rows.input_rows`.
        segments: channel blocks of the pass: all of the map's, or those of its group if depthwise.
        out_channels: output channels that the pass drains.
        words: int32 (H, channel blocks of the map), length of every segment in words.
        places: int64 (H, channel blocks of the map), word of the map buffer at which each segment begins.
        period: cycles between two slots; one more than cores if not given.
        there: int64 (lines,), cycle from which each line is in the map buffer; from the start if not given.
        events: int64 (symbols of the pass or more, 6), filled with :data:`EVENT_FIELDS` of every symbol, in
            the order in which they become known.
        served: int64 (words and segments of the pass or more, 3), filled with :data:`SERVED_FIELDS` of
            every slot that is used.
    """
    depthwise = layer.kind == "depthwise"
    counters, drained, asked = time_lanes(
        symbols.word,
        symbols.x,
        symbols.first,
        symbols.end,
        segments.start,
        segments.stop,
        rows.y,
        rows.reach,
        rows.newest,
        rows.done,
        rows.owned,
        layer.taps(1),
        -(-layer.kernel[0] * layer.kernel[1] // arch.columns) if depthwise else 0,
        row_order(layer).ring,
        out_channels * layer.out_shape[2],
        words,
        places,
        arch.cores + 1 if period is None else period,
        np.empty(0, np.int64) if there is None else there,
        CONSTANTS,
        np.empty((0, len(EVENT_FIELDS)), np.int64) if events is None else events,
        np.empty((0, len(SERVED_FIELDS)), np.int64) if served is None else served,
    )
    cycles, *causes, decoded, lines = (int(counter) for counter in counters)
    by_cause = dict(zip(CAUSES, causes, strict=True))
    return PassTiming(cycles, by_cause, decoded, lines * LINE_WORDS, by_cause["compute"], drained, asked)
