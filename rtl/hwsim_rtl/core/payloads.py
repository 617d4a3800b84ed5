"""What travels between the parts of a core, and the configuration of a pass: one place for their widths.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import signed, unsigned
from amaranth.lib import data

from hwsim.arch import LINE_ENTRIES, LINE_WORDS, SUB_BANKS, WEIGHT_PORT_WORDS, Arch
from hwsim.machine.descriptors import (
    COUNT_BITS,
    DEPTHWISE_KERNEL,
    MAX_KERNEL,
    MAX_OFFSET,
    MAX_STRIDE,
    PLACE_BITS,
    SCALED_BITS,
    TRANSPOSED_SHIFT,
    sub_bank_depth,
)
from hwsim.machine.programs import CLAMP_BITS
from hwsim.quantize import MULTIPLIER_BITS, SHIFT_MAX
from hwsim_rtl.bits.word import SegmentLength
from hwsim_rtl.codec.symbol import DecoderConfig, EncoderConfig

SUM_BITS = 32  # of an accumulator, a bias and a product; all wrap
RECIPROCAL_BITS = 17
KERNEL_BITS = (MAX_KERNEL - 1).bit_length()  # of a number of a kernel row or column
STRIDE_BITS = (MAX_STRIDE - 1).bit_length()  # of a remainder
OFFSET_BITS = MAX_OFFSET.bit_length()
# Of rows that are complete at once: those of the ring, and those without a tap that wait for the same two
# input rows.
DONE_BITS = (3 * SUB_BANKS).bit_length()
COLUMN_BITS = COUNT_BITS + 2  # of a column of the output, with a sign, before it is known to be one
SUB_BANK_BITS = (SUB_BANKS - 1).bit_length()
CHANNEL_WORDS_BITS = (MAX_KERNEL**2).bit_length()
STEP_BITS = (DEPTHWISE_KERNEL**2 - 1).bit_length()  # of a number of a depthwise channel's weight word
LANES = 2
LINE_SHIFT = (LINE_WORDS - 1).bit_length()
ENTRY_SHIFT = (LINE_ENTRIES - 1).bit_length()
LINE_BITS = PLACE_BITS - LINE_SHIFT
ENTRY_BITS = 20  # of the number of an entry of the index
ENTRY_LINE_BITS = ENTRY_BITS - ENTRY_SHIFT
INDEX_LENGTHS = data.ArrayLayout(SegmentLength, LINE_ENTRIES)  # what a reader keeps of a line of the index
# Between the oldest row that is open and that of a segment which a lane takes lie fewer than 32: both lanes
# together hold 16 items and twelve segments without one, each of a row of its own at worst.
ROW_BITS = 5


def bank_address_bits(arch: Arch) -> int:
    """Width of an accumulator's address: the sub-bank above the word in it."""
    return (SUB_BANKS * sub_bank_depth(arch) - 1).bit_length()


def weight_address_bits(arch: Arch) -> int:
    """Width of an address in the weight memory."""
    return (arch.weight_words - 1).bit_length()


def product_bits(arch: Arch) -> int:
    """Width of an activation, with a sign, times a weight; no wider than a sum, to which it wraps."""
    return min(SUM_BITS, arch.activation_bits + 1 + arch.weight_bits)


def weight_word(arch: Arch) -> data.ArrayLayout:
    """A word of weight memory: one signed weight a column."""
    return data.ArrayLayout(signed(arch.weight_bits), arch.columns)


def weight_load(arch: Arch) -> data.ArrayLayout:
    """A load of weights: words that lie side by side in weight memory, the first one lowest."""
    return data.ArrayLayout(weight_word(arch), WEIGHT_PORT_WORDS)


class ChannelScale(data.Struct):
    """What the drain needs of an output channel."""

    bias: signed(SUM_BITS)
    multiplier: unsigned(MULTIPLIER_BITS)


