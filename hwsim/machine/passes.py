"""The cycle-exact model of one pass of one core.

The times are those of docs/architecture.md, *Timing of a pass*: a recurrence over symbols and items,
not over cycles, so that a pass costs a few nanoseconds a symbol. The loop is one function because numba keeps
the whole state in registers that way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from hwsim.arch import (
    BEAT_BYTES,
    DECODE_LATENCY,
    DRAIN_LATENCY,
    MAC_LATENCY,
    WORD_BYTES,
    Arch,
)
from hwsim.layer import Layer
from hwsim.machine.rows import Rows, row_order
from hwsim.machine.symbols import NO_VALUE, Symbols

NO_STREAM = -(2**60)  # a request so long ago that every word has arrived
# An argument of the loop: the cache of numba would not notice that a constant of another file has changed.
LATENCIES = (DECODE_LATENCY, MAC_LATENCY, DRAIN_LATENCY)
EVENT_FIELDS = (
    "decoded",
    "taken",
    "occupied",
    "useful",
)  # T; S and c of its item, -1 and 0 if none; valid tap
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
    """

    requests: np.ndarray
    before: np.ndarray
    begin: int
    latency: int
    rate: tuple[int, int]

    def arrivals(self, segments: np.ndarray, beats: np.ndarray) -> np.ndarray:
        """Cycles of the pass, 0 or later, in which beats are there.

        Args:
            segments: int64 (n,), numbers of the segments that the beats are of.
            beats: int64 (n,), which of the segment's.
        """
        moved, cycles = self.rate
        requests, before = self.requests.ravel()[segments], self.before.ravel()[segments]
        loaded = -(-(before + beats + 1) * BEAT_BYTES * cycles // moved)
        there = np.where(requests == NO_STREAM, 0, requests + self.latency + loaded - self.begin)
        return np.maximum(there, 0)


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
            reading; a line that two segments share is one if they are read one after the other. Empty
            with one lane.
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
    stream: Stream | None = None,
    events: np.ndarray | None = None,
    deadlines: np.ndarray | None = None,
) -> PassTiming:
    """Time one pass of one core, exactly.

    Args:
        layer: geometry.
        symbols: of the layer's input map; coded or raw is what makes the machine skipping or dense.
        arch: the machine.
        rows: what the pass reads, from :func:`hwsim.machine.rows.input_rows`.
        segments: channel blocks of the pass: all of the map's, or one if depthwise.
        out_channels: output channels that the pass drains.
        words: int32 (H, channel blocks of the map), length of every segment in words.
        stream: arrival of the words; None when the map is on chip.
        events: int64 (symbols of the pass or more, 4), filled with :data:`EVENT_FIELDS` of every symbol.
        deadlines: int64 (words of the pass), filled with the last cycle in which each word may arrive without
            a symbol being decoded later than here.
    """
    nothing = np.empty((0, 0), np.int64)
    requests, before = (nothing, nothing) if stream is None else (stream.requests, stream.before)
    when = (0, 0, 1, 1) if stream is None else (stream.begin, stream.latency, *stream.rate)
    depthwise = layer.kind == "depthwise"
    vector_cycles = -(-layer.kernel[0] * layer.kernel[1] // arch.columns) if depthwise else 0
    counters, drained = _time_pass(
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
        vector_cycles,
        row_order(layer).ring,
        out_channels * layer.out_shape[2],
        words,
        arch.fifo_depth,
        requests,
        before,
        when,
        LATENCIES,
        np.empty((0, len(EVENT_FIELDS)), np.int64) if events is None else events,
        np.empty(0, np.int64) if deadlines is None else deadlines,
    )
    cycles, *causes, decoded, word_count = (int(counter) for counter in counters)
    by_cause = dict(zip(CAUSES, causes, strict=True))
    return PassTiming(
        cycles, by_cause, decoded, word_count, by_cause["compute"], drained, np.empty(0, np.int64)
    )


@njit(cache=True, nogil=True)
def _arrival(word, request, before, when):
    """As :meth:`Stream.arrivals`, of a word of a segment."""
    begin, latency, moved, cycles = when
    if request == NO_STREAM:
        return 0
    loaded = (before + word * WORD_BYTES // BEAT_BYTES + 1) * BEAT_BYTES
    return max(0, request + latency + -(-loaded * cycles // moved) - begin)


@njit(cache=True, nogil=True)
def _time_pass(
    symbol_word,
    symbol_x,
    symbol_first,
    symbol_end,
    segment_start,
    segment_stop,
    row_y,
    row_reach,
    row_newest,
    row_done,
    owned,
    taps_x,
    vector_cycles,
    ring,
    drain_cycles,
    segment_words,
    fifo_depth,
    requests,
    before,
    when,
    latencies,
    events,
    deadlines,
):
    decode_latency, mac_latency, drain_latency = latencies
    streamed = requests.size > 0
    cost_at = np.ones(len(taps_x), np.int64)  # cycles that an item occupies the scatter unit, by its column
    useful = taps_x > 0
    taken_at = np.full(fifo_depth, -1, np.int64)  # S of the items in the FIFO, a ring
    drain_end = np.full(owned, -1, np.int64)

    decoded = -1  # T of the symbol before
    free = 0  # cycle in which the scatter unit is free again
    drained = -1  # DE of the row drained last
    entered_at = -1  # E of the newest word that was needed; a full window never delays it (architecture.md)
    entered = 0  # words whose E is known
    first_word = 0  # of the segment
    slot = 0  # of the next item in taken_at
    rows_done = 0
    symbols = 0
    compute = 0
    idle_taps = 0
    wait_dram = 0
    wait_drain = 0
    late_cycles = 0  # that the decoder waited for late words since the last item

    for r in range(len(row_y)):
        y = row_y[r]
        for column in range(len(taps_x)):
            if useful[column]:
                cost_at[column] = vector_cycles if vector_cycles > 0 else row_reach[r] * taps_x[column]
        reached = row_reach[r] > 0
        room = 0
        if row_newest[r] >= ring:
            room = drain_end[row_newest[r] - ring] + 1
        for segment in range(segment_start, segment_stop):
            starts = symbol_word[symbol_first[y, segment] : symbol_end[y, segment]]
            columns = symbol_x[symbol_first[y, segment] : symbol_end[y, segment]]
            last_segment = segment == segment_stop - 1
            request = requests[y, segment] if streamed else NO_STREAM
            ahead = before[y, segment] if streamed else 0
            last_word = first_word + segment_words[y, segment] - 1
            for j in range(len(starts)):
                # T: the words it needs, a credit of the FIFO, one symbol a cycle.
                ready = max(decoded, taken_at[slot]) + 1
                need = min(first_word + starts[j] + 1, last_word)
                newest = entered
                if streamed:
                    late = 0
                    while entered <= need:
                        arrived = _arrival(entered - first_word, request, ahead, when)
                        late += max(0, arrived - entered_at - 1)
                        entered_at = max(entered_at + 1, arrived)
                        entered += 1
                    decoded = max(ready, entered_at + 1)
                    late_cycles += min(late, decoded - ready)
                else:  # E(i) = i
                    entered = max(entered, need + 1)
                    decoded = max(ready, entered)
                if len(deadlines):
                    deadlines[newest:entered] = decoded - 1
                if len(events):
                    events[symbols + j, 0], events[symbols + j, 1] = decoded, -1
                    events[symbols + j, 2], events[symbols + j, 3] = 0, 0

                # S: the item, if the symbol makes one.
                x = columns[j]
                if x != NO_VALUE or (last_segment and j == len(starts) - 1):
                    hit = x != NO_VALUE and useful[x] and reached
                    cost = cost_at[x] if hit else 1
                    there = max(decoded + decode_latency, free)
                    start = max(there, room)
                    if streamed:
                        wait_dram += min(there - free, late_cycles)
                        late_cycles = 0
                    wait_drain += start - there
                    if hit:
                        compute += cost
                    else:
                        idle_taps += 1
                    if len(events):
                        events[symbols + j, 1], events[symbols + j, 2] = start, cost
                        events[symbols + j, 3] = hit
                    free = start + cost
                    taken_at[slot] = start
                    slot += 1
                    if slot == fifo_depth:
                        slot = 0
            symbols += len(starts)
            first_word += segment_words[y, segment]
        for _ in range(row_done[r]):
            drained = max(free - 1 + mac_latency, drained + 1) + drain_cycles - 1
            drain_end[rows_done] = drained
            rows_done += 1

    # One word a cycle enters: a word must also leave time for those after it.
    for word in range(len(deadlines) - 2, -1, -1):
        deadlines[word] = min(deadlines[word], deadlines[word + 1] - 1)
    wait_decode = free - compute - idle_taps - wait_dram - wait_drain
    cycles = drained + 1 + drain_latency
    wait_drain += cycles - free
    counters = np.array(
        [cycles, compute, idle_taps, wait_decode, wait_dram, wait_drain, symbols, first_word], np.int64
    )
    return counters, drain_end
