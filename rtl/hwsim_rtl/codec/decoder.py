"""Bits to symbols, two segments in turns.

No ``from __future__ import annotations`` here: ``data.Struct`` reads its annotations as values.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import LONG_RUN, WORD_BITS, Arch
from hwsim.machine.descriptors import COUNT_BITS, MIN_ACTIVATION_BITS
from hwsim_rtl.bits.ring import CHUNK_BITS, FINE, Marks, RingFirst
from hwsim_rtl.bits.windows import Windows
from hwsim_rtl.bits.word import Word
from hwsim_rtl.codec.symbol import ORDER_BITS, CodeConfig, Segment, Symbol, significant_bits

LANES = 2
QUEUE = 4  # segments of a lane that wait behind the one that is decoded
QUEUE_BITS = (QUEUE - 1).bit_length()


class Held(data.StructLayout):
    """What a lane holds of segments.

    Members: ``active``: one is decoded, ``raw`` or in SEG, of which ``values`` are left before the symbol
    that was consumed last, ``run`` and ``one`` of them in that symbol. ``first``, ``waiting``: place and
    number of those that wait. ``owed``: segments whose last word has not entered.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "active": 1,
                "raw": 1,
                "values": COUNT_BITS,
                "run": range(LONG_RUN * arch.run_max + 1),
                "one": 1,
                "first": QUEUE_BITS,
                "waiting": range(QUEUE + 1),
                "owed": range(QUEUE + 2),
            }
        )


class Sight(data.Struct):
    """What stage one finds: places, counted from the begin of the word at the head; the segment's end.

    ``start``: of the symbol; ``zero``, ``rise``: the first 0, and where the bits first rise. ``longest_end``:
    where the longest run would end; ``last_begin``: the last place at which a value of this symbol may begin;
    ``raw_end``: the end of a raw value. ``left``: values of the segment from here on; ``near``: so few that a
    run may hold them; ``bound``: where the segment would end if all of them were zeros, only while ``near``.
    """

    start: range(WORD_BITS)
    zero: range(2 * WORD_BITS)
    rise: range(2 * WORD_BITS)
    longest_end: range(2 * WORD_BITS)
    last_begin: range(2 * WORD_BITS)
    raw_end: range(2 * WORD_BITS)
    left: COUNT_BITS
    one_left: 1
    near: 1
    bound: range(2 * WORD_BITS)
    last_but_one: range(2 * WORD_BITS)


class Details(data.Struct):
    """What the value and the faults of a symbol are found from, a cycle after it was consumed.

    ``begin``, ``end``: where it lies, from the begin of its word on, ``end`` as if a value were in it;
    ``raw``: as its segment; ``prefix``: zeros of its code; ``is_zero``: its value, if there is one, is 0;
    ``last``, ``next_last``: its word, the one after it is the last of the segment.
    """

    raw: 1
    begin: range(WORD_BITS)
    end: range(2 * WORD_BITS)
    prefix: range(2 * WORD_BITS)
    is_zero: 1
    last: 1
    next_last: 1


