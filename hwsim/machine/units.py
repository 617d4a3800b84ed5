"""Which channels a pass makes, and which it reads: one place for all kinds of layers."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

import numpy as np

from hwsim.layer import Layer


class Unit(NamedTuple):
    """What one pass makes of the output channels, of all rows that it owns.

    Attributes:
        makes: output channels, at most M.
        reads: input channels: whole segments of the map.
    """

    makes: range
    reads: range


def units_of(layer: Layer, columns: int, block: int) -> tuple[Unit, ...]:
    """The units of a layer (docs/architecture.md, *Groups*).

    Args:
        layer: geometry.
        columns: M.
        block: channels of a segment of the input map; a depthwise unit reads one.
    """
    channels, filters = layer.weight_shape[1], layer.filters
    if layer.kind == "depthwise":
        width, together = block, block
    else:
        width, together = columns, _together(layer, columns)
    units = []
    for first in range(0, layer.groups, together):
        last = min(first + together, layer.groups)
        reads = range(first * channels, last * channels)
        for begin in range(first * filters, last * filters, width):
            units.append(Unit(range(begin, min(begin + width, last * filters)), reads))
    return tuple(units)


def _together(layer: Layer, columns: int) -> int:
    """Groups whose filters a unit holds; a group of more than M filters has units of its own."""
    return max(1, columns // layer.filters)


def block_limits(layer: Layer, columns: int) -> tuple[int, int]:
    """The most channels of a segment of the input and of the output map, that no unit cuts one.

    Powers of two up to M; of a depthwise layer M, since its units are segments.
    """
    together = _together(layer, columns)
    if layer.kind == "depthwise" or together >= layer.groups:
        return columns, columns
    made = together * layer.filters
    return gcd(columns, together * layer.weight_shape[1]), gcd(columns, made)


def unit_weights(layer: Layer, weights: np.ndarray, unit: Unit) -> np.ndarray:
    """Weights of a unit, (channels made, channels read, Kh, Kw): 0 between channels of different groups.

    Of a depthwise layer (channels, 1, Kh, Kw).
    """
    made = weights[unit.makes.start : unit.makes.stop]
    if layer.kind == "depthwise":
        return made
    channels = layer.weight_shape[1]
    spread = np.zeros((len(unit.makes), len(unit.reads), *layer.kernel), weights.dtype)
    for row, filter_ in enumerate(unit.makes):
        first = filter_ // layer.filters * channels - unit.reads.start
        spread[row, first : first + channels] = made[row]
    return spread
