"""Proof: what the encoder makes of any value, a lane of the decoder turns back into it, for every order."""

from amaranth import Array, Assert, Assume, ClockDomain, Module, Signal
from amaranth.hdl import Elaboratable
from formal.prove import prove

from hwsim.arch import Arch
from hwsim_rtl.codec.decoder import Decoder
from hwsim_rtl.codec.encoder import SegEncoder


class RoundTrip(Elaboratable):
    """An encoder and a decoder back to back, on one segment of ``count`` values, any ones, in one of its
    lanes, any one, the other idle.

    ``cycles``: from the first value in to the last symbol out: encoder 3, windows 2, decoder 2, which wait
    for the lane's turns, and the reset.
    """

    def __init__(self, arch: Arch, count: int) -> None:
        self.arch, self.count, self.cycles = arch, count, 2 * count + 10
        self.decoder = Decoder(arch)
        self.values = [Signal(arch.activation_bits, name=f"value{i}") for i in range(self.count)]
        self.order = Signal(4)
        self.compressed = Signal()
        self.skip_zeros = Signal()
        self.lane = Signal()
        self.sync = ClockDomain("sync", reset_less=True)
        self.constants = [*self.values, self.order, self.compressed, self.skip_zeros, self.lane]
        self.free = [*self.constants, self.sync.clk]

    def feed(self, m, words, cycle) -> None:
        """Give a lane of the decoder its segment."""
        offered = Signal(init=1)
        for lane in range(2):
            segments, mine = self.decoder.segments[lane], self.decoder.words[lane]
            m.d.comb += [
                segments.payload.values.eq(self.count),
                segments.payload.raw.eq(~self.compressed),
                segments.valid.eq(offered & (cycle != 0) & (self.lane == lane)),
                mine.payload.eq(words.payload),
                mine.valid.eq(words.valid & (self.lane == lane)),
            ]
            with m.If(self.lane == lane):
                m.d.comb += words.ready.eq(mine.ready)
            with m.If(segments.valid & segments.ready):
                m.d.sync += offered.eq(0)
        m.d.comb += self.decoder.credit.eq(3)

    def elaborate(self, platform):
        m = Module()
        m.domains += self.sync
        m.submodules.encoder = encoder = SegEncoder(self.arch)
        m.submodules.decoder = decoder = self.decoder
        cycle = Signal(range(self.cycles + 2))
        m.d.sync += cycle.eq(cycle + (cycle <= self.cycles))
        for signal in self.constants:
            before = Signal.like(signal)
            m.d.sync += before.eq(signal)
            m.d.comb += Assume((cycle == 0) | (signal == before))

        # One segment in.
        sent = Signal(range(self.count + 1))
        m.d.comb += [
            encoder.config.order.eq(self.order),
            encoder.config.compressed.eq(self.compressed),
            encoder.config.raw_bits.eq(self.arch.activation_bits),
            encoder.values.valid.eq(sent < self.count),
            encoder.values.payload.code.eq(Array(self.values)[sent]),
            encoder.values.payload.segment_end.eq(sent == self.count - 1),
            encoder.index.ready.eq(1),
        ]
        m.d.sync += sent.eq(sent + (encoder.values.valid & encoder.values.ready))

        # Its words across.
        self.feed(m, encoder.words, cycle)
        m.d.comb += [
            decoder.config.order.eq(self.order),
            decoder.config.skip_zeros.eq(self.skip_zeros),
            decoder.config.raw_bits.eq(self.arch.activation_bits),
            decoder.start.eq(cycle == 0),
        ]

        # Its symbols out.
        symbol = decoder.symbols.payload
        seen = Signal(range(self.count + 1))
        at = seen + symbol.run
        m.d.comb += Assert(~decoder.error)
        with m.If(decoder.symbols.valid):
            m.d.sync += seen.eq(at + symbol.present)
            m.d.comb += Assert(at + symbol.present <= self.count)
            m.d.comb += Assert(symbol.lane == self.lane)
            m.d.comb += Assert(symbol.segment_end == (at + symbol.present == self.count))
            for i, value in enumerate(self.values):
                with m.If((seen <= i) & (at > i)):
                    m.d.comb += Assert(value == 0)
                with m.If(symbol.present & (at == i)):
                    m.d.comb += Assert(symbol.value == value)
        with m.If(cycle == self.cycles):
            m.d.comb += Assert(seen == self.count)
        return m


def test_decoding_undoes_encoding_for_all_values_and_orders():
    trip = RoundTrip(Arch(activation_bits=4, run_max=1), count=1)
    prove(trip, trip.free, "round_trip", mode="bmc", depth=trip.cycles + 1)
