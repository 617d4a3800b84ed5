"""One pass of one core, clock by clock: the slow reference of hwsim.machine.passes.

Written from docs/architecture.md and sharing no code with the model: it codes the map to bit strings, decodes
those bits, and steps registers. ``tests/machine/test_passes.py`` holds the two equal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from reference_rows import columns_reached, order_of_reading, owned_taps, ring_rows, rows_awaited
from reference_segments import Segment, Word, parse, segments_of

from hwsim.layer import Layer

LINE = 8  # words
ENTRIES = 16  # of the index in a line
READ = 5
WINDOW = 4
ITEMS = 8
LATENCY = 8


@dataclass
class Item:
    """What waits for the scatter unit; ``mark``: last of its segment."""

    row: int
    x: int | None
    mark: bool
    consumed: int


@dataclass
class Chosen:
    """An item that was chosen; ``completes``: owned rows that are complete when it is through."""

    item: Item
    lane: int
    cycle: int
    completes: list[int]


@dataclass
class Lane:
    """What a lane holds."""

    asks: int | None = None  # segment for which it requests words
    requested: int = 0  # words of it
    arriving: deque[tuple[int, Word]] = field(default_factory=deque)  # cycle from which each is there
    window: deque[Word] = field(default_factory=deque)
    todo: deque[Segment] = field(default_factory=deque)  # taken and not yet decoded to the end
    position: int = 0  # in the first of them
    bit: int = 0
    items: deque[Item] = field(default_factory=deque)


@dataclass
class Outcome:
    """What the pass took, and when."""

    cycles: int
    symbols: list[tuple[int, int]]  # (lane, cycle) of every symbol, in the order of consumption
    taken: list[tuple[int, int, int, int]]  # of every item: lane, choice, taking, cycles busy
    served: list[tuple[int, int]]  # (cycle, lane) of every slot that was used
    drained: list[int]
    labels: list[str]  # of every cycle, the cause (docs/architecture.md, "Where the cycles go")


def run_pass(
    layer: Layer,
    values: np.ndarray,
    owned: Sequence[int],
    *,
    channels: range,
    block: int,
    out_channels: int,
    columns: int,
    order: int | None,
    bits: int,
    skip_zeros: bool,
    run_max: int,
    period: int,
    latencies: tuple[int, int],
    places: np.ndarray,
    there: Callable[[int], int] = lambda line: 0,
) -> Outcome:
    """Step a pass until it is done.

    Args:
        layer, values: geometry and map (C, H, W).
        owned: output rows of the pass, in the order of draining.
        channels, block: input channels of the pass, and of a segment.
        out_channels: that the pass drains.
        columns: M.
        order: k of SEG; None: all segments are raw.
        bits: of a raw value.
        skip_zeros: whether a zero makes no item.
        run_max: of the machine.
        period: cycles between two slots.
        latencies: (MAC, drain).
        places: int (H, channel blocks of the map), word at which each segment begins.
        there: number of a line -> cycle from which it is in the map buffer.
    """
    mac_latency, drain_latency = latencies
    awaited = rows_awaited(layer)
    rows = [y for y in order_of_reading(layer) if any(y in awaited[r] for r in owned)]
    reach = [owned_taps(layer, owned, y) for y in rows]
    last_row = {q: rows.index(awaited[r][-1]) for q, r in enumerate(owned)}
    segments = segments_of(values, rows, channels, block, order, bits)
    blocks = range(channels.start // block, -(-channels.stop // block))
    at = [(y, b) for y in rows for b in blocks]
    place = [int(places[y, b]) for y, b in at]
    entry = [(y * places.shape[1] + b) // ENTRIES for y, b in at]
    steps = -(-layer.kernel[0] * layer.kernel[1] // columns)
    ring = ring_rows(layer)

    lanes = [Lane(), Lane()]
    next_segment = 0
    served_last: int | None = None
    index, coming = entry[0], None  # line in the register; (cycle, line) on its way
    marks = [0] * len(rows)
    finished = 0
    open_row = 0  # the older one of the two that are open
    busy, chosen_last = 0, None
    chosen: Chosen | None = None  # what waits for the scatter unit
    completes: list[int] = []  # by what the scatter unit is busy with
    kind = ""  # of that: whether a tap is valid
    waits_for_drain = False  # in the cycle before an item could have been chosen but for a drain
    waits_for_line = False  # in the last slot nobody was served, for want of a line
    drain_queue: deque[tuple[int, int]] = deque()
    draining, left = None, 0
    outcome = Outcome(0, [], [], [], [], [])
    drained: dict[int, int] = {}
    cycle = 0

    def wanted(lane: Lane, following: int) -> tuple[int, int] | None:
        """(segment, its first word that was not requested) that a lane asks for."""
        if lane.arriving:
            return None
        if lane.asks is not None and lane.requested < len(segments[lane.asks].words):
            return lane.asks, lane.requested
        return (following, 0) if following < len(segments) else None

    def deliver(lane: Lane, segment: int, word: int) -> None:
        """The words of a segment that lie in the line of ``word``."""
        if word == 0:
            lane.asks = segment
            lane.todo.append(segments[segment])
        line = (place[segment] + word) // LINE
        words = segments[segment].words
        while word < len(words) and (place[segment] + word) // LINE == line:
            lane.arriving.append((cycle + READ, words[word]))
            word += 1
        lane.requested = word

    while len(drained) < len(owned):
        # Everything below looks at what was so before the cycle.
        asks = [wanted(lane, next_segment) for lane in lanes]
        room = [len(lane.items) < ITEMS for lane in lanes]
        space = [len(lane.window) < WINDOW for lane in lanes]
        heads = [lane.items[0] if lane.items else None for lane in lanes]
        rows_free = {q for q, end in drained.items() if end < cycle - 1}
        next_open_row = open_row + (open_row < finished)

        # Scatter.
        place_free = chosen is None or busy == 0
        if busy == 0 and chosen is not None:
            item, completes = chosen.item, chosen.completes
            taps = 0 if item.x is None or not reach[item.row] else columns_reached(layer, item.x)
            cost = steps if layer.kind == "depthwise" else taps * len(reach[item.row])
            busy = cost if taps else 1
            kind = "compute" if taps else "taps"
            outcome.taken.append((chosen.lane, chosen.cycle, cycle, busy))
            chosen = None
        label = kind if busy else ""
        over = finished == len(rows) and chosen is None
        if busy:
            busy -= 1
            if busy == 0:
                drain_queue.extend((q, cycle + mac_latency) for q in completes)

        # Choice.
        drain_alone = False
        if place_free:
            able = []
            for number, head in enumerate(heads):
                if head is None or head.row > open_row + 1 or cycle < head.consumed + LATENCY:
                    continue
                newest = max(reach[head.row], default=0)
                if newest < ring or newest - ring in rows_free:
                    able.append((head.row, number == chosen_last, number))
                else:
                    drain_alone = True
            if able:
                chosen_last = min(able)[2]
                item = lanes[chosen_last].items.popleft()
                marks[item.row] += item.mark
                before = finished
                while finished < len(rows) and marks[finished] == len(blocks):
                    finished += 1
                done = sorted(q for q, n in last_row.items() if before <= n < finished)
                chosen = Chosen(item, chosen_last, cycle, done)
        open_row = next_open_row

        # Drain.
        if draining is None and drain_queue and drain_queue[0][1] <= cycle:
            draining, _ = drain_queue.popleft()
            left = out_channels * layer.out_shape[2]
        if draining is not None:
            left -= 1
            if left == 0:
                drained[draining] = cycle
                draining = None

        # The lane whose turn it is.
        mine = cycle % 2
        lane = lanes[mine]
        ready = bool(lane.window) and (lane.window[0].last or len(lane.window) > 1)
        enters = space[mine] and bool(lane.arriving) and lane.arriving[0][0] <= cycle
        if ready and room[mine]:
            _decode(lane, cycle, layer, order or 0, bits, skip_zeros, run_max)
            outcome.symbols.append((mine, cycle))
        if enters:
            lane.window.append(lane.arriving.popleft()[1])

        # Slot.
        if coming is not None and coming[0] <= cycle:
            index, coming = coming[1], None
        if cycle % period == 0:
            waits_for_line = False
            able_lanes: list[tuple[bool, int, bool, tuple[int, int]]] = []  # served last, lane, of the index
            for number, ask in enumerate(asks):
                if ask is None:
                    continue
                segment, word = ask
                if word == 0 and entry[segment] != index:
                    if coming is None:
                        able_lanes.append((number == served_last, number, True, ask))
                elif there((place[segment] + word) // LINE) <= cycle:
                    able_lanes.append((number == served_last, number, False, ask))
                else:
                    waits_for_line = True
            if able_lanes:
                waits_for_line = False
                _, served_last, of_index, (segment, word) = min(able_lanes)
                outcome.served.append((cycle, served_last))
                if of_index:
                    coming = (cycle + READ, entry[segment])
                else:
                    deliver(lanes[served_last], segment, word)
                    next_segment += word == 0
                    other = 1 - served_last
                    left_over = asks[other]
                    if left_over is not None and left_over[1] == 0:  # a new segment: the next one by now
                        left_over = (next_segment, 0) if next_segment < len(segments) else None
                    if left_over is not None:
                        line = (place[segment] + word) // LINE
                        same = (place[left_over[0]] + left_over[1]) // LINE == line
                        if same and (left_over[1] > 0 or entry[left_over[0]] == index):
                            deliver(lanes[other], *left_over)
                            next_segment += left_over[1] == 0

        if not label:
            waits = "drain" if over or waits_for_drain else "dram" if waits_for_line else "decode"
        outcome.labels.append(label or waits)
        waits_for_drain = drain_alone
        cycle += 1

    outcome.cycles = max(drained.values()) + 1 + drain_latency
    outcome.labels += ["drain"] * (outcome.cycles - cycle)
    outcome.drained = [drained[q] for q in range(len(owned))]
    return outcome


def _decode(
    lane: Lane, cycle: int, layer: Layer, order: int, bits: int, skip_zeros: bool, run_max: int
) -> None:
    """Consume a symbol of a lane."""
    segment = lane.todo[0]
    stream = "".join(word.bits for word in lane.window)[lane.bit :]
    value_at = None
    if segment.raw or not skip_zeros:
        value, length = (int(stream[:bits], 2), bits) if segment.raw else parse(stream, order)
        assert value == segment.values[lane.position]
        if value != 0 or not skip_zeros:
            value_at = lane.position
        lane.position += 1
    else:
        rest, zeros = len(segment.values) - lane.position, 0
        while zeros < min(rest, 3 * run_max) and stream[zeros] == "1":
            zeros += 1
        if zeros > run_max or zeros == rest:
            length = zeros
            lane.position += zeros
        else:
            value, size = parse(stream[zeros:], order)
            assert value == segment.values[lane.position + zeros]
            value_at, length = lane.position + zeros, zeros + size
            lane.position += zeros + 1
    lane.bit += length
    ends = lane.position == len(segment.values)
    if ends:
        while not lane.window.popleft().last:
            pass
        lane.bit = lane.position = 0
        lane.todo.popleft()
    else:
        while lane.bit >= 64:
            lane.window.popleft()
            lane.bit -= 64
    if value_at is not None or ends:
        x = None if value_at is None else value_at % layer.in_shape[2]
        lane.items.append(Item(segment.row, x, ends, cycle))
