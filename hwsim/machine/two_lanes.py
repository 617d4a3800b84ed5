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
ASKED_ANEW = -1  # of the next slot: to be found
RING = 32  # words of a lane whose times are kept; 17 matter: a line that comes, a window, as many before it
LAST_WORD = (
    RING - 1
)  # of that ring; sizes of rings are powers of two, since a division costs as much as an item
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
    counters, drained, asked = _time_lanes(
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
    return PassTiming(cycles, by_cause, decoded, lines * LINE_WORDS, by_cause["compute"], drained, asked)


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
    rows = len(row_y)
    count = rows * blocks
    on_chip, traced, told = len(there) == 0, len(events) > 0, len(served) > 0
    last_place = depth - 1  # a power of two less 1

    # Of each segment of the pass, in order: row, words, where it begins, first line (in the map buffer, and
    # counted through the pass), line of the index.
    segment_row = np.empty(count, np.int64)
    segment_size = np.empty(count, np.int64)
    segment_place = np.empty(count, np.int64)
    segment_line = np.empty(count, np.int64)
    segment_entry = np.empty(count, np.int64)
    line_before, lines_before = -1, -1
    for s in range(count):
        row = s // blocks
        y, b = row_y[row], segment_start + s - row * blocks
        segment_row[s] = row
        segment_size[s] = segment_words[y, b]
        segment_place[s] = places[y, b]
        segment_entry[s] = (y * segment_words.shape[1] + b) // line_entries
        first_line = places[y, b] // line_words
        lines_before += first_line != line_before
        segment_line[s] = lines_before
        line_before = (places[y, b] + segment_words[y, b] - 1) // line_words
        lines_before += line_before - first_line
    asked = np.full(
        lines_before + 1, NEVER
    )  # of each line of the pass, the slot in which it is asked for first

    # Of each lane: its segments, its words (A, E and X, rings), its items (rings, lane 1 behind lane 0).
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
    next_symbol = np.zeros(2, np.int64)  # of the segment that is decoded, in the map
    end_symbol = np.zeros(2, np.int64)
    first_word = np.zeros(2, np.int64)
    last_word = np.full(2, -1, np.int64)
    fresh = np.ones(2, np.bool_)  # the next symbol is the first of a segment
    at_row = np.zeros(2, np.int64)
    consumed_last = np.full(2, -1, np.int64)
    made = np.zeros(2, np.int64)
    taken = np.zeros(2, np.int64)
    item_at = np.empty(2 * depth, np.int64)  # when it can be chosen at the earliest
    item_cost = np.empty(2 * depth, np.int64)  # cycles at the scatter unit; 0: one, without a tap
    item_row = np.empty(2 * depth, np.int64)
    item_mark = np.empty(2 * depth, np.int64)
    item_symbol = np.empty(2 * depth, np.int64)  # number of its event
    chosen_at = np.empty(2 * depth, np.int64)  # C
    ready = np.full(2, NEVER, np.int64)  # from when on its head can be chosen, but for the item before
    held = np.full(2, NEVER, np.int64)  # from when on its head waits for a drain alone
    stale = np.zeros(2, np.bool_)  # those two are to be found anew
    moved = np.zeros(2, np.bool_)  # words came or a place became free: the lane may decode on
    enters = np.zeros(2, np.bool_)  # words came or left: others may enter
    able = np.zeros(2, np.int64)  # from when on it may ask in a slot

    symbols = 0
    lines = 0  # read
    compute = 0
    idle_taps = 0
    wait_dram = 0
    wait_drain = 0

    drain_end = np.full(owned, -1, np.int64)
    marks = np.zeros(rows, np.int64)
    segment_next = 0
    served_last = -1
    index = segment_entry[0]
    coming_at = NEVER
    coming = 0
    slot = 0  # the next one in which a lane may ask, as far as that is known
    slots_before = 0  # the first one that is not over
    late = False  # nobody was served in the last slot, and a lane waited for a line that had not come
    late_from = 0
    place_free = 0  # from which on an item may be chosen
    free = 0  # cycle in which the scatter unit is free again
    chosen_last = -1
    finished = 0
    opens = np.zeros(rows + 2, np.int64)  # of each row, the cycle from which it is open
    gate = np.zeros(
        2, np.int64
    )  # of the two rows that are, from when on there is a place for their sums as well
    drained = -1
    rows_done = 0
    ask_segment = np.zeros(2, np.int64)
    ask_word = np.zeros(2, np.int64)

    settled = False  # gate is that of the rows that are open
    while finished < rows:
        if not settled:
            settled = True
            for ahead in range(min(2, rows - finished)):
                wait = row_newest[finished + ahead] - ring
                gate[ahead] = 0 if wait < 0 else NEVER
                if 0 <= wait < rows_done:
                    gate[ahead] = drain_end[wait] + 2
        for p in range(2):
            # A lane decodes as far as words and places are known.
            while moved[p]:
                if enters[p]:
                    enters[p] = False
                    while entered[p] < min(requested[p], left[p] + window):
                        i = entered[p]
                        cycle = available[p, i & LAST_WORD]
                        if i > 0:
                            cycle = max(cycle, entered_at[p, (i - 1) & LAST_WORD] + 1)
                        if i >= window:
                            cycle = max(cycle, left_at[p, (i - window) & LAST_WORD] + 1)
                        cycle = _turn(p, cycle)
                        entered_at[p, i & LAST_WORD] = cycle
                        entered[p] = i + 1
                        if i + 1 == requested[p]:
                            able[p] = cycle + 1
                            slot = ASKED_ANEW
                if decoding[p] == got[p]:
                    moved[p] = False
                    break
                if fresh[p]:
                    fresh[p] = False
                    s = of_lane[p, decoding[p]]
                    at_row[p] = segment_row[s]
                    y, b = row_y[at_row[p]], segment_start + s - at_row[p] * blocks
                    next_symbol[p], end_symbol[p] = symbol_first[y, b], symbol_end[y, b]
                    first_word[p] = last_word[p] + 1
                    last_word[p] += segment_size[s]
                j = next_symbol[p]
                need = min(first_word[p] + symbol_word[j] + 1, last_word[p])
                if need >= entered[p] or made[p] - taken[p] >= depth:
                    moved[p] = False
                    break
                place = p * depth + (made[p] & last_place)
                cycle = max(consumed_last[p], entered_at[p, need & LAST_WORD])
                if made[p] >= depth:
                    cycle = max(cycle, chosen_at[place])
                cycle = _turn(p, cycle + 1)
                consumed_last[p] = cycle
                if traced:
                    events[symbols, 0], events[symbols, 1], events[symbols, 2] = cycle, -1, 0
                    events[symbols, 3], events[symbols, 4], events[symbols, 5] = 0, p, -1
                last = j + 1 == end_symbol[p]
                gone = last_word[p] + 1 if last else first_word[p] + symbol_word[j + 1]
                while left[p] < gone:
                    left_at[p, left[p] & LAST_WORD] = cycle
                    left[p] += 1
                    enters[p] = True
                x = symbol_x[j]
                if last or x != NO_VALUE:
                    cost = 0
                    if x != NO_VALUE and taps_x[x] > 0 and row_reach[at_row[p]] > 0:
                        cost = vector_cycles if vector_cycles > 0 else row_reach[at_row[p]] * taps_x[x]
                    item_at[place] = cycle + latency
                    item_cost[place] = cost
                    item_row[place] = at_row[p]
                    item_mark[place] = last
                    item_symbol[place] = symbols
                    stale[p] |= made[p] == taken[p]
                    made[p] += 1
                symbols += 1
                next_symbol[p] = j + 1
                if last:
                    decoding[p] += 1
                    fresh[p] = True

            # When its head can be chosen, as far as that is known.
            if stale[p]:
                stale[p] = False
                ready[p] = held[p] = NEVER
                place = p * depth + (taken[p] & last_place)
                ahead = item_row[place] - finished if made[p] > taken[p] else 2
                if ahead <= 1:
                    cycle = max(item_at[place], opens[finished + ahead])
                    ready[p] = max(cycle, gate[ahead])
                    if ready[p] > cycle:
                        held[p] = cycle

        start = max(min(ready[0], ready[1]), place_free)
        blocked = min(held[0], held[1])
        if slot == ASKED_ANEW:
            slot = NEVER
            for p in range(2):
                if able[p] < NEVER and (word_next[p] < word_end[p] or segment_next < count):
                    slot = min(slot, -(-max(able[p], slots_before) // period) * period)
        if slot <= start:
            # A slot comes first.
            if late:
                wait_dram += max(0, min(slot, blocked + 1) - max(late_from, free))
            if coming_at <= slot:
                index = coming
                coming_at = NEVER
            chosen = -1
            chosen_index = False
            late = False
            late_from = slot
            for p in range(2):
                ask_segment[p] = -1
                if able[p] <= slot:
                    if word_next[p] < word_end[p]:
                        ask_segment[p] = of_lane[p, got[p] - 1]
                        ask_word[p] = word_next[p]
                    elif segment_next < count:
                        ask_segment[p] = segment_next
                        ask_word[p] = 0
            for turn in range(2):
                p = turn
                if served_last == 0:
                    p = 1 - turn
                s = ask_segment[p]
                if chosen >= 0 or s < 0:
                    continue
                if ask_word[p] == 0 and segment_entry[s] != index:
                    if coming_at == NEVER:
                        chosen = p
                        chosen_index = True
                        coming = segment_entry[s]
                        coming_at = slot + read
                    continue
                line = (segment_place[s] + ask_word[p]) // line_words
                number = segment_line[s] + line - segment_place[s] // line_words
                asked[number] = min(asked[number], slot)
                if on_chip or there[line] <= slot:
                    chosen = p
                else:
                    late = True
            if chosen >= 0:
                late = False
                served_last = chosen
                line = -1
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
                    begin = segment_place[s]
                    if turn == 0:
                        line = (begin + word) // line_words
                    elif (begin + word) // line_words != line or (word == 0 and segment_entry[s] != index):
                        continue
                    if word == 0:
                        of_lane[p, got[p]] = s
                        got[p] += 1
                        word_end[p] = segment_size[s]
                        segment_next += 1
                    behind = min(word_end[p], (line + 1) * line_words - begin)
                    while word < behind:
                        available[p, requested[p] & LAST_WORD] = slot + read
                        requested[p] += 1
                        word += 1
                    word_next[p] = word
                    moved[p] = enters[p] = True
                    able[p] = NEVER
            if chosen >= 0:
                if told:
                    served[lines, 0], served[lines, 1], served[lines, 2] = slot, chosen, line
                lines += 1
            slots_before = slot + period
            slot = ASKED_ANEW
            continue

        # An item: of the older row; of one row, of the lane that was not the last.
        chosen = 1 - chosen_last if chosen_last >= 0 else 0
        other = 1 - chosen
        if ready[chosen] > start:
            chosen = other
        elif ready[other] <= start:
            place = chosen * depth + (taken[chosen] & last_place)
            if item_row[other * depth + (taken[other] & last_place)] < item_row[place]:
                chosen = other
        place = chosen * depth + (taken[chosen] & last_place)
        row, cost = item_row[place], max(item_cost[place], 1)
        compute += item_cost[place]
        idle_taps += item_cost[place] == 0
        place_free = max(start + 1, free)  # S
        if late:
            wait_dram += max(0, min(place_free, blocked + 1) - max(late_from, free))
        wait_drain += max(0, place_free - max(blocked + 1, free))
        if traced:
            number = item_symbol[place]
            events[number, 1], events[number, 2] = place_free, cost
            events[number, 3] = item_cost[place] > 0
            events[number, 5] = start
        chosen_at[place] = start
        taken[chosen] += 1
        stale[chosen] = True
        moved[chosen] = True
        chosen_last = chosen
        free = place_free + cost
        marks[row] += item_mark[place]
        while finished < rows and marks[finished] == blocks:
            for _ in range(row_done[finished]):
                drained = max(free - 1 + mac_latency, drained + 1) + drain_cycles - 1
                drain_end[rows_done] = drained
                rows_done += 1
            opens[finished + 2] = max(start + 1, opens[finished + 1]) + 1
            finished += 1
            settled = False
            stale[:] = True

    wait_decode = free - compute - idle_taps - wait_dram - wait_drain
    cycles = drained + 1 + drain_latency
    wait_drain += cycles - free
    counters = np.array(
        [cycles, compute, idle_taps, wait_decode, wait_dram, wait_drain, symbols, lines], np.int64
    )
    return counters, drain_end, asked
