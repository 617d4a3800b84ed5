"""A program's words as structs, and what the parts of the sequencer give each other.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import signed
from amaranth.lib import data

from hwsim.arch import BURST_BYTES, LAYER_BYTES, PASS_BYTES, Arch
from hwsim.machine.descriptors import COUNT_BITS, PLACE_BITS, POOL_FIELDS
from hwsim.machine.programs import CLAMP_FIELDS, LAYER_FIELDS, PASS_FIELDS
from hwsim_rtl.core.payloads import ENTRY_BITS, LINE_BITS, SUB_BANK_BITS, MapRow, PassConfig, RowDescriptor

PART_BYTES = 4  # of a line, what is written alone
LINE_PARTS = BURST_BYTES // PART_BYTES
LAYER_BITS, PASS_BITS = 8 * LAYER_BYTES, 8 * PASS_BYTES


class LayerDescriptor(data.StructLayout):
    """The descriptor of a layer, without the bits above its fields, which are 0."""

    def __init__(self) -> None:
        super().__init__(dict(LAYER_FIELDS))


class Clamps(data.StructLayout):
    """The clamps of a layer's drain, without the bits above its fields, which are 0."""

    def __init__(self) -> None:
        super().__init__({name: signed(bits) for name, bits in CLAMP_FIELDS.items()})


class PassEntry(data.StructLayout):
    """A pass of a layer's program, without the bits above its fields, which are 0."""

    def __init__(self) -> None:
        super().__init__(dict(PASS_FIELDS))


class PoolWindow(data.StructLayout):
    """The pool behind a layer; its ``rows`` are 0 if there is none."""

    def __init__(self) -> None:
        super().__init__(dict(POOL_FIELDS))


class InputRow(data.Struct):
    """An input row that a pass reads: where it lies, and what it reaches."""

    place: MapRow
    reaches: RowDescriptor


class WindowRow(data.StructLayout):
    """An output row in reach: whether there is one, which groups have it, and its first sub-bank in the ring
    of group 0."""

    def __init__(self, groups: int) -> None:
        super().__init__({"exists": 1, "owned": groups, "bank": SUB_BANK_BITS})


class GroupCounts(data.Struct):
    """Of a row group: input rows that a pass over it reads, output rows that it owns."""

    read: COUNT_BITS
    owned: COUNT_BITS


class QueuedPass(data.StructLayout):
    """A pass that waits for its core: its ``entry``, and the ``counts`` of its row group."""

    def __init__(self) -> None:
        super().__init__({"entry": PassEntry(), "counts": GroupCounts})


class SequencedPass(data.StructLayout):
    """A pass as the sequencer gives it: its ``config``, and the number of the ``entry`` in the index of the
    first segment that it reads."""

    def __init__(self, arch: Arch) -> None:
        super().__init__({"config": PassConfig(arch), "entry": ENTRY_BITS})


class OutRow(data.Struct):
    """A row of a map that is made, in the order in which its segments are: its number; the ``first`` segment
    that is made of it, and how many ``segments`` are; the number of the ``layer``, modulo 2."""

    layer: 1
    row: COUNT_BITS
    first: COUNT_BITS
    segments: COUNT_BITS


class MapLine(data.Struct):
    """A line for the map buffer, and where it is to lie."""

    number: LINE_BITS
    words: 8 * BURST_BYTES


class LineStore(data.Struct):
    """What is written into a line of the map buffer: those of its 16 parts of 4 bytes whose bit in ``parts``
    is set."""

    number: LINE_BITS
    words: 8 * BURST_BYTES
    parts: LINE_PARTS


class MapPlaces(data.Struct):
    """Where a map that is made lies in its half of the map buffer: words of its ``first`` place, from a row
    and from a place to the next one, and of the last place of a row; of its index the first line and the
    ``entries`` of a row, if it is ``indexed``."""

    first: PLACE_BITS
    row_words: PLACE_BITS
    place_words: PLACE_BITS
    tail_words: PLACE_BITS
    index_line: LINE_BITS
    entries: COUNT_BITS
    indexed: 1
