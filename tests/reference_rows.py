"""Which values reach which outputs, and the order of rows: the slow reference of the geometry of a pass.

Written from docs/architecture.md (*Rows*, *Groups*), sharing no code with the model.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.layer import Layer


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
