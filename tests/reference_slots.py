"""A pass in its slots, with its lines at their places in the map buffer: part of the reference of an array.

Written from docs/architecture.md (*Slots*, *Memory*); passes are stepped by ``reference_core``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from reference_core import Outcome, run_pass

from hwsim.arch import DRAIN_LATENCY, MAC_LATENCY, Arch
from hwsim.layer import Layer

TOLD_BEFORE = 2  # cycles from the start of a pass to its first slot
LINE = 64  # bytes


def halved(layers: Sequence[Layer], blocks: Mapping[str, int]) -> dict[str, int]:
    """Channels of a segment of every map: a depthwise layer reads two a row, if there are two channels."""
    return {
        name: block // 2
        if block > 1 and any(layer.input == name and layer.kind == "depthwise" for layer in layers)
        else block
        for name, block in blocks.items()
    }


def first_slot(core: int, able: int, cores: int) -> int:
    """The first slot of a core when it can be told to start from some cycle on."""
    cycle = able + TOLD_BEFORE
    while cycle % (cores + 1) != core:
        cycle += 1
    return cycle


def places_in_buffer(values: np.ndarray, block: int, bits: int, *, fits: bool) -> np.ndarray:
    """Word of the map buffer at which each segment begins, (H, channel blocks)."""
    row_size, in_row = 0, []
    for first in range(0, len(values), block):
        in_row.append(row_size)
        row_size += (min(block, len(values) - first) * values.shape[2] * bits + 255) // 256 * 32
    if not fits:
        row_size = (row_size + LINE - 1) // LINE * LINE
    return np.array([[(y * row_size + at) // 8 for at in in_row] for y in range(values.shape[1])])


def run_in_slots(
    layer: Layer,
    values: np.ndarray,
    owned: Sequence[int],
    rows: Sequence[int],
    *,
    channels: range,
    block: int,
    out_channels: int,
    order: int | None,
    bits: int,
    arch: Arch,
    words: list[list[int]],
    arrivals: Sequence[int],
    fits: bool,
) -> Outcome:
    """Step a pass; ``arrivals``: of every word that it reads in ``rows``, the cycle in which it is there."""
    places = places_in_buffer(values, block, bits, fits=fits)
    there: dict[int, int] = {}
    coming = iter(arrivals)
    for y in rows:
        for b in range(channels.start // block, -(-channels.stop // block)):
            for word in range(words[y][b]):
                line = (int(places[y, b]) + word) * 8 // LINE
                there[line] = max(there.get(line, 0), next(coming))
    return run_with_lines(
        layer,
        values,
        owned,
        channels=channels,
        block=block,
        out_channels=out_channels,
        order=order,
        bits=bits,
        arch=arch,
        places=places,
        there=there.__getitem__,
    )


def run_with_lines(
    layer: Layer,
    values: np.ndarray,
    owned: Sequence[int],
    *,
    channels: range,
    block: int,
    out_channels: int,
    order: int | None,
    bits: int,
    arch: Arch,
    places: np.ndarray,
    there: Callable[[int], int],
) -> Outcome:
    """Step a pass; ``there``: of every line of the map buffer, the cycle in which it is there."""
    return run_pass(
        layer,
        values,
        owned,
        channels=channels,
        block=block,
        out_channels=out_channels,
        columns=arch.columns,
        order=order,
        bits=bits,
        skip_zeros=arch.skip_zeros,
        run_max=arch.run_max,
        period=arch.cores + 1,
        latencies=(MAC_LATENCY, DRAIN_LATENCY),
        places=places,
        there=there,
    )
