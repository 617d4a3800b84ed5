"""What synthesised parts are called; without Amaranth, so that results are read where it is not."""

from __future__ import annotations

TOP = "part"
MEANINGS = {
    "reader": "lines of the map buffer to the words of two lanes",
    "decoder": "two lanes that take turns, with their windows",
    "position": "position counter, valid kernel columns",
    "items": "queue of a lane",
    "choice": "the choice between the items of two lanes",
    "scatter": "items to taps, taps to addresses",
    "weights": "weight memory, channel scales",
    "columns": "multipliers, accumulator banks",
    "drain": "drain control, adder tree, requantizer",
    "encoder": "with the packer",
    "core": "all of it",
}
