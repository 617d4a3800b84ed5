"""Symbols of two lanes to items: where in their segments the values lie."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS
from hwsim_rtl.codec.symbol import LaneSymbol
from hwsim_rtl.core.columns import ValidColumns
from hwsim_rtl.core.lane_payloads import LANES, ROW_BITS, BoundSegment, LaneItem
from hwsim_rtl.core.payloads import PassConfig, Placed, bank_address_bits
from hwsim_rtl.core.position import place_items

# Segments of a lane whose last symbol is still to come: five that the decoder holds, and one whose symbol is
# on its way here.
SEGMENTS = 8
EARLY = ("mark", "row")  # what of an item the choice between two begins with
SEGMENT_BITS = (SEGMENTS - 1).bit_length()


class LanePositions(wiring.Component):
    """Give every symbol that makes an item its channel, x, and the kernel columns that it meets.

    As :class:`hwsim_rtl.core.position.PositionCounter` and :class:`ValidColumns`, for lanes that take turns:
    what is known of one goes round through two registers.

    Latency 5 cycles from ``symbols`` to ``items``, 6 to what of these is not named in EARLY; one symbol a
    cycle, each lane in every second one.

    Args:
        arch: widths.

    Ports:
        segments: two In(stream of BoundSegment, always ready), as each lane's decoder takes them, one in a
            cycle.
        symbols: In(stream of LaneSymbol, always ready), the lanes in turn.
        makes: In(2), the symbol of this cycle makes an item of that lane.
        config: In(PassConfig).
        items: two Out(stream of LaneItem, always ready), of each lane.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "segments": In(stream.Signature(BoundSegment(arch), always_ready=True)).array(LANES),
                "symbols": In(stream.Signature(LaneSymbol(arch), always_ready=True)),
                "makes": In(LANES),
                "config": In(PassConfig(arch)),
                "items": Out(stream.Signature(LaneItem(arch), always_ready=True)).array(LANES),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, symbol = self._arch, self.symbols.payload

        # The segment of the symbol.
        known = StructLayout({name: BoundSegment(arch)[name].shape for name in ("weight", "pixel", "row")})
        m.submodules.held = held = memory.Memory(shape=known, depth=LANES * SEGMENTS, init=[])
        write, read = held.write_port(), held.read_port(domain="comb")
        begun, ended = (
            [Signal(SEGMENT_BITS, name=f"{name}{lane}") for lane in range(LANES)]
            for name in ("begun", "ended")
        )
        arrives = self.segments[1].valid  # in lane 1
        m.d.comb += [
            write.en.eq(self.segments[0].valid | arrives),
            write.addr.eq(Cat(Mux(arrives, begun[1], begun[0]), arrives)),
            read.addr.eq(Cat(Mux(symbol.lane, ended[1], ended[0]), symbol.lane)),
        ]
        for name, _ in known:
            of_lane = [getattr(segments.payload, name) for segments in self.segments]
            m.d.comb += write.data[name].eq(Mux(arrives, of_lane[1], of_lane[0]))
        for lane, segments in enumerate(self.segments):
            m.d.sync += [
                begun[lane].eq(begun[lane] + segments.valid),
                ended[lane].eq(
                    ended[lane] + (self.symbols.valid & symbol.segment_end & (symbol.lane == lane))
                ),
            ]

        # The position in it.
        passed = Signal(COUNT_BITS)  # values of the segment before this symbol
        position, after_run = Signal(COUNT_BITS), Signal(COUNT_BITS)
        one, ends = Signal(), Signal()
        m.d.comb += position.eq(passed + symbol.run)
        m.d.sync += [
            after_run.eq(Mux(self.symbols.valid, position, passed)),
            one.eq(self.symbols.valid & symbol.present),
            ends.eq(self.symbols.valid & symbol.segment_end),
            passed.eq(Mux(ends, 0, after_run + one)),
        ]

        placed_shape = StructLayout(
            {
                **{name: field.shape for name, field in Placed(arch)},
                "pixels_before": bank_address_bits(arch),
                "row": ROW_BITS,
                "lane": 1,
            }
        )
        item = Signal(placed_shape, name="item0")
        m.d.comb += [
            item.present.eq(symbol.present),
            item.value.eq(symbol.value),
            item.row_end.eq(symbol.segment_end),
            item.weight.eq(read.data.weight),
            item.pixels_before.eq(read.data.pixel),
            item.row.eq(read.data.row),
            item.lane.eq(symbol.lane),
        ]
        valid, placed = place_items(m, arch, self.config, self.makes.any(), item, position)
        m.submodules.columns = columns = ValidColumns(arch, late=True)
        found = columns.items.payload
        m.d.comb += [
            columns.config.eq(self.config),
            columns.placed.valid.eq(valid),
            *(columns.placed.payload[name].eq(placed[name]) for name, _ in Placed(arch)),
        ]
        late = Signal(LaneItem(arch))
        m.d.sync += [late[name].eq(found[name]) for name in ("value", "column", "weight")]
        m.d.sync += late.pixel.eq(found.pixel + placed.pixels_before)
        for lane, items in enumerate(self.items):
            m.d.comb += [
                items.valid.eq(columns.items.valid & (placed.lane == lane)),
                *(items.payload[name].eq(late[name]) for name in ("value", "column", "weight", "pixel")),
                items.payload.columns.eq(found.columns),
                items.payload.mark.eq(found.row_end),
                items.payload.row.eq(placed.row),
            ]
        return m
