"""What synthesised parts are called; without Amaranth, so that results are read where it is not."""

from __future__ import annotations

TOP = "part"
# Those down to the core that are not in COMPONENTS are of a core that is gone: the shipped results have them.
MEANINGS = {
    "window": "bit unpacker of the decoder",
    "decoder": "with the window",
    "encoder": "with the packer",
    "position": "position counter, valid kernel columns",
    "items": "item FIFO",
    "scatter": "items to taps, taps to addresses",
    "weights": "weight memory, channel scales",
    "columns": "multipliers, accumulator banks",
    "drain": "drain control, adder tree, requantizer",
    "core": "all of it",
    "reader": "of two lanes: lines of the map buffer to words",
    "lanes": "of two lanes: decoders that take turns, with their windows",
    "lane_position": "of two lanes: position counter, valid kernel columns",
    "choice": "of two lanes: the choice between their items",
    "lane_scatter": "of two lanes: items to taps, taps to addresses",
    "lane_core": "of two lanes: all of it",
}
