"""Bits to symbols: decoding and zero-skipping in one step."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import LONG_RUN, WORD_BITS, Arch
from hwsim.machine.descriptors import COUNT_BITS, MIN_ACTIVATION_BITS
from hwsim_rtl.bits.ring import CHUNK_BITS, FINE, Marks, RingFirst
from hwsim_rtl.bits.window import Window
from hwsim_rtl.bits.word import Word
from hwsim_rtl.codec.segment_counter import SegmentCounter
from hwsim_rtl.codec.symbol import ORDER_BITS, DecoderConfig, Symbol, significant_bits


class SegDecoder(wiring.Component):
    """One symbol a cycle, back to back across segments (docs/architecture.md, *Symbol* and *Decoder*).

    A raw zero that is skipped is a run of one zero.

    A symbol is consumed in cycle T if ``credit`` is high and its words are in the window; it is valid on
    ``symbols`` in T + 1. ``run``, ``present`` and the marks come from registers, ``value`` (undefined unless
    ``present``) through a mask and a subtraction after them.

    Words are taken from ``start`` on, up to the last one of the pass, and no others: those of the next pass
    wait for its start. All of them have left when the last symbol is consumed.

    A code with more leading zeros than a legal one has, a segment that ends inside a code or before its last
    value, and one that goes on after it, set ``error``. From then on the words of the pass are dropped and
    the values read as zeros, so that it still ends; ``start`` ends that state.

    Args:
        arch: gives ``run_max`` and ``activation_bits`` (4 .. 16).

    Ports:
        words: In(stream of Word), the segments of the pass.
        config: In(DecoderConfig), constant from ``start`` on.
        start: In(1), only while not ``running``; words enter from the next cycle on.
        credit: In(1), a symbol may be consumed in this cycle.
        symbols: Out(stream of Symbol, always ready).
        error: Out(1), sticky, two cycles after the symbol at fault was consumed.
        running: Out(1), words or symbols of the pass are to come.
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
                "running": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, config = self._arch, self.config
        m.submodules.window = window = Window(significant_bits(arch.activation_bits))
        order = Signal(ORDER_BITS)  # SEG_0 and SEG_1 are the same code
        m.d.comb += order.eq(Mux(config.order == 0, 1, config.order))

        # Words in: counted by the ends of their segments; after an error they are dropped.
        m.submodules.entering = entering = SegmentCounter()
        m.submodules.decoding = decoding = SegmentCounter()
        for counter in (entering, decoding):
            m.d.comb += [counter.config.eq(config), counter.start.eq(self.start)]
        m.d.comb += [
            window.words.payload.eq(self.words.payload),
            window.words.valid.eq(self.words.valid & entering.running & ~self.error),
            self.words.ready.eq(entering.running & (self.error | window.words.ready)),
            entering.step.eq(self.words.valid & self.words.ready & self.words.payload.last),
            window.clear.eq(self.error),
            self.running.eq(entering.running | decoding.running),
        ]

        # The symbol at the head; places are counted from the begin of the word at the head. Bits of its chunk
        # that are gone, and all bits after an error, read as zeros of the map: ones, if it is compressed.
        start = window.offset
        chunk, fine = start[FINE:], start[:FINE]
        head = Signal(CHUNK_BITS)
        head_rises = Signal(CHUNK_BITS)
        gone = Cat(self.error | (fine > i) for i in range(CHUNK_BITS))
        shown = window.bits.word_select(chunk, CHUNK_BITS)
        compressed, runs = config.compressed, config.compressed & config.skip_zeros
        m.d.comb += head.eq(Mux(compressed, shown | gone, shown & ~gone))
        m.d.comb += head_rises.eq(head & ~Cat(compressed, head[:-1]))

        # A run of ones, zeros of the map, goes up to the first 0; a value follows unless the run is more than
        # run_max. The value's code, of `2 prefix + order` bits, has its first one where the bits rise for the
        # first time, `prefix` bits after the run. Where no runs are decoded, a zero is the longest one. The
        # first one of a raw value is where the bits first rise too, in its chunk or, after nothing but zeros,
        # in the next.
        m.submodules.first_zero = first_zero = RingFirst()
        m.submodules.first_rise = first_rise = RingFirst()
        zero, rise = first_zero.first, first_rise.first
        m.d.comb += [
            first_zero.head.eq(~head),
            first_zero.marks.eq(window.zeros.as_value() | self.error.replicate(Marks.size)),
            first_rise.head.eq(head_rises),
            first_rise.marks.eq(window.rises),
        ]
        m.d.comb += [first_zero.chunk.eq(chunk), first_rise.chunk.eq(chunk)]
        longest_run = LONG_RUN * arch.run_max
        longest_end = Signal.like(window.end)
        raw_zero = Signal()
        raw_end = Signal.like(window.end)
        run_end = Signal.like(window.end)  # of the run alone, no longer than the longest
        value_end = Signal.like(window.end)
        value_follows = Signal()
        m.d.comb += [
            longest_end.eq(start + Mux(runs, longest_run, 1)),
            raw_end.eq(start + config.raw_bits),
            raw_zero.eq(self.error | (rise >= raw_end)),
            run_end.eq(Mux(zero < longest_end, zero, longest_end)),
            value_follows.eq(zero <= start + Mux(runs, arch.run_max, 0)),
            value_end.eq((rise << 1) - zero + order),
            window.end.eq(Mux(compressed, Mux(value_follows, value_end, run_end), raw_end)),
        ]

        # The segment ends with the symbol that holds its last value. What the symbol before took is
        # subtracted here, a cycle late. `bound` is where the segment would end if all that is left of it were
        # zeros; a value that follows is one more, so that its zeros need to reach one bit less far. Without
        # runs a symbol is one value.
        symbol = self.symbols.payload
        before = Signal(COUNT_BITS)  # values of the segment from the symbol before on
        left = Signal(COUNT_BITS)  # from this symbol on
        pending = Signal()  # the symbol before is of the same segment
        bound = Signal.like(zero)  # only while `near`
        last_but_one = Signal.like(zero)
        near = Signal()
        run_ends_segment = Signal()  # at the run's end, or within it
        passes_bound = Signal()
        m.d.comb += [
            left.eq(before - Mux(pending, symbol.run + symbol.present, 0)),
            near.eq(left <= longest_run),
            bound.eq(left + start),
            last_but_one.eq(bound - 1),
            run_ends_segment.eq(near & (zero >= bound)),
            passes_bound.eq(Mux(value_follows, zero >= last_but_one, zero >= bound)),
            window.rest.eq(Mux(runs, near & passes_bound, left == 1)),
            window.take.eq((window.ready | self.error) & decoding.running & self.credit),
            decoding.step.eq(window.take & window.rest),
        ]

        # Values of the next segment.
        row_ends = decoding.row_end
        tail_is_next = Mux(row_ends, config.segments == 1, decoding.segments_left == 2)
        m.d.sync += [before.eq(left), pending.eq(window.take & ~window.rest)]
        with m.If(self.start):
            m.d.sync += before.eq(Mux(config.segments == 1, config.tail_values, config.full_values))
        with m.Elif(decoding.step):
            m.d.sync += before.eq(Mux(tail_is_next, config.tail_values, config.full_values))

        # The symbol, a cycle later.
        prefix = Signal.like(rise)
        is_zero = Signal()  # the value, if there is one
        run = Signal.like(symbol.run)
        m.d.comb += run.eq(Mux(run_ends_segment, left, run_end - start))
        m.d.sync += [
            self.symbols.valid.eq(window.take),
            symbol.run.eq(Mux(runs, run, config.skip_zeros & raw_zero)),
            symbol.present.eq(~Mux(runs, ~value_follows | run_ends_segment, config.skip_zeros & raw_zero)),
            symbol.segment_end.eq(window.rest),
            symbol.row_end.eq(window.rest & row_ends),
            prefix.eq(rise - zero),
            is_zero.eq(Mux(compressed, ~value_follows, raw_zero)),
        ]

        # Its value is the last `prefix + order` bits that were consumed, less 2^order - 1.
        significant = Signal(range(WORD_BITS + (1 << ORDER_BITS)))
        code = Signal(len(window.taken))
        number = Signal(signed(len(code) + 1))
        m.d.comb += [
            significant.eq(Mux(compressed, prefix + order, config.raw_bits)),
            code.eq(Cat(bit & (i < significant) for i, bit in enumerate(window.taken))),
            number.eq(code - Mux(compressed, (1 << order) - 1, 0)),
            symbol.value.eq(Mux(is_zero, 0, number)),
        ]

        # Its faults: an illegal prefix, a value out of range, the end of the segment elsewhere.
        begin = Signal.like(window.offset)
        value_end_before = Signal.like(window.end)
        last, next_last = Signal(), Signal()
        m.d.sync += [
            begin.eq(window.offset),
            value_end_before.eq(window.end),
            last.eq(window.last),
            next_last.eq(window.next_last),
        ]
        most_zeros = Mux(order > arch.activation_bits, 1, arch.activation_bits + 1 - order)
        too_large = number[arch.activation_bits :].any()
        bad_code = symbol.present & compressed & ~is_zero & ((prefix > most_zeros) | too_large)
        end = Signal(range(2 * WORD_BITS))
        m.d.comb += end.eq(Mux(runs & ~symbol.present, begin + symbol.run, value_end_before))
        inside = Mux(symbol.segment_end, end <= WORD_BITS, end < WORD_BITS)
        closes = Mux(last, inside, ~symbol.segment_end | (next_last & (end > WORD_BITS)))
        with m.If(self.start):
            m.d.sync += self.error.eq(0)
        with m.Elif(self.symbols.valid & (bad_code | ~closes)):
            m.d.sync += self.error.eq(1)
        return m
