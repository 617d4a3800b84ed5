"""Values to bits: the SEG code of each, packed into words."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS, MIN_ACTIVATION_BITS
from hwsim_rtl.bits.leading import LeadingCount
from hwsim_rtl.bits.packer import Packer
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.codec.symbol import ORDER_BITS, EncoderConfig, OutputValue, longest_code, significant_bits

ENCODE_LATENCY = 3  # cycles from the last value of a segment to its last word


class SegEncoder(wiring.Component):
    """Code one value a cycle, for ever while words and index entries are taken.

    A zero is one bit, so zero runs need no merging. Without ``compressed``: raw values of ``raw_bits`` bits.

    The last value of a segment, taken in cycle t, makes the segment's last word and its index entry valid in
    t + 3; a value that fills a word earlier in the segment makes it valid in t + 2. A word or entry that is
    not taken holds up everything behind it, but not the other one of the two.

    Args:
        arch: gives ``activation_bits`` (4 .. 16).

    Ports:
        config: In(EncoderConfig), constant while values are under way.
        values: In(stream of OutputValue).
        words: Out(stream of Word).
        index: Out(stream of IndexEntry), one a segment.
    """

    def __init__(self, arch: Arch) -> None:
        if arch.activation_bits < MIN_ACTIVATION_BITS:
            raise ValueError(
                f"activation_bits must be {MIN_ACTIVATION_BITS} or more, not {arch.activation_bits}"
            )
        self._bits = arch.activation_bits
        super().__init__(
            {
                "config": In(EncoderConfig),
                "values": In(stream.Signature(OutputValue(arch))),
                "words": Out(stream.Signature(Word)),
                "index": Out(stream.Signature(IndexEntry)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, value = self.config, self.values.payload
        low_bits, max_length = significant_bits(self._bits), longest_code(self._bits)
        m.submodules.packer = packer = Packer(max_length, low_bits)
        m.submodules.zeros = zeros = LeadingCount(low_bits)
        piece = packer.pieces
        order = Signal(ORDER_BITS)  # SEG_0 and SEG_1 are the same code
        m.d.comb += order.eq(Mux(config.order == 0, 1, config.order))

        # First stage: the bits from the first one on. A zero is a single one.
        taken = Signal()
        is_zero = value.code == 0
        low = Signal(low_bits)
        single = Signal()
        nonzeros = Signal(COUNT_BITS)  # of the segment, with the value in this stage
        m.d.comb += taken.eq(self.values.valid & self.values.ready)
        m.d.comb += self.values.ready.eq(piece.ready | ~piece.valid)
        with m.If(self.values.ready):
            m.d.sync += piece.valid.eq(self.values.valid)
        with m.If(taken):
            m.d.sync += [
                piece.payload.last.eq(value.segment_end),
                single.eq(is_zero),
                nonzeros.eq(Mux(piece.payload.last, 0, nonzeros) + ~is_zero),
            ]
            with m.If(~config.compressed):
                m.d.sync += low.eq(value.code)
            with m.Elif(is_zero):
                m.d.sync += low.eq(1)
            with m.Else():
                m.d.sync += low.eq(value.code + ((1 << order) - 1))

        # Second stage: the length. With L bits from the first one on, a code has 2 L - order.
        m.d.comb += [zeros.bits.eq(low), piece.payload.low.eq(low)]
        with m.If(~config.compressed):
            m.d.comb += piece.payload.length.eq(config.raw_bits)
        with m.Elif(single):
            m.d.comb += piece.payload.length.eq(1)
        with m.Else():
            m.d.comb += piece.payload.length.eq(((low_bits - zeros.count) << 1) - order)

        # The index entry leaves beside the last word: the number of non-zeros keeps step with the packer.
        packed = Signal(COUNT_BITS)
        closed = Signal(COUNT_BITS)
        words = Signal(COUNT_BITS)  # of the segment that have left
        with m.If(piece.ready):
            m.d.sync += [packed.eq(nonzeros), closed.eq(packed)]
        m.d.comb += [
            self.index.payload.words.eq(words + 1),
            self.index.payload.raw.eq(~config.compressed),
            self.index.payload.nonzeros.eq(closed),
        ]

        # Word and entry are taken one by one; the packer moves on when both are.
        word, last = packer.words, packer.words.payload.last
        word_gone, entry_gone = Signal(), Signal()
        m.d.comb += [
            self.words.payload.eq(word.payload),
            self.words.valid.eq(word.valid & ~word_gone),
            self.index.valid.eq(word.valid & last & ~entry_gone),
            word.ready.eq((self.words.ready | word_gone) & (self.index.ready | entry_gone | ~last)),
        ]
        with m.If(word.valid):
            m.d.sync += word_gone.eq((self.words.ready | word_gone) & ~word.ready)
            m.d.sync += entry_gone.eq(last & (self.index.ready | entry_gone) & ~word.ready)
            with m.If(word.ready):
                m.d.sync += words.eq(Mux(last, 0, words + 1))
        return m