class Decoder(wiring.Component):
    """Two decoders that take turns: each a symbol every two cycles, together one a cycle.

    Every second cycle is a lane's *own*; lane 0 owns the one after ``start``. The loop "where does this
    symbol end, there the next one begins" goes through a second register: stage one, in the cycle before a
    lane's own, finds where the bits first change; stage two, in its own, the end. Symbols come back to back
    across segments, raw or in SEG. A raw zero that is skipped is a run of one zero.

    A symbol is consumed in an own cycle T if ``credit`` is high and its words are in the lane's window; it is
    valid on ``symbols`` in T + 2. All but ``value`` come from registers, ``value`` (undefined unless
    ``present``) through a subtraction after them.

    Segments and words are taken in own cycles. Each lane takes the words of its segments, up to the last one,
    from two cycles after the segment on, and no others. A lane holds up to five segments.

    A code with more leading zeros than a legal one has, a segment that ends inside a code or before its last
    value, and one that goes on after it, set ``error``. From then on the words of the segments are dropped,
    in both lanes, and the values read as zeros, so that the pass still ends; ``start`` ends that state.

    Args:
        arch: gives ``run_max`` and ``activation_bits`` (4 .. 16).

    Ports:
        segments: two In(stream of Segment), of each lane.
        words: two In(stream of Word), of each lane, the words of its segments.
        config: In(CodeConfig), constant from ``start`` on.
        start: In(1), only while not ``running``.
        credit: In(2), a symbol of lane 0, of lane 1 may be consumed in this cycle.
        symbols: Out(stream of Symbol, always ready).
        makes: Out(2), a register: the symbol of this cycle makes an item of that lane, since it has a value
            or is the last one of its segment.
        error: Out(1), sticky, three cycles after the symbol at fault was consumed.
        running: Out(1), words or symbols of segments are to come.
    """

    def __init__(self, arch: Arch) -> None:
        if arch.activation_bits < MIN_ACTIVATION_BITS:
            raise ValueError(
                f"activation_bits must be {MIN_ACTIVATION_BITS} .. 16, not {arch.activation_bits}"
            )
        self._arch = arch
        super().__init__(
            {
                "segments": In(stream.Signature(Segment)).array(LANES),
                "words": In(stream.Signature(Word)).array(LANES),
                "config": In(CodeConfig),
                "start": In(1),
                "credit": In(LANES),
                "symbols": Out(stream.Signature(Symbol(arch), always_ready=True)),
                "makes": Out(LANES),
                "error": Out(1),
                "running": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, config = self._arch, self.config
        m.submodules.windows = windows = Windows(significant_bits(arch.activation_bits))
        order = Signal(ORDER_BITS)  # SEG_0 and SEG_1 are the same code
        own = Signal()  # the lane whose cycle it is
        other = Signal(init=1)  # the other one, a register of its own for the addresses of the windows
        m.d.comb += [
            order.eq(Mux(config.order == 0, 1, config.order)),
            windows.turn.eq(other),
            windows.clear.eq(self.error),
        ]
        m.d.sync += [own.eq(other & ~self.start), other.eq(own | self.start)]

        # What a lane holds goes round, as its window's state does.
        early, held, after = (Signal(Held(arch), name=name) for name in ("early", "held", "after"))
        m.d.sync += [held.eq(early), early.eq(after)]
        busy = Cat(lane.active | (lane.waiting != 0) | (lane.owed != 0) for lane in (early, held))
        m.d.comb += [after.eq(held), self.running.eq(busy.any())]

        sight = self._look(m, windows, early)
        consumed, symbol, details = self._end(m, windows, sight, held.raw, order)
        m.d.comb += windows.take.eq(
            (windows.ready | self.error) & held.active & self.credit.bit_select(own, 1)
        )
        m.d.sync += symbol.lane.eq(own)
        self._next_segment(m, windows, held, after, own, sight.left, consumed)
        self._words_in(m, windows, held, after, own)
        self._value(m, windows, symbol, details, order)
        return m

    def _look(self, m: Module, windows: Windows, early: data.View) -> data.View:
        """Stage one: where the bits of a lane first change, and what is left of its segment.

        Bits of the chunk at the head that are gone, and all bits after an error, read as zeros of the map:
        ones, if the segment is in SEG. A run of ones goes up to the first 0. The value after it, of
        `2 prefix + order` bits, has its first one where the bits rise for the first time, `prefix` bits after
        the run; that of a raw value is where the bits first rise too.
        """
        arch, raw = self._arch, early.raw
        start = windows.offset
        chunk, fine = start[FINE:], start[:FINE]
        head = Signal(CHUNK_BITS)
        gone = Cat(self.error | (fine > i) for i in range(CHUNK_BITS))
        shown = windows.bits.word_select(chunk, CHUNK_BITS)
        m.submodules.first_zero = first_zero = RingFirst()
        m.submodules.first_rise = first_rise = RingFirst()
        m.d.comb += [
            head.eq(Mux(raw, shown & ~gone, shown | gone)),
            first_zero.head.eq(~head),
            first_zero.marks.eq(windows.zeros.as_value() | self.error.replicate(Marks.size)),
            first_rise.head.eq(head & ~Cat(~raw, head[:-1])),
            first_rise.marks.eq(windows.rises),
            first_zero.chunk.eq(chunk),
            first_rise.chunk.eq(chunk),
        ]

        # What the symbol before took is subtracted here, in one sum: values - run - one is
        # values + ~run + (1 - one), of which the last is a carry.
        left = Signal(COUNT_BITS)
        bound = Signal(range(2 * WORD_BITS))
        run = Cat(early.run, Const(0, COUNT_BITS - len(early.run)))
        m.d.comb += [
            left.eq((Cat(Const(1), early.values) + Cat(~early.one, ~run))[1:]),
            bound.eq(left + start),
        ]
        runs = ~raw & self.config.skip_zeros
        longest_run = LONG_RUN * arch.run_max
        sight = Signal(Sight)
        m.d.sync += [
            sight.start.eq(start),
            sight.zero.eq(first_zero.first),
            sight.rise.eq(first_rise.first),
            sight.longest_end.eq(start + Mux(runs, longest_run, 1)),
            sight.last_begin.eq(start + Mux(runs, arch.run_max, 0)),
            sight.raw_end.eq(start + self.config.raw_bits),
            sight.left.eq(left),
            sight.one_left.eq(left == 1),
            sight.near.eq(left <= longest_run),
            sight.bound.eq(bound),
            sight.last_but_one.eq(left + (start - 1)),
        ]
        return sight

    def _end(
        self, m: Module, windows: Windows, sight: data.View, raw: Value, order: Signal
    ) -> tuple[data.View, data.View, data.View]:
        """Stage two: where the symbol ends, and whether its segment ends with it.

        The segment ends with the symbol that holds its last value. A value that follows a run is one more, so
        that the run need not reach the bound by one bit. Without runs a symbol is one value.

        Returns:
            The symbol as it is consumed; the same and its details, a cycle later.
        """
        config = self.config
        runs = ~raw & config.skip_zeros
        value_follows, run_ends_segment, passes_bound, raw_zero = (Signal() for _ in range(4))
        run_end, value_end = Signal.like(sight.zero), Signal.like(sight.zero)
        found = Symbol(self._arch)
        consumed = Signal(data.StructLayout({name: found[name].shape for name in ("run", "present")}))
        m.d.comb += [
            run_end.eq(Mux(sight.zero < sight.longest_end, sight.zero, sight.longest_end)),
            value_follows.eq(sight.zero <= sight.last_begin),
            value_end.eq((sight.rise << 1) - sight.zero + order),
            raw_zero.eq(self.error | (sight.rise >= sight.raw_end)),
            windows.end.eq(Mux(raw, sight.raw_end, Mux(value_follows, value_end, run_end))),
            run_ends_segment.eq(sight.near & (sight.zero >= sight.bound)),
            passes_bound.eq(Mux(value_follows, sight.zero >= sight.last_but_one, sight.zero >= sight.bound)),
            windows.rest.eq(Mux(runs, sight.near & passes_bound, sight.one_left)),
        ]
        with m.If(runs):
            m.d.comb += [
                consumed.run.eq(Mux(run_ends_segment, sight.left, run_end - sight.start)),
                consumed.present.eq(value_follows & ~run_ends_segment),
            ]
        with m.Else():
            m.d.comb += [
                consumed.run.eq(config.skip_zeros & raw_zero),
                consumed.present.eq(~(config.skip_zeros & raw_zero)),
            ]

        symbol, details = Signal(found, name="symbol"), Signal(Details)
        m.d.sync += [
            symbol.run.eq(consumed.run),
            symbol.present.eq(consumed.present),
            symbol.segment_end.eq(windows.rest),
            details.begin.eq(sight.start),
            details.end.eq(windows.end),
            details.prefix.eq(sight.rise - sight.zero),
            details.raw.eq(raw),
            details.is_zero.eq(Mux(raw, raw_zero, ~value_follows)),
            details.last.eq(windows.last),
            details.next_last.eq(windows.next_last),
        ]
        return consumed, symbol, details

    def _next_segment(
        self,
        m: Module,
        windows: Windows,
        held: data.View,
        after: data.View,
        own: Signal,
        left: Value,
        consumed: data.View,
    ) -> None:
        """Segments in, and the one that waits first is decoded when the one before is through."""
        m.submodules.queue = queue = memory.Memory(shape=Segment, depth=LANES * QUEUE, init=[])
        write, read = queue.write_port(), queue.read_port(domain="comb")
        room, arrives, free = Signal(), Signal(), Signal()
        for lane, segments in enumerate(self.segments):
            m.d.comb += segments.ready.eq((own == lane) & room)
        m.d.comb += [
            room.eq(held.waiting != QUEUE),
            arrives.eq(_of(own, [segments.valid for segments in self.segments]) & room),
            write.addr.eq(Cat((held.first + held.waiting)[:QUEUE_BITS], own)),
            write.data.eq(_of(own, [segments.payload for segments in self.segments])),
            write.en.eq(arrives),
            read.addr.eq(Cat(held.first, own)),
            free.eq(~held.active | (windows.take & windows.rest)),
        ]
        moves = free & (held.waiting != 0)
        m.d.comb += [
            after.active.eq(~free | moves),
            after.values.eq(Mux(free, read.data.values, left)),
            after.raw.eq(Mux(free, read.data.raw, held.raw)),
            after.run.eq(Mux(windows.take & ~free, consumed.run, 0)),
            after.one.eq(windows.take & ~free & consumed.present),
            after.first.eq(held.first + moves),
            after.waiting.eq(held.waiting + arrives - moves),
        ]

    def _words_in(self, m: Module, windows: Windows, held: data.View, after: data.View, own: Signal) -> None:
        """Words of segments whose last one is still to come; after an error they are dropped."""
        valid, owes, taken = Signal(), Signal(), Signal()
        segment = Signal()
        m.d.comb += [
            windows.words.payload.eq(_of(own, [words.payload for words in self.words])),
            valid.eq(_of(own, [words.valid for words in self.words])),
            owes.eq(held.owed != 0),
            windows.words.valid.eq(valid & owes & ~self.error),
            taken.eq(owes & (self.error | windows.words.ready)),
            segment.eq(Cat(segments.valid & segments.ready for segments in self.segments).any()),
            after.owed.eq(held.owed + segment - (valid & taken & windows.words.payload.last)),
        ]
        for lane, words in enumerate(self.words):
            m.d.comb += words.ready.eq((own == lane) & taken)

    def _value(
        self, m: Module, windows: Windows, symbol: data.View, details: data.View, order: Signal
    ) -> None:
        """A symbol's value, the last `prefix + order` bits consumed less 2^order - 1, and its faults.

        Faults are an illegal prefix, a value out of range, and the end of the segment elsewhere.
        """
        arch, config, out, raw = self._arch, self.config, self.symbols.payload, details.raw
        valid = Signal()
        significant = Signal(range(WORD_BITS + (1 << ORDER_BITS)))
        code = Signal(len(windows.taken))
        less = Signal((1 << ORDER_BITS) - 1)
        number = Signal(signed(len(code) + 1))
        is_zero, is_code, faulty = Signal(), Signal(), Signal()
        coded = symbol.present & ~raw & ~details.is_zero
        most_zeros = Mux(order > arch.activation_bits, 1, arch.activation_bits + 1 - order)
        end = Signal(range(2 * WORD_BITS))
        run_alone = ~raw & config.skip_zeros & ~symbol.present
        inside = Mux(symbol.segment_end, end <= WORD_BITS, end < WORD_BITS)
        closes = Mux(details.last, inside, ~symbol.segment_end | (details.next_last & (end > WORD_BITS)))
        m.d.comb += [
            significant.eq(Mux(raw, config.raw_bits, details.prefix + order)),
            end.eq(Mux(run_alone, details.begin + symbol.run, details.end)),
            number.eq(code - less),
        ]
        makes = valid & (symbol.present | symbol.segment_end)
        m.d.sync += [
            less.eq(Mux(raw, 0, (1 << order) - 1)),
            valid.eq(windows.take),
            self.symbols.valid.eq(valid),
            self.makes.eq(Cat(makes & ~symbol.lane, makes & symbol.lane)),
            *(out[name].eq(symbol[name]) for name in ("lane", "run", "present", "segment_end")),
            code.eq(Cat(bit & (i < significant) for i, bit in enumerate(windows.taken))),
            is_zero.eq(details.is_zero),
            is_code.eq(coded),
            faulty.eq(~closes | (coded & (details.prefix > most_zeros))),
        ]
        m.d.comb += out.value.eq(Mux(is_zero, 0, number))
        too_large = is_code & number[arch.activation_bits :].any()
        with m.If(self.start):
            m.d.sync += self.error.eq(0)
        with m.Elif(self.symbols.valid & (faulty | too_large)):
            m.d.sync += self.error.eq(1)


def _of(lane: Value, values: list) -> Value:
    """That of a lane."""
    return Mux(lane, values[1], values[0])