class RequantizeConfig(data.Struct):
    """How sums become codes: ``shift`` 1 .. 47; ``low`` and ``high``, the integers to which they are clamped,
    of at most 16 bits, or 15 and a sign; ``signed``: the codes are those of the H.264 mapping."""

    shift: unsigned(SHIFT_MAX.bit_length())
    low: signed(CLAMP_BITS)
    high: signed(CLAMP_BITS)
    signed: 1


class ColumnConfig(data.Struct):
    """How a value's x becomes ``column``, the column of the output from which its taps lead.

    Of a convolution it is (x + padding) div stride; of a transposed one, x * stride - padding + Kw - 1.
    Both are (x * ``factor`` + ``begin``) >> (TRANSPOSED_SHIFT + ``shift``), with a reciprocal of the stride
    or with itself, where x * ``factor`` is position * ``factor`` - its channel in the segment *
    ``channel``. ``padding``: on the left, modulo 32. ``stride``: for the remainder, which is 0 for 0.
    """

    factor: unsigned(RECIPROCAL_BITS)
    shift: unsigned((COUNT_BITS + STRIDE_BITS - TRANSPOSED_SHIFT).bit_length())
    channel: unsigned(SCALED_BITS)
    begin: unsigned(SCALED_BITS)
    padding: unsigned(STRIDE_BITS + 1)
    stride: unsigned(STRIDE_BITS + 1)


class KernelColumn(data.Struct):
    """Which values meet a kernel column: those whose (x + padding) has the ``remainder`` by the stride, and
    whose ``column``, less ``offset``, is one of the output."""

    remainder: unsigned(STRIDE_BITS)
    offset: unsigned(OFFSET_BITS)


class CoreConfig(data.StructLayout):
    """What the parts of a core must know of a pass; ``hwsim.machine.descriptors`` fills it.

    Members:
        decoder, encoder, requantize: of those parts.
        depthwise: bank = tap. signed_input: codes went through the H.264 mapping.
        width: W of the input map; reciprocal: ceil(2^(16 + reciprocal_shift) / width), where
            reciprocal_shift = ceil(log2(width)), so that it has 17 bits and is exact for positions below
            2^16.
        column, kernel_columns: which columns of the output a value meets. kernel_width: Kw.
        channel_words: weight words of an input channel: Kh Kw, or ceil(Kh Kw / M) if depthwise.
        segment_words: weight words of a whole segment; pass_loads: loads of weights of the pass.
        out_width: Wo. ring: rows of accumulators; row_sub_banks: that a row of the ring owns.
        owned: output rows of the pass. channels: that it drains; out_block: of an output segment.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "decoder": DecoderConfig,
                "encoder": EncoderConfig,
                "requantize": RequantizeConfig,
                "depthwise": 1,
                "signed_input": 1,
                "width": COUNT_BITS,
                "reciprocal": RECIPROCAL_BITS,
                "reciprocal_shift": range(COUNT_BITS + 1),
                "column": ColumnConfig,
                "kernel_width": range(MAX_KERNEL + 1),
                "kernel_columns": data.ArrayLayout(KernelColumn, MAX_KERNEL),
                "channel_words": CHANNEL_WORDS_BITS,
                "segment_words": range(arch.weight_words + 1),
                "pass_loads": range(arch.weight_words // WEIGHT_PORT_WORDS + 1),
                "out_width": bank_address_bits(arch),
                "ring": range(SUB_BANKS + 1),
                "row_sub_banks": range(SUB_BANKS // 2 + 1),
                "owned": COUNT_BITS,
                "channels": range(arch.columns + 1),
                "out_block": range(arch.columns + 1),
            }
        )


class RowDescriptor(data.Struct):
    """What an input row of the pass reaches.

    ``taps``: mask of the kernel rows that lead to an owned output row, the last of which has the number
    ``newest``. ``sub_banks``: for each kernel row, the first sub-bank of
    the owned row that it leads to, that row's number modulo the ring times ``row_sub_banks``; any, if it
    leads to none. ``done``: owned rows that are complete after this input row.
    """

    taps: unsigned(MAX_KERNEL)
    sub_banks: data.ArrayLayout(unsigned(SUB_BANK_BITS), MAX_KERNEL)
    newest: unsigned(COUNT_BITS)
    done: unsigned(DONE_BITS)


class Placed(data.StructLayout):
    """An item whose position is known.

    Members: ``present``: it has a ``value``; ``x``: of the value, plus the padding on the left, modulo 32;
    ``column``: see :class:`ColumnConfig`; ``weight``: its channel's first weight word, counted through the
    pass; ``pixel``: channel * Wo; ``mark``: last of its segment.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "present": 1,
                "value": arch.activation_bits,
                "x": STRIDE_BITS + 1,
                "column": signed(COLUMN_BITS),
                "weight": weight_address_bits(arch),
                "pixel": bank_address_bits(arch),
                "mark": 1,
            }
        )


