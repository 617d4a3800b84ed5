"""What travels between the parts of a core of two lanes (docs/two_lanes.md), beside core/payloads.py.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import unsigned
from amaranth.lib import data

from hwsim.arch import LINE_ENTRIES, LINE_WORDS, Arch
from hwsim.machine.descriptors import COUNT_BITS, PLACE_BITS
from hwsim_rtl.core.payloads import (
    Item,
    PassConfig,
    RowDescriptor,
    bank_address_bits,
    weight_address_bits,
)

LANES = 2
LINE_SHIFT = (LINE_WORDS - 1).bit_length()
ENTRY_SHIFT = (LINE_ENTRIES - 1).bit_length()
LINE_BITS = PLACE_BITS - LINE_SHIFT
ENTRY_BITS = 20  # of the number of an entry of the index
ENTRY_LINE_BITS = ENTRY_BITS - ENTRY_SHIFT
INDEX_LENGTHS = data.ArrayLayout(COUNT_BITS, LINE_ENTRIES)  # what a reader keeps of a line of the index
# Between the oldest row that is open and that of a segment which a lane takes lie fewer than 32: both lanes
# together hold 16 items and twelve segments without one, each of a row of its own at worst.
ROW_BITS = 5


class MapRow(data.Struct):
    """Where an input row of the pass lies: the ``place``, a word number, of the first segment that the pass
    reads of it, and the number of that segment's ``entry`` in the index."""

    place: unsigned(PLACE_BITS)
    entry: unsigned(ENTRY_BITS)


class ReaderConfig(data.StructLayout):
    """What the reader must know of a pass; constant from ``start`` on.

    Members:
        rows, segments, full_values, tail_values: as of ``DecoderConfig``.
        place_words: from the place of a segment to that of the next one in its row.
        index_line: line of the map buffer with the first entries of the index.
        segment_words: weight words of a segment; segment_pixels: accumulators of a row of a bank that its
            channels have (depthwise).
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "rows": COUNT_BITS,
                "segments": COUNT_BITS,
                "full_values": COUNT_BITS,
                "tail_values": COUNT_BITS,
                "place_words": PLACE_BITS,
                "index_line": LINE_BITS,
                "segment_words": range(arch.weight_words + 1),
                "segment_pixels": bank_address_bits(arch),
            }
        )


class NextSegment(data.StructLayout):
    """A segment that no lane has taken.

    Members: ``place``, ``entry``: as in :class:`MapRow`, of this segment; ``tail``: last of its row;
    ``weight``: its first weight word, counted through the pass; ``pixel``: its first channel in the pass,
    times Wo (depthwise); ``row``: number of its input row, modulo 2^ROW_BITS.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "place": PLACE_BITS,
                "entry": ENTRY_BITS,
                "tail": 1,
                "weight": weight_address_bits(arch),
                "pixel": bank_address_bits(arch),
                "row": ROW_BITS,
            }
        )


class BoundSegment(data.StructLayout):
    """A segment that a lane has taken: how many ``values`` it has. The rest as in :class:`NextSegment`."""

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "values": COUNT_BITS,
                "weight": weight_address_bits(arch),
                "pixel": bank_address_bits(arch),
                "row": ROW_BITS,
            }
        )


class LaneItem(data.StructLayout):
    """What the item FIFO of a lane holds: ``row``: number of its input row, modulo 2^ROW_BITS. The rest as in
    :class:`hwsim_rtl.core.payloads.Item`."""

    def __init__(self, arch: Arch) -> None:
        members = {name: field.shape for name, field in Item(arch)}
        super().__init__({**members, "row": ROW_BITS})


class ChosenItem(data.StructLayout):
    """What the scatter unit takes: an item, and of its row what :class:`RowDescriptor` says. ``done``: owned
    rows that are complete after this item."""

    def __init__(self, arch: Arch) -> None:
        item = {name: field.shape for name, field in Item(arch) if name != "mark"}
        row = {name: field.shape for name, field in RowDescriptor.as_shape() if name != "newest"}
        super().__init__({**item, **row})


class LanePassConfig(data.StructLayout):
    """What a core of two lanes must know of a pass: ``core``, as one of one lane, with ``decoder`` and
    ``segment_words`` for the segments that it reads. The rest as in :class:`ReaderConfig`."""

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "core": PassConfig(arch),
                "place_words": PLACE_BITS,
                "index_line": LINE_BITS,
                "segment_pixels": bank_address_bits(arch),
            }
        )


class LanePass(data.StructLayout):
    """A pass as it is sent to a core of two lanes: its ``config``; the ``lengths``, in words, in the line of
    the index that has the entry of the first segment that it reads."""

    def __init__(self, arch: Arch) -> None:
        super().__init__({"config": LanePassConfig(arch), "lengths": INDEX_LENGTHS})
