"""Which form a segment has: its values wait until that is known."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import WORD_BITS, Arch
from hwsim.codec.checks import MAX_BITS
from hwsim.machine.descriptors import segment_room
from hwsim_rtl.codec.symbol import EncoderConfig, OutputValue, longest_code
from hwsim_rtl.codec.value_code import ValueCode

DECIDED = 3  # cycles from taking the last value of a segment to its form
STORED = 4  # cycles from taking a value to storing it


class SegmentForms(wiring.Component):
    """Give each segment the form of fewer words, SEG where both have as many.

    With ``compressed``, values wait in a memory until their segment has ended and the bits of both its forms
    are counted; without, all are raw, and nothing waits for an end. Values go on at one a cycle, and come no
    faster, so that the memory never holds more than the values of the longest segment, and none waits before
    it but for those that are not taken behind it.

    Of a segment of n values, the last of which is taken in cycle t, the first one is offered in
    t + DECIDED + 3, or a cycle later if n = 1, when all values of the segments before have left; one that is
    raw from the start is offered 7 cycles after it was taken.

    Args:
        arch: gives ``activation_bits``, and by :func:`hwsim.machine.descriptors.segment_room` the longest
            segment that is not raw from the start.

    Ports:
        config: In(EncoderConfig), of the value that is offered; the same for all of a segment.
        values: In(stream of OutputValue).
        formed: Out(stream of OutputValue). form: Out(EncoderConfig), of the value that is offered there.
        ended: Out(1), a segment has its form, whose last value was taken DECIDED cycles before if nothing
            stood still since.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        self._room = segment_room(arch)  # a power of two
        # A segment keeps its form for two cycles more than it has values, or three if that is one; in each of
        # these another one may get its own, if a row has one value. None waits for a form, then.
        self._forms = 1 << (arch.columns + 3).bit_length()
        self._value = OutputValue(arch)
        super().__init__(
            {
                "config": In(EncoderConfig),
                "values": In(stream.Signature(self._value)),
                "formed": Out(stream.Signature(self._value)),
                "form": Out(EncoderConfig),
                "ended": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        goes = Signal()  # nothing stands still on the way into the memory
        m.d.comb += self.values.ready.eq(goes)

        # On the way, a stage a cycle: taken, its code, how long that is, the segment so far, and stored.
        valid = [self.values.valid, *(Signal(name=f"valid{stage}") for stage in range(1, STORED + 1))]
        value = [
            self.values.payload,
            *(Signal(self._value, name=f"value{stage}") for stage in range(1, STORED + 1)),
        ]
        config = [self.config, *(Signal(EncoderConfig, name=f"config{stage}") for stage in range(1, 4))]
        with m.If(goes):
            for stages in (valid, value, config):
                m.d.sync += [after.eq(before) for before, after in pairwise(stages)]
        m.submodules.code = code = ValueCode(self._arch.activation_bits)
        m.d.comb += [
            code.take.eq(valid[0] & goes),
            code.code.eq(value[0].code),
            code.config.eq(config[0]),
        ]
        length = Signal.like(code.length)
        begins, in_segment = Signal(init=1), Signal()  # of stage 2, that of stage 3
        count = Signal(range(self._room + 1))
        coded = Signal(range(self._room * longest_code(self._arch.activation_bits) + 1))
        raw = Signal(range(self._room * MAX_BITS + 1))
        with m.If(goes):
            m.d.sync += length.eq(code.length)
        with m.If(goes & valid[2]):
            m.d.sync += [
                begins.eq(value[2].segment_end),
                in_segment.eq(~begins),
                count.eq(Mux(begins, 0, count) + 1),
                coded.eq(Mux(begins, 0, coded) + length),
                raw.eq(Mux(begins, 0, raw) + config[2].raw_bits),
            ]

        # A segment has its form when it has ended, or is raw from the start.
        ends = valid[DECIDED] & value[DECIDED].segment_end
        waits = config[DECIDED].compressed
        decided, form, more = Signal(), Signal(EncoderConfig), Signal.like(count)
        m.d.comb += [
            form.eq(config[DECIDED]),
            form.compressed.eq(waits & (_in_words(coded) <= _in_words(raw))),
            decided.eq(Mux(waits, ends, valid[DECIDED] & ~in_segment)),
            self.ended.eq(ends & goes),
        ]
        with m.If(goes & valid[DECIDED]):
            m.d.comb += more.eq(Mux(waits, Mux(ends, count, 0), 1))

        # Forms, until the last value of their segment leaves.
        m.submodules.queue = forms = Memory(shape=EncoderConfig, depth=self._forms, init=[])
        write, read = forms.write_port(), forms.read_port(domain="comb")
        waiting = Signal(range(self._forms + 1))
        leaves = self.formed.valid & self.formed.ready & self.formed.payload.segment_end
        m.d.comb += [
            write.data.eq(form),
            write.en.eq(decided & goes),
            self.form.eq(read.data),
        ]
        m.d.sync += [
            waiting.eq(waiting + (write.en - leaves)),
            write.addr.eq(write.addr + write.en),
            read.addr.eq(read.addr + leaves),
        ]

        # Values: an address, what lies there, and a register, since a RAM takes most of a cycle.
        m.submodules.memory = memory = Memory(shape=self._value, depth=self._room, init=[])
        store, load = memory.write_port(), memory.read_port()
        stored = Signal(range(self._room + 1))  # values that were not read
        readable = Signal(range(2 * self._room))  # those of segments that have a form, stored or about to be
        loaded = Signal()
        free = ~self.formed.valid | self.formed.ready
        m.d.comb += [
            goes.eq(~(valid[STORED] & (stored == self._room)) & ~(decided & (waiting == self._forms))),
            store.data.eq(value[STORED]),
            store.en.eq(valid[STORED] & goes),
            load.en.eq(free & (stored != 0) & (readable != 0)),
        ]
        m.d.sync += [
            stored.eq(stored + (store.en - load.en)),
            readable.eq(readable + more - load.en),
            store.addr.eq(store.addr + store.en),
            load.addr.eq(load.addr + load.en),
        ]
        with m.If(free):
            m.d.sync += [
                loaded.eq(load.en),
                self.formed.valid.eq(loaded),
                self.formed.payload.eq(load.data),
            ]
        return m


def _in_words(bits: Value) -> Value:
    """How many words have room for so many bits."""
    return (bits + WORD_BITS - 1) >> (WORD_BITS.bit_length() - 1)
