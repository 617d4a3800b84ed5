"""A pass of a core that decodes two segments in turns, behind slots of the map buffer (docs/two_lanes.md).

The machine of today has one lane (:mod:`hwsim.machine.passes`); nothing of a result comes from here yet. The
loop goes from event to event: a slot, or an item that the scatter unit takes. Between two of them each lane
decodes as far as its words and its places for items are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from hwsim.arch import BURST_BYTES, DRAIN_LATENCY, INDEX_BYTES, MAC_LATENCY, WINDOW_WORDS, WORD_BYTES, Arch
from hwsim.layer import Layer
from hwsim.machine.rows import Rows, row_order
from hwsim.machine.symbols import NO_VALUE, Symbols

LINE_WORDS = BURST_BYTES // WORD_BYTES
LINE_ENTRIES = BURST_BYTES // INDEX_BYTES
READ_LATENCY = 5  # cycles from a slot to its words
LANE_ITEMS = 8  # places for items in a lane
LANE_LATENCY = 8  # cycles from consuming a symbol to the choice of its item, at the earliest
# An argument of the loop, so that the cache of numba notices a change.
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


@dataclass(frozen=True, eq=False)
class LanesTiming:
    """What a pass took; equal only to itself.

    Attributes:
        cycles: from start to done.
        drained: int64 (owned,), cycle in which each owned row left the accumulators.
        symbols: int64 (symbols, 2), lane and cycle of each, lane by lane as it became known.
        taken: int64 (items, 4), of every item, in the order of choice: lane, the cycles in which it is chosen
            and taken, and those that it occupies.
        served: int64 (slots, 2), cycle and lane of every slot that was used.
    """

    cycles: int
    drained: np.ndarray
    symbols: np.ndarray
    taken: np.ndarray
    served: np.ndarray


def fixed_places(shape: tuple[int, int, int], block: int, bits: int) -> np.ndarray:
    """The word at which each segment of a map (C, H, W) begins, int64 (H, channel blocks).

    A place is as large as a whole segment of raw values of ``bits`` bits, in halves of a line, so that places
    are known before the map is.
    """
    channels, height, width = shape
    half = LINE_WORDS // 2
    words = -(-min(block, channels) * width * bits // (8 * WORD_BYTES))
    number = np.arange(height * -(-channels // block), dtype=np.int64)
    return (number * (-(-words // half) * half)).reshape(height, -1)


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
) -> LanesTiming:
    """Time one pass of one core with two lanes, exactly.

    Args:
        layer, symbols, arch, rows, segments, out_channels, words: as of
            :func:`hwsim.machine.passes.time_pass`.
        places: int64 (H, channel blocks of the map), word at which each segment begins.
        period: cycles between two slots; one more than cores if not given.
        there: int64 (lines,), cycle from which each line is in the map buffer; from the start if not given.
    """
    depthwise = layer.kind == "depthwise"
    lines = np.zeros(0, np.int64) if there is None else there
    cycles, drained, *events = _time(
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
        lines,
        CONSTANTS,
    )
    return LanesTiming(int(cycles), drained, *events)


@njit(cache=True, nogil=True)
def _turn(lane, cycle):
    """The first cycle from ``cycle`` on in which a lane acts."""
    return cycle + ((cycle ^ lane) & 1)


@njit(cache=True, nogil=True)
def _time(
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
):
    line_words, line_entries, read, depth, latency, window, mac_latency, drain_latency = constants
    blocks = segment_stop - segment_start
    count = len(row_y) * blocks
    all_blocks = segment_words.shape[1]
    all_words = 0
    all_symbols = 0
    for s in range(count):
        y, b = row_y[s // blocks], segment_start + s % blocks
        all_words += segment_words[y, b]
        all_symbols += symbol_end[y, b] - symbol_first[y, b]

    # Of each lane: its segments, its words (A, E, X), its items.
    of_lane = np.empty((2, count), np.int64)
    got = np.zeros(2, np.int64)  # segments
    available = np.empty((2, all_words), np.int64)
    entered_at = np.empty((2, all_words), np.int64)
    left_at = np.empty((2, all_words), np.int64)
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
    chosen_at = np.empty((2, depth), np.int64)  # C, a ring

    symbols = np.empty((all_symbols, 2), np.int64)
    items = np.empty((all_symbols, 4), np.int64)
    slots = np.empty((all_words + count, 2), np.int64)
    symbol_count = 0
    item_count = 0
    slot_count = 0

    drain_end = np.full(owned, -1, np.int64)
    marks = np.zeros(len(row_y), np.int64)
    segment_next = 0
    served_last = -1
    entry_first = (row_y[0] * all_blocks + segment_start) // line_entries
    index = entry_first
    coming_at = NEVER
    coming = 0
    slot = 0
    place_free = 0  # from which on an item may be chosen
    free = 0
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
                    cycle = available[p, i]
                    if i > 0:
                        cycle = max(cycle, entered_at[p, i - 1] + 1)
                    if i >= window:
                        cycle = max(cycle, left_at[p, i - window] + 1)
                    entered_at[p, i] = _turn(p, cycle)
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
                cycle = max(consumed_last[p], entered_at[p, need]) + 1
                if made[p] >= depth:
                    cycle = max(cycle, chosen_at[p, made[p] % depth] + 1)
                cycle = _turn(p, cycle)
                consumed_last[p] = cycle
                symbols[symbol_count, 0] = p
                symbols[symbol_count, 1] = cycle
                symbol_count += 1
                last = j == end - 1
                gone = first_word[p] + (size if last else symbol_word[j + 1])
                while left[p] < gone:
                    left_at[p, left[p]] = cycle
                    left[p] += 1
                if symbol_x[j] != NO_VALUE or last:
                    place = made[p] % depth
                    item_at[p, place] = cycle
                    item_x[p, place] = symbol_x[j]
                    item_row[p, place] = s // blocks
                    item_mark[p, place] = last
                    made[p] += 1
                symbol_next[p] += 1
                if last:
                    decoding[p] += 1
                    symbol_next[p] = 0
                    first_word[p] += size
                moves = True

        # The next item, as far as it is known.
        start = NEVER
        for p in range(2):
            if made[p] > taken[p]:
                place = taken[p] % depth
                row = item_row[p, place]
                wait = row_newest[row] - ring
                if row <= finished + 1 and wait < rows_done:
                    ready = max(item_at[p, place] + latency, opens[row])
                    if wait >= 0:
                        ready = max(ready, drain_end[wait] + 2)
                    start = min(start, max(ready, place_free))

        if slot <= start:
            # A slot comes first.
            if coming_at <= slot:
                index = coming
                coming_at = NEVER
            chosen = -1
            chosen_index = False
            anything = False
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
                    requested[p] > 0 and entered_at[p, requested[p] - 1] >= slot
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
            if chosen >= 0:
                served_last = chosen
                slots[slot_count, 0] = slot
                slots[slot_count, 1] = chosen
                slot_count += 1
            if chosen >= 0 and not chosen_index:
                line = -1
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
                        available[p, requested[p]] = slot + read
                        requested[p] += 1
                        word += 1
                    word_next[p] = word
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
        cost = 1
        if x != NO_VALUE and taps_x[x] > 0 and row_reach[row] > 0:
            cost = vector_cycles if vector_cycles > 0 else row_reach[row] * taps_x[x]
        items[item_count, 0] = chosen
        items[item_count, 1] = start
        place_free = max(start + 1, free)
        items[item_count, 2] = place_free
        items[item_count, 3] = cost
        item_count += 1
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

    return (
        drained + 1 + drain_latency,
        drain_end,
        symbols[:symbol_count],
        items[:item_count],
        slots[:slot_count],
    )
