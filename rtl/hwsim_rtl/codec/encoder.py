"""Values to bits: the SEG code of each, packed into words."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS, MIN_ACTIVATION_BITS
from hwsim_rtl.bits.packer import Packer
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.codec.forms import SegmentForms
from hwsim_rtl.codec.symbol import EncoderConfig, OutputValue, longest_code, significant_bits
from hwsim_rtl.codec.value_code import ValueCode

ENCODE_LATENCY = 3  # cycles from the last value of a segment to its last word


class SegEncoder(wiring.Component):
    """Code one value a cycle, for ever while words and index entries are taken.

    A zero is one bit, so zero runs need no merging. Without ``compressed``: raw values of ``raw_bits`` bits.
    Which of the two forms it has is known of a segment before its first value comes.

    The last value of a segment, taken in cycle t, makes the segment's last word and its index entry valid in
    t + 3; a value that fills a word earlier in the segment makes it valid in t + 2. A word or entry that is
    not taken holds up everything behind it, but not the other one of the two.

    Args:
        arch: gives ``activation_bits`` (4 .. 16).

    Ports:
        config: In(EncoderConfig), of the value that is offered; the same for all of a segment.
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
        value = self.values.payload
        low_bits, max_length = significant_bits(self._bits), longest_code(self._bits)
        m.submodules.packer = packer = Packer(max_length, low_bits)
        m.submodules.code = code = ValueCode(self._bits)
        piece = packer.pieces

        # A value's code, in the cycle after it was taken.
        nonzeros = Signal(COUNT_BITS)  # of the segment, with the value that was taken
        raw = Signal()
        m.d.comb += [
            code.take.eq(self.values.valid & self.values.ready),
            code.code.eq(value.code),
            code.config.eq(self.config),
            piece.payload.low.eq(code.low),
            piece.payload.length.eq(code.length),
            self.values.ready.eq(piece.ready | ~piece.valid),
        ]
        with m.If(self.values.ready):
            m.d.sync += piece.valid.eq(self.values.valid)
        with m.If(code.take):
            m.d.sync += [
                piece.payload.last.eq(value.segment_end),
                raw.eq(~self.config.compressed),
                nonzeros.eq(Mux(piece.payload.last, 0, nonzeros) + (value.code != 0)),
            ]

        # The index entry leaves beside the last word: what it says keeps step with the packer.
        packed, closed = Signal(COUNT_BITS), Signal(COUNT_BITS)
        packed_raw, closed_raw = Signal(), Signal()
        words = Signal(COUNT_BITS)  # of the segment that have left
        with m.If(piece.ready):
            m.d.sync += [packed.eq(nonzeros), closed.eq(packed)]
            m.d.sync += [packed_raw.eq(raw), closed_raw.eq(packed_raw)]
        m.d.comb += [
            self.index.payload.words.eq(words + 1),
            self.index.payload.raw.eq(closed_raw),
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


class SegmentEncoder(wiring.Component):
    """Write each segment in the form of fewer words: its values wait for its end, then are coded.

    The last of a segment's n values, taken in cycle t while no value of another segment waits, makes the
    last word valid in t + 8 + max(n, 2), or, where the form is known beforehand, in t + 10. See
    :class:`hwsim_rtl.codec.forms.SegmentForms` and :class:`SegEncoder`.

    Args:
        arch: gives ``activation_bits``, and the longest segment.

    Ports:
        config: In(EncoderConfig), of the value that is offered: with ``compressed`` a segment may have either
            form, else it is raw.
        values, words, index: as of :class:`SegEncoder`.
        ended: Out(1), a segment was given its form, whose last value was taken 3 cycles before.
    """

    def __init__(self, arch: Arch) -> None:
        self._forms, self._encoder = SegmentForms(arch), SegEncoder(arch)
        super().__init__(
            {
                "config": In(EncoderConfig),
                "values": In(stream.Signature(OutputValue(arch))),
                "words": Out(stream.Signature(Word)),
                "index": Out(stream.Signature(IndexEntry)),
                "ended": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.forms = forms = self._forms
        m.submodules.encoder = encoder = self._encoder
        connect(m, flipped(self.values), forms.values)
        connect(m, forms.formed, encoder.values)
        connect(m, encoder.words, flipped(self.words))
        connect(m, encoder.index, flipped(self.index))
        m.d.comb += [
            forms.config.eq(self.config),
            encoder.config.eq(forms.form),
            self.ended.eq(forms.ended),
        ]
        return m
