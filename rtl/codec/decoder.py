"""Bits to symbols: decoding and zero-skipping in one step."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import LONG_RUN, WORD_BITS, Arch
from rtl.bits.leading import LeadingCount
from rtl.bits.window import Window
from rtl.codec.symbol import (
    COUNT_BITS,
    MIN_ACTIVATION_BITS,
    ORDER_BITS,
    DecoderConfig,
    Symbol,
    Word,
    longest_symbol,
    significant_bits,
)


class SegDecoder(wiring.Component):
    """One symbol a cycle, back to back across segments (docs/architecture.md, *Symbol* and *Decoder*).

    A symbol is consumed in cycle T if ``credit`` is high and its words are in the window; it is valid on
    ``symbols`` in T + 1. ``run``, ``present`` and the marks come from registers, ``value`` (undefined unless
    ``present``) through a mask and a subtraction after them.

    A code with more leading zeros than a legal one has, a segment that ends inside a code or before its last
    value, and one that goes on after it, set ``error``. From then on words are dropped and the values read as
    zeros, so that a pass still ends; ``start`` ends that state.

    Args:
        arch: gives ``run_max`` and ``activation_bits`` (4 .. 16).

    Ports:
        words: In(stream of Word), the segments of the pass.
        config: In(DecoderConfig), constant from ``start`` on.
        start: In(1), drops what is left of the pass before; words enter from the next cycle on.
        credit: In(1), a symbol may be consumed in this cycle.
        symbols: Out(stream of Symbol, always ready).
        error: Out(1), sticky, two cycles after the symbol at fault was consumed.
    """

    def __init__(self, arch: Arch) -> None:
        if arch.activation_bits < MIN_ACTIVATION_BITS:
            raise ValueError(
                f"activation_bits must be {MIN_ACTIVATION_BITS} .. 16, not {arch.activation_bits}"
            )
        self._arch = arch
        super().__init__(
            {
                "words": In(stream.Signature(Word)),
                "config": In(DecoderConfig),
                "start": In(1),
                "credit": In(1),
                "symbols": Out(stream.Signature(Symbol(arch), always_ready=True)),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, config = self._arch, self.config
        m.submodules.window = window = Window(longest_symbol(arch), significant_bits(arch.activation_bits))
        order = Signal(ORDER_BITS)  # SEG_0 and SEG_1 are the same code
        m.d.comb += order.eq(Mux(config.order == 0, 1, config.order))

        words_in = Signal()  # words go to the window; after an error they are dropped
        m.d.comb += [
            words_in.eq(~self.error & ~self.start),
            window.words.payload.eq(self.words.payload),
            window.words.valid.eq(self.words.valid & words_in),
            self.words.ready.eq(Mux(words_in, window.words.ready, ~self.start)),
            window.clear.eq(~words_in),
        ]

        # The symbol at the head. Its run is `ones` zeros, and a value follows unless that is more than
        # run_max. The value's code, of `2 prefix + order` bits, has its first one where the bits rise for the
        # first time, `prefix` bits after the run.
        longest_run = LONG_RUN * arch.run_max
        longest_edge = arch.run_max + arch.activation_bits
        head = Signal(len(window.bits))  # first bit least significant; ones, so all zeros, after an error
        value_follows = Signal()
        m.submodules.ones = ones = LeadingCount(longest_run, of=1)
        m.submodules.short = short = LeadingCount(arch.run_max, of=1)  # the same, where a value follows
        m.submodules.edge = edge = LeadingCount(longest_edge)
        m.d.comb += [
            head.eq(window.bits[::-1]),
            ones.bits.eq(head[:longest_run][::-1]),
            short.bits.eq(head[: arch.run_max][::-1]),
            edge.bits.eq((head[1 : longest_edge + 1] & ~head[:longest_edge])[::-1]),
            value_follows.eq(~head[: arch.run_max + 1].all()),
        ]

        # What is consumed.
        left = Signal(COUNT_BITS)  # values of the segment that are to come
        values = Signal(range(longest_run + 1))  # of the symbol, but for the end of the segment
        base = Signal(len(window.length))
        m.d.comb += base.eq(order + 2 - short.count)
        with m.If(config.skip_zeros):
            m.d.comb += values.eq(ones.count + value_follows)
            with m.If(value_follows):
                m.d.comb += window.length.eq((edge.count << 1) + base)
            with m.Else():
                m.d.comb += window.length.eq(ones.count)
        with m.Else():
            m.d.comb += [values.eq(1), window.length.eq(config.raw_bits)]
        m.d.comb += [
            window.take.eq((window.ready | self.error) & self.credit & ~self.start),
            window.rest.eq(left <= values),
        ]

        # Values and segments to come.
        segments_left = Signal(COUNT_BITS)  # of the row
        row_ends = segments_left == 1
        tail_is_next = Mux(row_ends, config.segments == 1, segments_left == 2)
        with m.If(self.start):
            m.d.sync += segments_left.eq(config.segments)
            m.d.sync += left.eq(Mux(config.segments == 1, config.tail_values, config.full_values))
        with m.Elif(window.take & window.rest):
            m.d.sync += segments_left.eq(Mux(row_ends, config.segments, segments_left - 1))
            m.d.sync += left.eq(Mux(tail_is_next, config.tail_values, config.full_values))
        with m.Elif(window.take):
            m.d.sync += left.eq(left - values)

        # The symbol, a cycle later.
        symbol = self.symbols.payload
        run = Mux(left <= ones.count, left, ones.count)
        first_one = Signal(range(longest_edge + 2))
        m.d.sync += [
            self.symbols.valid.eq(window.take),
            symbol.run.eq(Mux(config.skip_zeros, run, 0)),
            symbol.present.eq(~config.skip_zeros | (value_follows & (ones.count < left))),
            symbol.segment_end.eq(window.rest),
            symbol.row_end.eq(window.rest & row_ends),
            first_one.eq(edge.count + 1),
        ]

        # Its value is the last `prefix + order` bits that were consumed, less 2^order - 1.
        prefix = Signal(range(longest_edge + 2))
        significant = Signal(range(longest_edge + (1 << ORDER_BITS) + 1))
        code = Signal(len(window.taken))
        number = Signal(signed(len(code) + 1))
        m.d.comb += [
            prefix.eq(first_one - symbol.run),
            significant.eq(Mux(config.skip_zeros, prefix + order, config.raw_bits)),
            code.eq(Cat(bit & (i < significant) for i, bit in enumerate(window.taken))),
            number.eq(code - Mux(config.skip_zeros, (1 << order) - 1, 0)),
            symbol.value.eq(number),
        ]

        # Its faults: an illegal prefix, a value out of range, the end of the segment elsewhere.
        begin = Signal.like(window.offset)
        length = Signal.like(window.length)
        last, next_last = Signal(), Signal()
        m.d.sync += [
            begin.eq(window.offset),
            length.eq(window.length),
            last.eq(window.last),
            next_last.eq(window.next_last),
        ]
        most_zeros = Mux(order > arch.activation_bits, 1, arch.activation_bits + 1 - order)
        too_large = number[arch.activation_bits :].any()
        bad_code = symbol.present & config.skip_zeros & ((prefix > most_zeros) | too_large)
        end = Signal(range(2 * WORD_BITS))
        m.d.comb += end.eq(begin + Mux(symbol.present, length, symbol.run))
        inside = Mux(symbol.segment_end, end <= WORD_BITS, end < WORD_BITS)
        closes = Mux(last, inside, ~symbol.segment_end | (next_last & (end > WORD_BITS)))
        with m.If(self.start):
            m.d.sync += self.error.eq(0)
        with m.Elif(self.symbols.valid & (bad_code | ~closes)):
            m.d.sync += self.error.eq(1)
        return m
