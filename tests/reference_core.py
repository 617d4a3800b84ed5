"""One pass of one core, clock by clock: the slow reference of hwsim.machine.passes.

Written from docs/architecture.md and sharing no code with the model: it codes the map to bit strings, decodes
those bits, and steps registers. ``tests/machine/test_passes.py`` holds the two equal.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.layer import Layer

WINDOW = 4  # words


def seg(value: int, order: int) -> str:
    """SEG_order of a value, as a string of bits."""
    if order > 0:
        return "1" if value == 0 else "0" + exp_golomb(value - 1, order)
    return exp_golomb(value, 0)


def exp_golomb(value: int, order: int) -> str:
    """EG_order of a value, as a string of bits."""
    binary = bin(value + 2**order)[2:]
    return "0" * (len(binary) - 1 - order) + binary


def parse(bits: str, order: int) -> tuple[int, int]:
    """(value, length) of the SEG_order code at the head of ``bits``."""
    if bits[0] == "1":
        return 0, 1
    offset = 0 if order == 0 else 1
    zeros = bits[offset:].index("1")
    length = offset + 2 * zeros + 1 + order
    number = int(bits[offset + zeros : length], 2) - 2**order
    return number + offset, length


@dataclass
class Word:
    """64 bits of a segment."""

    bits: str
    last: bool  # of its segment


@dataclass
class Segment:
    """What the decoder knows of a segment: where its values lie, and its words."""

    row: int  # number of the input row in the pass
    values: list[int]
    ends_row: bool
    words: list[Word]


@dataclass
class Item:
    """A symbol that the scatter unit must see."""

    row: int
    x: int | None  # of its value, if it has one
    ends_row: bool
    ready: int  # cycle from which the scatter unit may take it
    symbol: int  # its number
    lost: int  # cycles that the decoder lost to late words since the item before


@dataclass
class Outcome:
    """What the pass took, and when."""

    cycles: int
    labels: list[str]  # of every cycle, the cause (docs/architecture.md, "Where the cycles go")
    symbols: int
    words: int
    drained: list[int]
    events: list[list[int]]  # of every symbol: decoded, taken, cycles occupied, whether it has a valid tap

    @property
    def causes(self) -> Counter:
        """Cycles by cause."""
        return Counter(self.labels)


def segments_of(
    values: np.ndarray, rows: Sequence[int], channels: range, block: int, order: int | None, bits: int
) -> list[Segment]:
    """The segments of a pass in the order of reading; ``order`` None: raw words of ``bits`` bits."""
    found = []
    for number, y in enumerate(rows):
        for first in range(channels.start, channels.stop, block):
            last = min(first + block, channels.stop)
            flat = [int(v) for v in values[first:last, y].ravel()]
            code = "".join(seg(v, order) if order is not None else f"{v:0{bits}b}" for v in flat)
            code += "0" * (-len(code) % 64)
            pieces = [code[i : i + 64] for i in range(0, len(code), 64)]
            words = [Word(piece, piece is pieces[-1]) for piece in pieces]
            words[-1].last = True
            found.append(Segment(number, flat, last == channels.stop, words))
    return found


def lands(layer: Layer, axis: int, position: int, tap: int) -> int | None:
    """The output that a tap adds a value's product to, along an axis; None if there is none."""
    stride, padding = layer.stride[axis], layer.padding[axis]
    if layer.transposed:
        output = position * stride - padding + tap * layer.dilation[axis]
    else:
        output, rest = divmod(position + padding - tap * layer.dilation[axis], stride)
        if rest:
            return None
    return output if 0 <= output < layer.out_shape[axis + 1] else None


def reached(layer: Layer, axis: int, position: int) -> list[int]:
    """Outputs that a value reaches along an axis, ascending."""
    outputs = [lands(layer, axis, position, tap) for tap in range(layer.kernel[axis])]
    return sorted(output for output in outputs if output is not None)


def owned_taps(layer: Layer, owned: Sequence[int], y: int) -> list[int]:
    """Numbers q of the owned rows that input row y reaches, ascending."""
    rows = reached(layer, 0, y)
    return [q for q, r in enumerate(owned) if r in rows]


