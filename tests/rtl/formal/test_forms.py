"""Proof: each segment gets the form of fewer words, all values leave in order, what is offered stays."""

from amaranth import Array, Assert, Assume, Module, Mux, Signal
from amaranth.hdl import Elaboratable
from formal.prove import prove
from golden.symbols import seg

from hwsim.arch import Arch
from hwsim_rtl.codec.forms import SegmentForms

BITS = 4
ORDERS = (0, 1, 6, 15)  # of which one is taken; the last one makes long codes
MOST = 5  # values of a segment


class Chooses(Elaboratable):
    """Any segments of up to MOST values, of one order, raw from the start or not, taken at any time.

    One value, any one of the first seven, has a mark, its highest bit; no other has it.
    """

    def __init__(self) -> None:
        self.forms = SegmentForms(Arch(columns=1, accumulators=8, activation_bits=BITS))
        self.order, self.compressed, self.marked = Signal(2), Signal(), Signal(3)
        self.raw_bits = Signal(5)
        given, taken = self.forms.values, self.forms.formed
        self.free = [self.order, self.compressed, self.marked, self.raw_bits]
        self.free += [given.valid, given.payload.as_value(), taken.ready]

    def elaborate(self, platform):
        m = Module()
        m.submodules.forms = forms = self.forms
        given, taken = forms.values, forms.formed
        began = Signal()
        m.d.sync += began.eq(1)
        for signal in self.free[:4]:
            before = Signal.like(signal)
            m.d.sync += before.eq(signal)
            m.d.comb += Assume(~began | (signal == before))
        enters, leaves = given.valid & given.ready, taken.valid & taken.ready
        entered, left, in_segment = Signal(4), Signal(4), Signal(range(MOST + 1))
        m.d.sync += [entered.eq(entered + enters), left.eq(left + leaves)]
        with m.If(enters):
            m.d.sync += in_segment.eq(Mux(given.payload.segment_end, 0, in_segment + 1))
        m.d.comb += [
            forms.config.order.eq(Array(ORDERS)[self.order]),
            forms.config.compressed.eq(self.compressed),
            forms.config.raw_bits.eq(self.raw_bits),
            Assume((self.raw_bits >= 1) & (self.raw_bits <= 16)),
            Assume(given.payload.segment_end | (in_segment < MOST - 1)),
            Assume(given.payload.code[-1] == (entered == self.marked)),
            Assert(~taken.valid | (left < entered)),
            Assert(~taken.valid | (taken.payload.code[-1] == (left == self.marked))),
        ]

        # What leaves is measured: it has the form that is shorter when its segment is over.
        lengths = Array(Array(len(seg(value, order)) for value in range(1 << BITS)) for order in ORDERS)
        coded, raw = Signal(8), Signal(8)
        so_far_coded, so_far_raw = Signal(8), Signal(8)
        m.d.comb += [
            coded.eq(so_far_coded + lengths[self.order][taken.payload.code]),
            raw.eq(so_far_raw + self.raw_bits),
        ]
        with m.If(leaves):
            m.d.sync += [
                so_far_coded.eq(Mux(taken.payload.segment_end, 0, coded)),
                so_far_raw.eq(Mux(taken.payload.segment_end, 0, raw)),
            ]
        fewer = (coded + 63) >> 6 <= (raw + 63) >> 6
        with m.If(taken.valid & taken.payload.segment_end):
            m.d.comb += Assert(forms.form.compressed == (self.compressed & fewer))

        waits, payload, form = Signal(), Signal.like(taken.payload.as_value()), Signal()
        m.d.sync += [
            waits.eq(taken.valid & ~taken.ready),
            payload.eq(taken.payload.as_value()),
            form.eq(forms.form.compressed),
        ]
        with m.If(waits):
            m.d.comb += [
                Assert(taken.valid),
                Assert(taken.payload.as_value() == payload),
                Assert(forms.form.compressed == form),
            ]
        return m


def test_segments_get_the_shorter_form_and_values_leave_in_order():
    chooses = Chooses()
    prove(chooses, chooses.free, "forms", mode="bmc", depth=12)
