"""A program's words as structs, and what the parts of the sequencer give each other.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth.lib import data

from hwsim.arch import BURST_BYTES, LAYER_BYTES, PASS_BYTES, Arch
from hwsim.machine.descriptors import COUNT_BITS
from hwsim.machine.programs import LAYER_FIELDS, PASS_FIELDS
from hwsim_rtl.core.lane_payloads import ENTRY_BITS, LINE_BITS, LanePassConfig, MapRow
from hwsim_rtl.core.payloads import SUB_BANK_BITS, RowDescriptor

LAYER_BITS, PASS_BITS = 8 * LAYER_BYTES, 8 * PASS_BYTES


class LayerDescriptor(data.StructLayout):
    """The descriptor of a layer, without the bits above its fields, which are 0."""

    def __init__(self) -> None:
        super().__init__(dict(LAYER_FIELDS))


class PassEntry(data.StructLayout):
    """A pass of a layer's program, without the bits above its fields, which are 0."""

    def __init__(self) -> None:
        super().__init__(dict(PASS_FIELDS))


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
        super().__init__({"config": LanePassConfig(arch), "entry": ENTRY_BITS})


class OutRow(data.Struct):
    """A row of a map that is made, in the order in which its segments are: its number; the ``first`` segment
    that is made of it, and how many ``segments`` are."""

    row: COUNT_BITS
    first: COUNT_BITS
    segments: COUNT_BITS


class MapLine(data.Struct):
    """A line for the map buffer, and where it is to lie."""

    number: LINE_BITS
    words: 8 * BURST_BYTES