def columns_reached(layer: Layer, x: int) -> int:
    """Valid taps of a value at x along its row."""
    return len(reached(layer, 1, x))


def channels_read(layer: Layer, made: range) -> range:
    """The input channels that some output channels are made of: those of their groups."""
    filters, channels = layer.out_shape[0] // layer.groups, layer.in_shape[0] // layer.groups
    groups = sorted({channel // filters for channel in made})
    return range(groups[0] * channels, (groups[-1] + 1) * channels)


def order_of_reading(layer: Layer) -> list[int]:
    """All input rows: phase by phase, so that rows of a phase reach no output row of another."""
    phases = 1 if layer.transposed else layer.dilation[0]
    return sorted(range(layer.in_shape[1]), key=lambda y: ((y + layer.padding[0]) % phases, y))


def order_of_draining(layer: Layer) -> list[int]:
    """All output rows, by the phase of the input rows that reach them."""
    phases = 1 if layer.transposed else layer.dilation[0]
    return sorted(range(layer.out_shape[1]), key=lambda r: (r * layer.stride[0] % phases, r))


def rows_awaited(layer: Layer) -> dict[int, list[int]]:
    """Of every output row, the input rows that it waits for: those that reach it. If there are none, the
    last one of the row before it in the order of draining; if all before it have none, the first of all."""
    reading = order_of_reading(layer)
    reaching = {r: [y for y in reading if r in reached(layer, 0, y)] for r in order_of_draining(layer)}
    first = next((rows for rows in reaching.values() if rows), reading)[:1]
    awaited: dict[int, list[int]] = {}
    for r, rows in reaching.items():
        awaited[r] = rows or (list(awaited.values())[-1][-1:] if awaited else first)
    return awaited


def ring_rows(layer: Layer) -> int:
    """The most output rows that are open after the same input row, if a pass owns all, and one more."""
    reading, awaited = order_of_reading(layer), rows_awaited(layer)
    place = {y: n for n, y in enumerate(reading)}
    return 1 + max(sum(place[ys[0]] <= n <= place[ys[-1]] for ys in awaited.values()) for n in place.values())


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
    fifo_depth: int,
    latencies: tuple[int, int, int],
    arrival: Callable[[int], int] = lambda word: 0,
) -> Outcome:
    """Step a pass until it is done.

    Args:
        layer, values: geometry and map (C, H, W).
        owned: output rows of the pass, in the order of draining.
        channels, block: input channels of the pass, and of a segment.
        out_channels: that the pass drains.
        columns: M.
        order: k of SEG; None for raw maps.
        bits: of a raw value.
        skip_zeros: whether a zero makes no item.
        run_max, fifo_depth: of the machine.
        latencies: (decode, MAC, drain).
        arrival: word number -> cycle from which it is there.
    """
    decode_latency, mac_latency, drain_latency = latencies
    awaited = rows_awaited(layer)
    rows = [y for y in order_of_reading(layer) if any(y in awaited[r] for r in owned)]
    reach = [owned_taps(layer, owned, y) for y in rows]
    last_row = {q: rows.index(awaited[r][-1]) for q, r in enumerate(owned)}
    segments = segments_of(values, rows, channels, block, order, bits)
    incoming = deque(word for segment in segments for word in segment.words)
    ring = ring_rows(layer)
    lanes = -(-layer.kernel[0] * layer.kernel[1] // columns)

    window: deque[Word] = deque()
    bit = 0  # of the first word in the window
    todo = deque(segments)
    position = 0  # in the segment
    credits = fifo_depth
    fifo: deque[Item] = deque()
    busy = 0  # cycles that the scatter unit still needs
    current: Item | None = None
    drain_queue: deque[tuple[int, int]] = deque()  # (owned row, first cycle in which it may be drained)
    draining: int | None = None
    left = 0  # accumulators of that row still to be read
    drained: dict[int, int] = {}
    labels: list[str] = []
    waits: list[int] = []  # cycles since the last item in which the next one was not there yet
    entered: list[int] = []  # cycle in which each word entered the window
    gone = needed = 0  # words that left the window; words that a symbol has needed so far
    asked: int | None = None  # cycle from which the decoder has a credit for the next symbol
    lost = 0
    symbols = taken = 0
    events: list[list[int]] = []
    cycle = 0

    while len(drained) < len(owned):
        # Everything below looks at the registers as they were at the start of the cycle.
        room, credit = WINDOW - len(window), credits
        word_there = bool(incoming) and arrival(taken) <= cycle
        rows_free = set(drained)

        # Scatter: take the next item when the last one is through.
        if busy == 0 and fifo and fifo[0].ready <= cycle:
            item = fifo[0]
            newest = max(reach[item.row], default=0)
            if newest < ring or newest - ring in rows_free:
                current = fifo.popleft()
                credits += 1
                for waited in waits[: item.lost]:
                    labels[waited] = "dram"
                waits.clear()
                taps = 0 if item.x is None or not reach[item.row] else columns_reached(layer, item.x)
                if taps == 0:
                    busy, kind = 1, "taps"
                else:
                    busy = lanes if layer.kind == "depthwise" else taps * len(reach[item.row])
                    kind = "compute"
                events[item.symbol][1:] = [cycle, busy, int(kind == "compute")]
        if busy:
            labels.append(kind)
            busy -= 1
            if busy == 0 and current is not None and current.ends_row:
                for q in sorted(q for q, n in last_row.items() if n == current.row):
                    drain_queue.append((q, cycle + mac_latency))
        elif (fifo and fifo[0].ready <= cycle) or (not todo and not fifo):
            labels.append("drain")
        else:
            labels.append("decode")
            waits.append(cycle)

        # Drain: one accumulator.
        if draining is None and drain_queue and drain_queue[0][1] <= cycle:
            draining, _ = drain_queue.popleft()
            left = out_channels * layer.out_shape[2]
        if draining is not None:
            left -= 1
            if left == 0:
                drained[draining] = cycle
                draining = None

        # Decode: one symbol.
        if asked is None and credit and todo:
            asked = cycle
        if window and credit and asked is not None and (window[0].last or len(window) > 1):
            # Were its words not late, they would have entered one a cycle after the last word needed before.
            needs = gone + (1 if window[0].last else 2)
            in_time = (entered[needed - 1] if needed else -1) + max(needs - needed, 0) + 1
            lost += cycle - max(asked, in_time)
            needed, asked = max(needed, needs), None
            segment = todo[0]
            stream = "".join(word.bits for word in window)[bit:]
            value_at = None
            if order is None or not skip_zeros:
                value, length = (int(stream[:bits], 2), bits) if order is None else parse(stream, order)
                assert value == segment.values[position]
                if value != 0 or not skip_zeros:
                    value_at = position
                position += 1
            else:
                rest, zeros = len(segment.values) - position, 0
                while zeros < min(rest, 3 * run_max) and stream[zeros] == "1":
                    zeros += 1
                if zeros > run_max or zeros == rest:
                    length = zeros
                    position += zeros
                else:
                    value, size = parse(stream[zeros:], order)
                    assert value == segment.values[position + zeros]
                    value_at, length = position + zeros, zeros + size
                    position += zeros + 1
            symbols += 1
            events.append([cycle, -1, 0, 0])
            bit += length
            ends_segment = position == len(segment.values)
            if ends_segment:
                while not window.popleft().last:
                    gone += 1
                gone += 1
                bit, position = 0, 0
                todo.popleft()
            else:
                while bit >= 64:
                    window.popleft()
                    gone += 1
                    bit -= 64
            ends_row = ends_segment and segment.ends_row
            if value_at is not None or ends_row:
                credits -= 1
                x = None if value_at is None else value_at % layer.in_shape[2]
                fifo.append(Item(segment.row, x, ends_row, cycle + decode_latency, symbols - 1, lost))
                lost = 0

        # Window: one word.
        if room and word_there:
            window.append(incoming.popleft())
            entered.append(cycle)
            taken += 1
        cycle += 1

    tail = max(drained.values()) + 1 + drain_latency - cycle
    labels += ["drain"] * tail
    return Outcome(cycle + tail, labels, symbols, taken, [drained[q] for q in range(len(owned))], events)