class Item(data.StructLayout):
    """An item whose kernel columns are known: ``columns``, the mask of those that meet an output, is 0
    without a value; ``column`` has only the bits that matter then. The rest as in :class:`Placed`."""

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "value": arch.activation_bits,
                "columns": MAX_KERNEL,
                "column": bank_address_bits(arch),
                "weight": weight_address_bits(arch),
                "pixel": bank_address_bits(arch),
                "mark": 1,
            }
        )


class Tap(data.StructLayout):
    """What the scatter unit issues in a cycle.

    Members: ``kernel_row``, ``kernel_column``: the tap (unless depthwise); ``step``: which of the item's
    weight words (depthwise); ``rows``, ``columns``: masks of the taps valid for the item; ``sub_banks``: as
    in :class:`RowDescriptor`. The rest as in :class:`Item`.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "value": arch.activation_bits,
                "kernel_row": KERNEL_BITS,
                "kernel_column": KERNEL_BITS,
                "step": STEP_BITS,
                "rows": MAX_KERNEL,
                "columns": MAX_KERNEL,
                "sub_banks": data.ArrayLayout(unsigned(SUB_BANK_BITS), MAX_KERNEL),
                "column": bank_address_bits(arch),
                "weight": weight_address_bits(arch),
                "pixel": bank_address_bits(arch),
            }
        )


class BankAccess(data.StructLayout):
    """An access to an accumulator bank: ``valid`` and ``address``, the sub-bank above the word in it."""

    def __init__(self, arch: Arch) -> None:
        super().__init__({"valid": 1, "address": bank_address_bits(arch)})


class DrainRead(data.StructLayout):
    """One output value under way through the drain: its channel, and whether it ends its output segment."""

    def __init__(self, arch: Arch) -> None:
        super().__init__({"channel": range(arch.columns), "segment_end": 1})


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
    """A segment that a lane has taken: how many ``values`` it has, whether they are ``raw``. The rest as in
    :class:`NextSegment`."""

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "values": COUNT_BITS,
                "raw": 1,
                "weight": weight_address_bits(arch),
                "pixel": bank_address_bits(arch),
                "row": ROW_BITS,
            }
        )


class QueuedItem(data.StructLayout):
    """What the item FIFO of a lane holds: ``row``: number of its input row, modulo 2^ROW_BITS. The rest as in
    :class:`Item`."""

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


class PassConfig(data.StructLayout):
    """What a core must know of a pass: what all its parts must, and what the reader must beside it, see
    :class:`ReaderConfig`; constant from ``start`` to ``done``."""

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "core": CoreConfig(arch),
                "place_words": PLACE_BITS,
                "index_line": LINE_BITS,
                "segment_pixels": bank_address_bits(arch),
            }
        )


class SentPass(data.StructLayout):
    """A pass as it is sent to a core: its ``config``; the ``lengths`` in the line of
    the index that has the entry of the first segment that it reads."""

    def __init__(self, arch: Arch) -> None:
        super().__init__({"config": PassConfig(arch), "lengths": INDEX_LENGTHS})
