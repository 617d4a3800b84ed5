"""How many bits SEG takes for each value; apart from the coder, whose compiled loops take long to load."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from hwsim.codec.checks import MAX_BITS, as_order
from hwsim.codec.coder import bit_length, cheapest_order


def loop_order(order: Any) -> int:
    """The order under which the loops know SEG_order: 1 for 0, the same code.

    Raises:
        CodecError: an order outside 0..15.
    """
    return max(as_order(order), 1)


@cache
def code_lengths(order: int) -> np.ndarray:
    """Bits of SEG_order of every value 0 .. 65535: uint8 (65536,), read-only.

    Raises:
        CodecError: an order outside 0..15.
    """
    order = loop_order(order)
    value = np.arange(1 << MAX_BITS)
    lengths = np.where(value == 0, 1, 2 * bit_length(value - 1 + (1 << order)) - order).astype(np.uint8)
    lengths.setflags(write=False)
    return lengths


def best_order_of(histogram: np.ndarray) -> int:
    """As :meth:`hwsim.codec.seg.SegCoder.best_order`, of values that a histogram (int64) counts."""
    return cheapest_order(histogram, code_lengths)
