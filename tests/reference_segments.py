"""Segments of a map as strings of bits: the slow reference of codes and of what a core decodes.

Written from docs/codes.md and docs/architecture.md, sharing no code with codecs and model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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
    raw: bool
    words: list[Word]


def in_words(bits: str) -> list[str]:
    """Bits cut into words of 64, filled up with zeros."""
    return [bits[i : i + 64].ljust(64, "0") for i in range(0, len(bits), 64)]


def segments_of(
    values: np.ndarray,
    rows: Sequence[int],
    channels: range,
    block: int,
    order: int | None,
    bits: int,
) -> list[Segment]:
    """The segments of a pass in the order of reading: in SEG, or of raw values of ``bits`` bits, if that
    takes fewer words; ``order`` None: all of them raw."""
    found = []
    for number, y in enumerate(rows):
        for first in range(channels.start, channels.stop, block):
            last = min(first + block, channels.stop)
            flat = [int(v) for v in values[first:last, y].ravel()]
            pieces = in_words("".join(f"{v:0{bits}b}" for v in flat))
            raw = True
            if order is not None:
                coded = in_words("".join(seg(v, order) for v in flat))
                raw = len(coded) > len(pieces)
                pieces = pieces if raw else coded
            words = [Word(piece, False) for piece in pieces]
            words[-1].last = True
            found.append(Segment(number, flat, last == channels.stop, raw, words))
    return found
