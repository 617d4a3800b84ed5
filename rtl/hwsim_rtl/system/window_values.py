"""What windows of a map make: the largest of their values, the mean, or a value as it is."""

from __future__ import annotations

from collections.abc import Callable

from amaranth import Cat, EnableInserter, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import BURST_BYTES, LINE_WORDS, WORD_BITS, Arch
from hwsim.machine.descriptors import COUNT_BITS, WINDOW_COLUMNS
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.codec.encoder import SegmentEncoder
from hwsim_rtl.core.payloads import LINE_BITS, SUM_BITS
from hwsim_rtl.core.requantize import Requantizer, code_ends
from hwsim_rtl.system.payloads import LayerDescriptor, PoolWindow


class WindowPart(data.StructLayout):
    """What is read in a cycle: the ``number`` of a line, and where in it the part's first column would be;
    the columns that are ``seen`` there. Whether the window begins or ends with it, and a segment with the
    window."""

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "number": LINE_BITS,
                "position": range(8 * BURST_BYTES // arch.activation_bits),
                "seen": WINDOW_COLUMNS,
                "begins": 1,
                "ends": 1,
                "segment_ends": 1,
            }
        )


class WindowValue(data.StructLayout):
    """A value that may be the largest, if it is ``there``."""

    def __init__(self, bits: int) -> None:
        super().__init__({"code": bits, "there": 1})


