"""Proof: what the encoder makes of any values, the decoder turns back into them, for every order."""

from amaranth import Array, Assert, Assume, ClockDomain, Module, Signal
from amaranth.hdl import Elaboratable
from formal.prove import prove

from hwsim.arch import Arch
from hwsim_rtl.codec.decoder import SegDecoder
from hwsim_rtl.codec.encoder import SegEncoder

VALUES = 2  # of the segment
CYCLES = VALUES + 8  # first value to last symbol: encoder 3, window 1, decoder 1, and the reset


class RoundTrip(Elaboratable):
    """An encoder and a decoder back to back, on one segment of any values."""

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.values = [Signal(arch.activation_bits, name=f"value{i}") for i in range(VALUES)]
        self.order = Signal(4)
        self.compressed = Signal()
        self.skip_zeros = Signal()
        self.sync = ClockDomain("sync", reset_less=True)
        self.constants = [*self.values, self.order, self.compressed, self.skip_zeros]
        self.free = [*self.constants, self.sync.clk]

    def elaborate(self, platform):
        m = Module()
        m.domains += self.sync
        m.submodules.encoder = encoder = SegEncoder(self.arch)
        m.submodules.decoder = decoder = SegDecoder(self.arch)
        cycle = Signal(range(CYCLES + 2))
        m.d.sync += cycle.eq(cycle + (cycle <= CYCLES))
        for signal in self.constants:
            before = Signal.like(signal)
            m.d.sync += before.eq(signal)
            m.d.comb += Assume((cycle == 0) | (signal == before))

        # One segment in.
        sent = Signal(range(VALUES + 1))
        m.d.comb += [
            encoder.config.order.eq(self.order),
            encoder.config.compressed.eq(self.compressed),
            encoder.config.raw_bits.eq(self.arch.activation_bits),
            encoder.values.valid.eq(sent < VALUES),
            encoder.values.payload.code.eq(Array(self.values)[sent]),
            encoder.values.payload.segment_end.eq(sent == VALUES - 1),
            encoder.index.ready.eq(1),
        ]
        m.d.sync += sent.eq(sent + (encoder.values.valid & encoder.values.ready))

        # Its words across.
        m.d.comb += [
            decoder.words.payload.eq(encoder.words.payload),
            decoder.words.valid.eq(encoder.words.valid),
            encoder.words.ready.eq(decoder.words.ready),
            decoder.config.order.eq(self.order),
            decoder.config.compressed.eq(self.compressed),
            decoder.config.skip_zeros.eq(self.skip_zeros),
            decoder.config.raw_bits.eq(self.arch.activation_bits),
            decoder.config.rows.eq(1),
            decoder.config.segments.eq(1),
            decoder.config.full_values.eq(VALUES),
            decoder.config.tail_values.eq(VALUES),
            decoder.start.eq(cycle == 0),
            decoder.credit.eq(1),
        ]

        # Its symbols out.
        symbol = decoder.symbols.payload
        seen = Signal(range(VALUES + 1))
        at = seen + symbol.run
        m.d.comb += Assert(~decoder.error)
        with m.If(decoder.symbols.valid):
            m.d.sync += seen.eq(at + symbol.present)
            m.d.comb += Assert(at + symbol.present <= VALUES)
            m.d.comb += Assert(symbol.segment_end == (at + symbol.present == VALUES))
            for i, value in enumerate(self.values):
                with m.If((seen <= i) & (at > i)):
                    m.d.comb += Assert(value == 0)
                with m.If(symbol.present & (at == i)):
                    m.d.comb += Assert(symbol.value == value)
        with m.If(cycle == CYCLES):
            m.d.comb += Assert(seen == VALUES)
        return m


def test_decoding_undoes_encoding_for_all_values_and_orders():
    trip = RoundTrip(Arch(activation_bits=4, run_max=1))
    prove(trip, trip.free, "round_trip", mode="bmc", depth=CYCLES + 1)
