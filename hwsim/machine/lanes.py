"""Two lanes of a core through a pass, as a recurrence over events (docs/architecture.md, *Timing of a pass*).

An event is a slot of the map buffer, or an item that is chosen. Between two of them each lane decodes as far
as its words and its places for items are known. It is one function, since numba counts references to every
array that another one is given; and items have a loop of their own in it, which slots and ends of rows leave,
since the state of an inner loop stays in registers. So a pass costs some fifteen nanoseconds a symbol.
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
)
from hwsim.machine.symbols import NO_VALUE

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
# Of a lane, in one array, since a pointer to each of so many would not stay in a register.
(
    GOT,  # segments
    WORD_NEXT,  # of the segment for which it asks
    WORD_END,
    REQUESTED,  # words of all its segments, as are those that follow
    ENTERED,
    LEFT,
    ENTERS,  # words came or left: others may enter
    ABLE,  # from when on it may ask in a slot
    ASK_SEGMENT,  # what it asks for in the slot at hand; -1: nothing
    ASK_WORD,
    DECODING,  # number among its segments
    FRESH,  # the next symbol is the first of that segment
    AT_ROW,  # of it
    FIRST_WORD,
    WORD_LAST,
    NEXT_SYMBOL,  # in the map
    END_SYMBOL,
    CONSUMED_LAST,  # T
    MADE,  # items
    TAKEN,
    LANE_FIELDS,
) = range(21)
# Of an item: when it can be chosen at the earliest, cycles at the scatter unit (0: one, without a tap), row,
# mark, number of its event; of its place, when the one before was chosen.
AT, COST, ROW, MARK, SYMBOL, CHOSEN, ITEM_FIELDS = range(7)


@njit(cache=True, nogil=True)
def _turn(lane, cycle):
    """The first cycle from ``cycle`` on in which a lane acts."""
    return cycle + ((cycle ^ lane) & 1)


@njit(cache=True, nogil=True)
def time_lanes(
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
    line_before = lines_before = -1
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

    # Of each lane its segments, its words (A, E and X, rings), and its items (rings, lane 1 behind lane 0).
    lane = np.zeros((2, LANE_FIELDS), np.int64)
    lane[:, WORD_LAST] = lane[:, CONSUMED_LAST] = -1
    lane[:, FRESH] = 1
    of_lane = np.empty((2, count), np.int64)
    available = np.empty((2, RING), np.int64)
    entered_at = np.empty((2, RING), np.int64)
    left_at = np.empty((2, RING), np.int64)
    item = np.zeros((2 * depth, ITEM_FIELDS), np.int64)

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
    index = coming = segment_entry[0]
    coming_at = NEVER
    slot = 0  # the next one in which a lane may ask, as far as that is known
    slots_before = 0  # the first one that is not over
    late_from = NEVER  # the last slot, if nobody was served in it, and a lane waited for a line
    place_free = 0  # from which on an item may be chosen
    free = 0  # cycle in which the scatter unit is free again
    chosen_last = -1
    finished = 0
    opens = np.zeros(rows + 2, np.int64)  # of each row, the cycle from which it is open
    gate = np.zeros(2, np.int64)  # of the two rows that are, from when on there is a place for their sums
    begins = np.zeros(2, np.int64)  # and from when on their items can be chosen
    # From when on the head of a lane can be chosen, but for the item before, and its row.
    ready0, ready1, row0, row1 = NEVER, NEVER, 0, 0
    drained = -1
    rows_done = 0
    while finished < rows:
        for ahead in range(min(2, rows - finished)):
            wait = row_newest[finished + ahead] - ring
            gate[ahead] = 0 if wait < 0 else NEVER
            if 0 <= wait < rows_done:
                gate[ahead] = drain_end[wait] + 2
            begins[ahead] = max(opens[finished + ahead], gate[ahead])
        p, both = 0, True  # the lane of which something has changed, or lane 0 and then lane 1
        complete = False  # a row
        while True:
            # The lane decodes as far as words and places are known.
            while True:
                if lane[p, ENTERS]:
                    lane[p, ENTERS] = False
                    while lane[p, ENTERED] < min(lane[p, REQUESTED], lane[p, LEFT] + window):
                        i = lane[p, ENTERED]
                        cycle = available[p, i & LAST_WORD] - 1
                        if i > 0:
                            cycle = max(cycle, entered_at[p, (i - 1) & LAST_WORD])
                        if i >= window:
                            cycle = max(cycle, left_at[p, (i - window) & LAST_WORD])
                        cycle = _turn(p, cycle + 1)
                        entered_at[p, i & LAST_WORD] = cycle
                        lane[p, ENTERED] = i + 1
                        if i + 1 == lane[p, REQUESTED]:
                            lane[p, ABLE] = cycle + 1
                            slot = ASKED_ANEW
                if lane[p, MADE] - lane[p, TAKEN] >= depth:
                    break
                if lane[p, FRESH]:
                    if lane[p, DECODING] == lane[p, GOT]:
                        break
                    lane[p, FRESH] = False
                    s = of_lane[p, lane[p, DECODING]]
                    lane[p, AT_ROW] = segment_row[s]
                    y, b = row_y[lane[p, AT_ROW]], segment_start + s - lane[p, AT_ROW] * blocks
                    lane[p, NEXT_SYMBOL], lane[p, END_SYMBOL] = symbol_first[y, b], symbol_end[y, b]
                    lane[p, FIRST_WORD] = lane[p, WORD_LAST] + 1
                    lane[p, WORD_LAST] += segment_size[s]
                j = lane[p, NEXT_SYMBOL]
                need = min(lane[p, FIRST_WORD] + symbol_word[j] + 1, lane[p, WORD_LAST])
                if need >= lane[p, ENTERED]:
                    break
                place = p * depth + (lane[p, MADE] & last_place)
                cycle = max(lane[p, CONSUMED_LAST], entered_at[p, need & LAST_WORD], item[place, CHOSEN])
                cycle = _turn(p, cycle + 1)
                lane[p, CONSUMED_LAST] = cycle
                if traced:
                    events[symbols, 0], events[symbols, 1], events[symbols, 2] = cycle, -1, 0
                    events[symbols, 3], events[symbols, 4], events[symbols, 5] = 0, p, -1
                last = j + 1 == lane[p, END_SYMBOL]
                gone = lane[p, WORD_LAST] + 1 if last else lane[p, FIRST_WORD] + symbol_word[j + 1]
                while lane[p, LEFT] < gone:
                    left_at[p, lane[p, LEFT] & LAST_WORD] = cycle
                    lane[p, LEFT] += 1
                    lane[p, ENTERS] = True
                x = symbol_x[j]
                if last or x != NO_VALUE:
                    cost = 0
                    if x != NO_VALUE and taps_x[x] > 0 and row_reach[lane[p, AT_ROW]] > 0:
                        cost = vector_cycles if vector_cycles > 0 else row_reach[lane[p, AT_ROW]] * taps_x[x]
                    item[place, AT] = cycle + latency
                    item[place, COST] = cost
                    item[place, ROW] = lane[p, AT_ROW]
                    item[place, MARK] = last
                    item[place, SYMBOL] = symbols
                    lane[p, MADE] += 1
                symbols += 1
                lane[p, NEXT_SYMBOL] = j + 1
                if last:
                    lane[p, DECODING] += 1
                    lane[p, FRESH] = True

            row, ready = NEVER, NEVER
            if lane[p, MADE] > lane[p, TAKEN]:
                place = p * depth + (lane[p, TAKEN] & last_place)
                row = item[place, ROW]
                if row <= finished + 1:
                    ready = max(item[place, AT], begins[row - finished])
            if p:
                row1, ready1 = row, ready
            else:
                row0, ready0 = row, ready
            if both:
                both, p = False, 1
                continue

            start = max(min(ready0, ready1), place_free)
            blocked = NEVER  # from when on a head waits for a drain alone
            if start >= free or late_from < NEVER:
                for p in range(2):
                    if lane[p, MADE] > lane[p, TAKEN]:
                        place = p * depth + (lane[p, TAKEN] & last_place)
                        ahead = item[place, ROW] - finished
                        if ahead <= 1:
                            cycle = max(item[place, AT], opens[finished + ahead])
                            if cycle < gate[ahead]:
                                blocked = min(blocked, cycle)
            if slot == ASKED_ANEW:
                slot = -(-max(min(lane[0, ABLE], lane[1, ABLE]), slots_before) // period) * period
            if slot <= start:
                break

            # An item: of the older row; of one row, of the lane that was not the last.
            if chosen_last == 0:
                chosen = 1 if ready1 <= start and (row1 <= row0 or ready0 > start) else 0
            else:
                chosen = 0 if ready0 <= start and (row0 <= row1 or ready1 > start) else 1
            place = chosen * depth + (lane[chosen, TAKEN] & last_place)
            row, cost = item[place, ROW], max(item[place, COST], 1)
            compute += item[place, COST]
            idle_taps += item[place, COST] == 0
            place_free = max(start + 1, free)  # S
            if place_free > free:  # the scatter unit waited
                wait_dram += max(0, min(place_free, blocked + 1) - max(late_from, free))
                wait_drain += max(0, place_free - max(blocked + 1, free))
            if traced:
                number = item[place, SYMBOL]
                events[number, 1], events[number, 2] = place_free, cost
                events[number, 3] = item[place, COST] > 0
                events[number, 5] = start
            item[place, CHOSEN] = start
            lane[chosen, TAKEN] += 1
            p = chosen
            chosen_last = chosen
            free = place_free + cost
            if item[place, MARK]:
                marks[row] += 1
                if marks[row] == blocks:
                    complete = True
                    break

        if complete:
            while finished < rows and marks[finished] == blocks:
                for _ in range(row_done[finished]):
                    drained = max(free - 1 + mac_latency, drained + 1) + drain_cycles - 1
                    drain_end[rows_done] = drained
                    rows_done += 1
                opens[finished + 2] = max(start + 1, opens[finished + 1]) + 1
                finished += 1
        else:  # a slot comes first
            wait_dram += max(0, min(slot, blocked + 1) - max(late_from, free))
            if coming_at <= slot:
                index = coming
                coming_at = NEVER
            chosen = -1
            chosen_index = False
            late_from = NEVER
            for p in range(2):
                lane[p, ASK_SEGMENT] = -1
                if lane[p, ABLE] <= slot:
                    if lane[p, WORD_NEXT] < lane[p, WORD_END]:
                        lane[p, ASK_SEGMENT] = of_lane[p, lane[p, GOT] - 1]
                        lane[p, ASK_WORD] = lane[p, WORD_NEXT]
                    elif segment_next < count:
                        lane[p, ASK_SEGMENT] = segment_next
                        lane[p, ASK_WORD] = 0
                    else:  # nothing is left
                        lane[p, ABLE] = NEVER
            for turn in range(2):
                p = turn
                if served_last == 0:
                    p = 1 - turn
                s = lane[p, ASK_SEGMENT]
                if chosen >= 0 or s < 0:
                    continue
                if lane[p, ASK_WORD] == 0 and segment_entry[s] != index:
                    if coming_at == NEVER:
                        chosen = p
                        chosen_index = True
                        coming = segment_entry[s]
                        coming_at = slot + read
                    continue
                line = (segment_place[s] + lane[p, ASK_WORD]) // line_words
                number = segment_line[s] + line - segment_place[s] // line_words
                asked[number] = min(asked[number], slot)
                if on_chip or there[line] <= slot:
                    chosen = p
                else:
                    late_from = slot
            if chosen >= 0:
                late_from = NEVER
                served_last = chosen
                line = -1
            if chosen >= 0 and not chosen_index:
                for turn in range(2):
                    p = chosen if turn == 0 else 1 - chosen
                    s = lane[p, ASK_SEGMENT]
                    if s < 0:
                        continue
                    word = lane[p, ASK_WORD]
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
                        of_lane[p, lane[p, GOT]] = s
                        lane[p, GOT] += 1
                        lane[p, WORD_END] = segment_size[s]
                        segment_next += 1
                    behind = min(lane[p, WORD_END], (line + 1) * line_words - begin)
                    while word < behind:
                        available[p, lane[p, REQUESTED] & LAST_WORD] = slot + read
                        lane[p, REQUESTED] += 1
                        word += 1
                    lane[p, WORD_NEXT] = word
                    lane[p, ENTERS] = True
                    lane[p, ABLE] = NEVER
            if chosen >= 0:
                if told:
                    served[lines, 0], served[lines, 1], served[lines, 2] = slot, chosen, line
                lines += 1
            slots_before = slot + period
            slot = ASKED_ANEW

    wait_decode = free - compute - idle_taps - wait_dram - wait_drain
    cycles = drained + 1 + drain_latency
    wait_drain += cycles - free
    counters = np.array(
        [cycles, compute, idle_taps, wait_decode, wait_dram, wait_drain, symbols, lines], np.int64
    )
    return counters, drain_end, asked
