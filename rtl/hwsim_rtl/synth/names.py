"""What synthesised parts are called; without Amaranth, so that results are read where it is not."""

from __future__ import annotations

TOP = "part"
MEANINGS = {
    "window": "bit unpacker of the decoder",
    "decoder": "with the window",
    "lanes": "two decoders that take turns, with their windows; not in the core yet",
    "encoder": "with the packer",
    "position": "position counter, valid kernel columns",
    "items": "item FIFO",
    "scatter": "items to taps, taps to addresses",
    "weights": "weight memory, channel scales",
    "columns": "multipliers, accumulator banks",
    "drain": "drain control, adder tree, requantizer",
    "core": "all of it",
}
