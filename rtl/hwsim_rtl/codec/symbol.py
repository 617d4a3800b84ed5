"""Payloads of the streams around the decoder and the encoder: one place for their widths.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import unsigned
from amaranth.lib import data

from hwsim.arch import LONG_RUN, Arch
from hwsim.codec.checks import MAX_BITS, MAX_ORDER
from hwsim.machine.descriptors import COUNT_BITS

ORDER_BITS = MAX_ORDER.bit_length()
RAW_BITS = MAX_BITS.bit_length()  # width of a raw value, 1 .. 16


def significant_bits(activation_bits: int) -> int:
    """Most bits of a code from its first one on: those of x - 1 + 2^k, for x below 2^activation_bits."""
    return max(activation_bits + 1, 1 << ORDER_BITS)


def longest_code(activation_bits: int) -> int:
    """Bits of the longest code over all orders: k <= 1, or k = 15 for few bits."""
    return max(2 * activation_bits + 1, (1 << ORDER_BITS) + 1)


def longest_symbol(arch: Arch) -> int:
    """Bits of the longest symbol: ``run_max`` zeros and a value, or a long run alone."""
    return max(LONG_RUN * arch.run_max, arch.run_max + longest_code(arch.activation_bits))


class Symbol(data.StructLayout):
    """What the decoder consumes in a cycle.

    Members: ``lane``: the one that decodes its segment; ``run`` zeros; then, if ``present``, one ``value``
    (unsigned code, zero only if zeros are not skipped); ``segment_end``: the last symbol of its segment.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "lane": 1,
                "run": range(LONG_RUN * arch.run_max + 1),
                "present": 1,
                "value": arch.activation_bits,
                "segment_end": 1,
            }
        )


class Segment(data.Struct):
    """A segment that a lane is to decode: how many values it has, at least 1; whether they are ``raw``."""

    values: unsigned(COUNT_BITS)
    raw: 1


class CodeConfig(data.Struct):
    """How the segments of a pass are coded, as in :class:`DecoderConfig`; constant from ``start`` on."""

    order: unsigned(ORDER_BITS)
    skip_zeros: 1
    raw_bits: unsigned(RAW_BITS)


class DecoderConfig(data.Struct):
    """What a pass reads; constant from ``start`` to the end of the pass.

    Each segment is in SEG of ``order``, or of raw values of ``raw_bits`` bits. ``skip_zeros``: a
    zero is no value. ``rows`` of ``segments`` segments, of ``full_values`` values each, the last of a row of
    ``tail_values``; all at least 1.
    """

    order: unsigned(ORDER_BITS)
    skip_zeros: 1
    raw_bits: unsigned(RAW_BITS)
    rows: unsigned(COUNT_BITS)
    segments: unsigned(COUNT_BITS)
    full_values: unsigned(COUNT_BITS)
    tail_values: unsigned(COUNT_BITS)


class EncoderConfig(data.Struct):
    """How a pass writes its outputs: ``compressed`` in SEG of ``order``, else raw in ``raw_bits`` bits;
    constant while values are under way."""

    order: unsigned(ORDER_BITS)
    compressed: 1
    raw_bits: unsigned(RAW_BITS)


class OutputValue(data.StructLayout):
    """A value to be coded; ``segment_end``: the last one of its segment."""

    def __init__(self, arch: Arch) -> None:
        super().__init__({"code": arch.activation_bits, "segment_end": 1})