class WindowValues(wiring.Component):
    """Join the parts of windows as they are read, and code what each window makes.

    A part is taken in a cycle, and its line is there in the next one. A value goes to the encoder four cycles
    after the last part of its window, and if it is a mean, Requantizer.LATENCY later.

    Args:
        arch: the machine.

    Ports:
        parts: In(stream of WindowPart). line: In(512), that of the part taken last.
        layer, following: In(LayerDescriptor), of the layer and the next one; pool: In(PoolWindow), between
            them. All are constant while ``busy``.
        busy: Out(1), a part was taken of which not all has left.
        coded, index: Out(streams of Word and IndexEntry).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "parts": In(stream.Signature(WindowPart(arch))),
                "line": In(8 * BURST_BYTES),
                "layer": In(LayerDescriptor()),
                "following": In(LayerDescriptor()),
                "pool": In(PoolWindow()),
                "busy": Out(1),
                "coded": Out(stream.Signature(Word)),
                "index": Out(stream.Signature(IndexEntry)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits, pool = self._arch.activation_bits, self.pool
        m.submodules.encoder = encoder = SegmentEncoder(self._arch)
        values, goes = encoder.values, self.parts.ready
        m.d.comb += [
            goes.eq(~values.valid | values.ready),
            encoder.config.order.eq(self.layer.out_order),
            encoder.config.compressed.eq(1),
            encoder.config.raw_bits.eq(self.following.in_bits),
        ]

        # A part whose line is there, one whose columns are cut out of it, and one whose columns are joined.
        stages = [Signal(WindowPart(self._arch), name=name) for name in ("read", "cut", "joined")]
        valid = [Signal(name=f"{name}_valid") for name in ("read", "cut", "joined")]
        read, cut, joined = stages
        columns = Signal(data.ArrayLayout(bits, WINDOW_COLUMNS))
        with m.If(goes):
            m.d.sync += [
                *(
                    after.eq(before)
                    for before, after in zip([self.parts.payload, *stages[:-1]], stages, strict=True)
                ),
                *(
                    after.eq(before)
                    for before, after in zip([self.parts.valid, *valid[:-1]], valid, strict=True)
                ),
                columns.eq(
                    self._in_order().bit_select(read.position << bits.bit_length() - 1, WINDOW_COLUMNS * bits)
                ),
            ]
        ends = valid[-1] & joined.ends
        largest = self._largest(m, goes, cut.seen, columns, valid[-1], joined.begins)
        total = self._sum(m, goes, cut.seen, columns, valid[-1], joined.begins)

        # Means are rounded as a drain's sums are.
        requantizer = Requantizer(self._arch)
        m.submodules.requantizer = EnableInserter(goes)(requantizer)
        config, mean = requantizer.config, requantizer.values
        m.d.comb += [
            requantizer.sums.valid.eq(ends & pool.average),
            requantizer.sums.payload.sum.eq(total),
            requantizer.sums.payload.segment_end.eq(joined.segment_ends),
            requantizer.scale.multiplier.eq(pool.multiplier),
            config["shift"].eq(pool["shift"]),
            config.signed.eq(self.following.signed_input),
        ]
        low, high = code_ends(self.following.in_bits, self.following.signed_input, pool.relu)
        m.d.sync += [config.low.eq(low), config.high.eq(high)]
        with m.If(goes):
            with m.If(pool.average):
                m.d.sync += [values.valid.eq(mean.valid), values.payload.eq(mean.payload)]
            with m.Else():
                m.d.sync += [
                    values.valid.eq(ends),
                    values.payload.code.eq(largest),
                    values.payload.segment_end.eq(joined.segment_ends),
                ]
        connect(m, encoder.words, flipped(self.coded))
        connect(m, encoder.index, flipped(self.index))

        waiting = Signal(COUNT_BITS)  # segments that the encoder has not ended
        m.d.sync += waiting.eq(
            waiting + (goes & ends & joined.segment_ends) - (self.index.valid & self.index.ready)
        )
        m.d.comb += self.busy.eq(Cat(*valid, waiting).any())
        return m

    def _in_order(self) -> Value:
        """The values of a line as they follow each other, and the first of them once more."""
        bits = self._arch.activation_bits
        per_word = WORD_BITS // bits
        in_order = Cat(
            self.line.word_select(word * per_word + per_word - 1 - value, bits)
            for word in range(LINE_WORDS)
            for value in range(per_word)
        )
        return Cat(in_order, in_order[: (WINDOW_COLUMNS - 1) * bits])

    def _largest(
        self, m: Module, goes: Value, seen: Value, columns: data.View, valid: Value, begins: Value
    ) -> Value:
        """The code of the largest value, of the parts of a window until now."""
        bits = self._arch.activation_bits
        candidates: list[Value] = []
        for column in range(WINDOW_COLUMNS):
            each = Signal(WindowValue(bits), name=f"column{column}")
            m.d.comb += [each.there.eq(seen[column]), each.code.eq(columns[column])]
            candidates.append(each)
        of_part, best = Signal(WindowValue(bits)), Signal(WindowValue(bits))
        kept, better = Signal(WindowValue(bits)), Signal(WindowValue(bits))
        m.d.comb += [
            kept.eq(best),
            kept.there.eq(best.there & ~begins),
            better.eq(self._better(kept, of_part)),
        ]
        with m.If(goes):
            m.d.sync += of_part.eq(_in_pairs(candidates, self._better))
            with m.If(valid):
                m.d.sync += best.eq(better)
        return better.code

    def _sum(
        self, m: Module, goes: Value, seen: Value, columns: data.View, valid: Value, begins: Value
    ) -> Value:
        """The sum of the values of a window until now."""
        numbers = [Mux(seen[column], self._integer(columns[column]), 0) for column in range(WINDOW_COLUMNS)]
        of_part = Signal(signed(self._arch.activation_bits + WINDOW_COLUMNS.bit_length() + 1))
        kept, total = Signal(signed(SUM_BITS)), Signal(signed(SUM_BITS))
        m.d.comb += total.eq(Mux(begins, 0, kept) + of_part)
        with m.If(goes):
            m.d.sync += of_part.eq(_in_pairs(numbers, lambda one, other: one + other))
            with m.If(valid):
                m.d.sync += kept.eq(total)
        return total

    def _better(self, one: Value, other: Value) -> Value:
        """The larger of two candidates; the first one of equals."""
        larger = self._integer(other.code) > self._integer(one.code)
        return data.View(
            WindowValue(self._arch.activation_bits),
            Mux(other.there & (~one.there | larger), other.as_value(), one.as_value()),
        )

    def _integer(self, code: Value) -> Value:
        """What a code stands for, to be compared."""
        odd = Mux(code[0], (code >> 1) + 1, -(code >> 1))
        return Mux(self.layer.signed_output, odd, code)


def _in_pairs(values: list[Value], join: Callable[[Value, Value], Value]) -> Value:
    """All values joined by a tree of joins of two."""
    while len(values) > 1:
        pairs = [values[n : n + 2] for n in range(0, len(values), 2)]
        values = [join(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return values[0]
