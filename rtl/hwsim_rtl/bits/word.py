"""Segments as they travel: words, and what the index keeps of them.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import unsigned
from amaranth.lib import data

from hwsim.arch import WORD_BITS
from hwsim.machine.descriptors import COUNT_BITS


class Word(data.Struct):
    """A word of a segment; the first bit of the code is the most significant bit of ``data``."""

    data: unsigned(WORD_BITS)
    last: 1  # of its segment


class SegmentLength(data.Struct):
    """How long a segment is, and whether it is ``raw``, or in SEG."""

    words: unsigned(COUNT_BITS - 1)
    raw: 1


class IndexEntry(data.Struct):
    """What the index keeps of a segment: ``words`` and ``raw`` of its :class:`SegmentLength`, and how many of
    its values are not zero."""

    words: unsigned(COUNT_BITS - 1)
    raw: 1
    nonzeros: unsigned(COUNT_BITS)
