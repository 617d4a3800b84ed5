"""The cycle-exact model of one pass of a core that decodes two segments in turns (docs/two_lanes.md).

A recurrence over events, as :mod:`hwsim.machine.passes` is for one lane: a slot of the map buffer, or an item
that is chosen. Between two of them each lane decodes as far as its words and its places for items are known.
The loop is one function because numba keeps the whole state in registers that way.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hwsim.arch import (
    DRAIN_LATENCY,
    LANE_ITEMS,
    LANE_LATENCY,
    LINE_ENTRIES,
    LINE_WORDS,
    MAC_LATENCY,
    READ_LATENCY,
    WINDOW_WORDS,
    Arch,
)
from hwsim.layer import Layer
from hwsim.machine.passes import CAUSES, EVENT_FIELDS, PassTiming
from hwsim.machine.rows import Rows, row_order
from hwsim.machine.symbols import NO_VALUE, Symbols

# An argument of the loop: the cache of numba would not notice that a constant of another file has changed.
CONSTANTS = (
    LINE_WORDS,
    LINE_ENTRIES,
    READ_LATENCY,
    LANE_ITEMS,
    LANE_LATENCY,
    WINDOW_WORDS,
    MAC_LATENCY,
    DRAIN_LATENCY,
)
NEVER = 2**62
RING = 32  # words of a lane whose times are kept; 17 matter: a line that comes, a window, as many before it
LANE_EVENT_FIELDS = (*EVENT_FIELDS, "lane", "chosen")  # of every symbol; C of its item, -1 if none
SERVED_FIELDS = ("slot", "lane", "line")  # of every slot that is used; the line of the map, -1: of the index


def time_two_lanes(
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
    """Time one pass of one core with two lanes, exactly.

    Args:
        layer, symbols, arch, rows, segments, out_channels, words: as of
            :func:`hwsim.machine.passes.time_pass`.
        places: int64 (H, channel blocks of the map), word of the map buffer at which each segment begins.
        period: cycles between two slots; one more than cores if not given.
        there: int64 (lines,), cycle from which each line is in the map buffer; from the start if not given.
        events: int64 (symbols of the pass or more, 6), filled with :data:`LANE_EVENT_FIELDS` of every symbol,
            in the order in which they become known.
        served: int64 (words and segments of the pass or more, 3), filled with :data:`SERVED_FIELDS` of
            every slot that is used.
    """
    depthwise = layer.kind == "depthwise"
    counters, drained = _time_lanes(
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
        np.empty((0, len(LANE_EVENT_FIELDS)), np.int64) if events is None else events,
        np.empty((0, len(SERVED_FIELDS)), np.int64) if served is None else served,
    )
    cycles, *causes, decoded, lines = (int(counter) for counter in counters)
    by_cause = dict(zip(CAUSES, causes, strict=True))
    return PassTiming(cycles, by_cause, decoded, lines * LINE_WORDS, by_cause["compute"], drained)


@njit(cache=True, nogil=True)
def _turn(lane, cycle):
    """The first cycle from ``cycle`` on in which a lane acts."""
    return cycle + ((cycle ^ lane) & 1)


@njit(cache=True, nogil=True)
def _time_lanes(
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
    places,
    period,
    there,
    constants,
    events,
    served,
):
    line_words, line_entries, read, depth, latency, window, mac_latency, drain_latency = constants
    blocks = segment_stop - segment_start
    count = len(row_y) * blocks
    all_blocks = segment_words.shape[1]

    # Of each lane: its segments, its words (A, E and X, rings), its items.
    of_lane = np.empty((2, count), np.int64)
    got = np.zeros(2, np.int64)  # segments
    available = np.empty((2, RING), np.int64)
    entered_at = np.empty((2, RING), np.int64)
    left_at = np.empty((2, RING), np.int64)
    requested = np.zeros(2, np.int64)
    entered = np.zeros(2, np.int64)
    left = np.zeros(2, np.int64)
    word_next = np.zeros(2, np.int64)  # of the segment for which the lane asks
    word_end = np.zeros(2, np.int64)
    decoding = np.zeros(2, np.int64)  # number among its segments
    symbol_next = np.zeros(2, np.int64)
    first_word = np.zeros(2, np.int64)  # of the segment that is decoded
    consumed_last = np.full(2, -1, np.int64)
    made = np.zeros(2, np.int64)
    taken = np.zeros(2, np.int64)
    item_at = np.empty((2, depth), np.int64)  # T, a ring
    item_x = np.empty((2, depth), np.int64)
    item_row = np.empty((2, depth), np.int64)
    item_mark = np.empty((2, depth), np.int64)
    item_symbol = np.empty((2, depth), np.int64)  # number of its event
    chosen_at = np.empty((2, depth), np.int64)  # C, a ring

    symbols = 0
    lines = 0  # read
    compute = 0
    idle_taps = 0
    wait_dram = 0
    wait_drain = 0

    drain_end = np.full(owned, -1, np.int64)
    marks = np.zeros(len(row_y), np.int64)
    segment_next = 0
    served_last = -1
    index = (row_y[0] * all_blocks + segment_start) // line_entries
    coming_at = NEVER
    coming = 0
    slot = 0
    late = False  # nobody was served in the last slot, and a lane waited for a line that had not come
    late_from = 0
    place_free = 0  # from which on an item may be chosen
    free = 0  # cycle in which the scatter unit is free again
    chosen_last = -1
    finished = 0
    opens = np.zeros(len(row_y) + 2, np.int64)  # of each row, the cycle from which it is open
    drained = -1
    rows_done = 0
    ask_segment = np.zeros(2, np.int64)
    ask_word = np.zeros(2, np.int64)

    while finished < len(row_y):
        # Each lane decodes as far as words and places are known.
        for p in range(2):
            moves = True
            while moves:
                moves = False
                while entered[p] < requested[p]:
                    i = entered[p]
                    if i >= window and left[p] <= i - window:
                        break
                    cycle = available[p, i % RING]
                    if i > 0:
                        cycle = max(cycle, entered_at[p, (i - 1) % RING] + 1)
                    if i >= window:
                        cycle = max(cycle, left_at[p, (i - window) % RING] + 1)
                    entered_at[p, i % RING] = _turn(p, cycle)
                    entered[p] += 1
                    moves = True
                if decoding[p] == got[p]:
                    continue
                s = of_lane[p, decoding[p]]
                y, b = row_y[s // blocks], segment_start + s % blocks
                begin, end = symbol_first[y, b], symbol_end[y, b]
                size = segment_words[y, b]
                j = begin + symbol_next[p]
                need = first_word[p] + min(symbol_word[j] + 1, size - 1)
                if need >= entered[p] or made[p] - taken[p] >= depth:
                    continue
                cycle = max(consumed_last[p], entered_at[p, need % RING]) + 1
                if made[p] >= depth:
                    cycle = max(cycle, chosen_at[p, made[p] % depth] + 1)
                cycle = _turn(p, cycle)
                consumed_last[p] = cycle
                if len(events):
                    events[symbols, 0], events[symbols, 1], events[symbols, 2] = cycle, -1, 0
                    events[symbols, 3], events[symbols, 4], events[symbols, 5] = 0, p, -1
                last = j == end - 1
                gone = first_word[p] + (size if last else symbol_word[j + 1])
                while left[p] < gone:
                    left_at[p, left[p] % RING] = cycle
                    left[p] += 1
                if symbol_x[j] != NO_VALUE or last:
                    place = made[p] % depth
                    item_at[p, place] = cycle
                    item_x[p, place] = symbol_x[j]
                    item_row[p, place] = s // blocks
                    item_mark[p, place] = last
                    item_symbol[p, place] = symbols
                    made[p] += 1
                symbols += 1
                symbol_next[p] += 1
                if last:
                    decoding[p] += 1
                    symbol_next[p] = 0
                    first_word[p] += size
                moves = True

        # The next item, as far as it is known.
        start = NEVER
        blocked = NEVER  # from when on an item waits for a drain alone
        for p in range(2):
            if made[p] > taken[p]:
                place = taken[p] % depth
                row = item_row[p, place]
                wait = row_newest[row] - ring
                if row > finished + 1:
                    continue
                ready = max(item_at[p, place] + latency, opens[row])
                if wait >= rows_done:
                    blocked = min(blocked, ready)
                    continue
                if wait >= 0 and drain_end[wait] + 2 > ready:
                    blocked = min(blocked, ready)
                    ready = drain_end[wait] + 2
                start = min(start, max(ready, place_free))

        if slot <= start:
            # A slot comes first.
            if late:
                wait_dram += max(0, min(slot, blocked + 1) - max(late_from, free))
            if coming_at <= slot:
                index = coming
                coming_at = NEVER
            chosen = -1
            chosen_index = False
            anything = False
            late = False
            late_from = slot
            for p in range(2):
                ask_segment[p] = -1
                if word_next[p] < word_end[p]:
                    ask_segment[p] = of_lane[p, got[p] - 1]
                    ask_word[p] = word_next[p]
                elif segment_next < count:
                    ask_segment[p] = segment_next
                    ask_word[p] = 0
                anything = anything or ask_segment[p] >= 0
                if entered[p] < requested[p] or (
                    requested[p] > 0 and entered_at[p, (requested[p] - 1) % RING] >= slot
                ):
                    ask_segment[p] = -1
            for turn in range(2):
                p = turn
                if served_last == 0:
                    p = 1 - turn
                s = ask_segment[p]
                if chosen >= 0 or s < 0:
                    continue
                y, b = row_y[s // blocks], segment_start + s % blocks
                if ask_word[p] == 0 and (y * all_blocks + b) // line_entries != index:
                    if coming_at == NEVER:
                        chosen = p
                        chosen_index = True
                        coming = (y * all_blocks + b) // line_entries
                        coming_at = slot + read
                elif len(there) == 0 or there[(places[y, b] + ask_word[p]) // line_words] <= slot:
                    chosen = p
                else:
                    late = True
            line = -1
            if chosen >= 0:
                late = False
                served_last = chosen
            if chosen >= 0 and not chosen_index:
                for turn in range(2):
                    p = chosen if turn == 0 else 1 - chosen
                    s = ask_segment[p]
                    if s < 0:
                        continue
                    word = ask_word[p]
                    if word == 0:
                        s = segment_next
                        if s == count:
                            continue
                    y, b = row_y[s // blocks], segment_start + s % blocks
                    begin = places[y, b]
                    if turn == 0:
                        line = (begin + word) // line_words
                    elif (begin + word) // line_words != line or (
                        word == 0 and (y * all_blocks + b) // line_entries != index
                    ):
                        continue
                    if word == 0:
                        of_lane[p, got[p]] = s
                        got[p] += 1
                        word_end[p] = segment_words[y, b]
                        segment_next += 1
                    while word < word_end[p] and (begin + word) // line_words == line:
                        available[p, requested[p] % RING] = slot + read
                        requested[p] += 1
                        word += 1
                    word_next[p] = word
            if chosen >= 0:
                if len(served):
                    served[lines, 0], served[lines, 1], served[lines, 2] = slot, chosen, line
                lines += 1
            slot = slot + period if anything else NEVER
            continue

        # An item: of the older row; of one row, of the lane that was not the last.
        chosen = -1
        for turn in range(2):
            p = turn
            if chosen_last == 0:
                p = 1 - turn
            if made[p] > taken[p]:
                place = taken[p] % depth
                row = item_row[p, place]
                wait = row_newest[row] - ring
                if row > finished + 1 or wait >= rows_done:
                    continue
                if max(item_at[p, place] + latency, opens[row]) > start:
                    continue
                if wait >= 0 and drain_end[wait] >= start - 1:
                    continue
                if chosen < 0 or row < item_row[chosen, taken[chosen] % depth]:
                    chosen = p
        place = taken[chosen] % depth
        row, x = item_row[chosen, place], item_x[chosen, place]
        hit = x != NO_VALUE and taps_x[x] > 0 and row_reach[row] > 0
        cost = 1
        if hit:
            cost = vector_cycles if vector_cycles > 0 else row_reach[row] * taps_x[x]
            compute += cost
        else:
            idle_taps += 1
        place_free = max(start + 1, free)  # S
        if late:
            wait_dram += max(0, min(place_free, blocked + 1) - max(late_from, free))
        wait_drain += max(0, place_free - max(blocked + 1, free))
        if len(events):
            number = item_symbol[chosen, place]
            events[number, 1], events[number, 2], events[number, 3] = place_free, cost, hit
            events[number, 5] = start
        chosen_at[chosen, place] = start
        taken[chosen] += 1
        chosen_last = chosen
        free = place_free + cost
        marks[row] += item_mark[chosen, place]
        while finished < len(row_y) and marks[finished] == blocks:
            for _ in range(row_done[finished]):
                drained = max(free - 1 + mac_latency, drained + 1) + drain_cycles - 1
                drain_end[rows_done] = drained
                rows_done += 1
            opens[finished + 2] = max(start + 1, opens[finished + 1]) + 1
            finished += 1

    wait_decode = free - compute - idle_taps - wait_dram - wait_drain
    cycles = drained + 1 + drain_latency
    wait_drain += cycles - free
    counters = np.array(
        [cycles, compute, idle_taps, wait_decode, wait_dram, wait_drain, symbols, lines], np.int64
    )
    return counters, drain_end
