"""Symbols of both lanes to items: where in their segments the values lie."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import memory, stream, wiring
from amaranth.lib.data import StructLayout, View
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS, SCALED_BITS, TRANSPOSED_SHIFT
from hwsim_rtl.codec.symbol import Symbol
from hwsim_rtl.core.columns import ValidColumns
from hwsim_rtl.core.payloads import (
    LANES,
    RECIPROCAL_BITS,
    ROW_BITS,
    BoundSegment,
    CoreConfig,
    Placed,
    QueuedItem,
    bank_address_bits,
    weight_address_bits,
)

# Segments of a lane whose last symbol is still to come: five that the decoder holds, and one whose symbol is
# on its way here.
SEGMENTS = 8
EARLY = ("mark", "row")  # what of an item the choice between two begins with
SEGMENT_BITS = (SEGMENTS - 1).bit_length()


class Positions(wiring.Component):
    """Give every symbol that makes an item its channel, x, and the kernel columns that it meets.

    The position in the segment is a running sum; channel = position * reciprocal >> (16 + shift) and
    x = position - channel * width, so that a run may cross any number of map rows. The column of the output
    is found beside x, and not from it: what x is multiplied by distributes over the difference. Lanes take
    turns: what is known of one goes round through two registers.

    Latency 5 cycles from ``symbols`` to ``items``, 6 to what of these is not named in EARLY; one symbol a
    cycle, each lane in every second one.

    Args:
        arch: widths.

    Ports:
        segments: two In(stream of BoundSegment, always ready), as each lane's decoder takes them, one in a
            cycle.
        symbols: In(stream of Symbol, always ready), the lanes in turn.
        makes: In(2), the symbol of this cycle makes an item of that lane.
        config: In(CoreConfig).
        items: two Out(stream of QueuedItem, always ready), of each lane.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "segments": In(stream.Signature(BoundSegment(arch), always_ready=True)).array(LANES),
                "symbols": In(stream.Signature(Symbol(arch), always_ready=True)),
                "makes": In(LANES),
                "config": In(CoreConfig(arch)),
                "items": Out(stream.Signature(QueuedItem(arch), always_ready=True)).array(LANES),
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
            item.mark.eq(symbol.segment_end),
            item.weight.eq(read.data.weight),
            item.pixels_before.eq(read.data.pixel),
            item.row.eq(read.data.row),
            item.lane.eq(symbol.lane),
        ]
        valid, placed = _place_items(m, arch, self.config, self.makes.any(), item, position)
        m.submodules.columns = columns = ValidColumns(arch)
        found = columns.items.payload
        m.d.comb += [
            columns.config.eq(self.config),
            columns.placed.valid.eq(valid),
            *(columns.placed.payload[name].eq(placed[name]) for name, _ in Placed(arch)),
        ]
        late = Signal(QueuedItem(arch))
        m.d.sync += [late[name].eq(found[name]) for name in ("value", "column", "weight")]
        m.d.sync += late.pixel.eq(found.pixel + placed.pixels_before)
        for lane, items in enumerate(self.items):
            m.d.comb += [
                items.valid.eq(columns.items.valid & (placed.lane == lane)),
                *(items.payload[name].eq(late[name]) for name in ("value", "column", "weight", "pixel")),
                items.payload.columns.eq(found.columns),
                items.payload.mark.eq(found.mark),
                items.payload.row.eq(placed.row),
            ]
        return m


def _place_items(
    m: Module, arch: Arch, config: View, makes_item: Value, item: View, position: Value
) -> tuple[Value, View]:
    """What waits for the multiplications that give an item its place: a register a stage, five of them.

    Args:
        m: where it is put.
        arch: widths.
        config: a CoreConfig.
        makes_item, item: of the symbol of this cycle. The item is a Placed that has more members, with the
            segment's first weight word as ``weight``.
        position: of its value in the segment.

    Returns:
        Whether there is an item, and it, five cycles later.
    """
    stages = 5
    valid = [makes_item] + [Signal(name=f"valid{i}") for i in range(1, stages + 1)]
    items = [item] + [Signal(item.shape(), name=f"item{i}") for i in range(1, stages + 1)]
    at = [position] + [Signal(COUNT_BITS, name=f"at{i}") for i in range(1, stages)]
    for wire in (valid, items, at):
        m.d.sync += [after.eq(before) for before, after in pairwise(wire)]

    product = Signal(COUNT_BITS + RECIPROCAL_BITS)
    scaled = [Signal(SCALED_BITS, name=f"scaled{i}") for i in (2, 3, 4)]  # position, from the output's left
    skipped_scaled = Signal(SCALED_BITS)
    column = Signal(signed(SCALED_BITS))
    channel = Signal(range(arch.columns))
    skipped = Signal(COUNT_BITS)  # values of the channels before
    words = Signal(weight_address_bits(arch))
    pixel = Signal(bank_address_bits(arch))
    last = items[-1]
    m.d.sync += [
        product.eq(at[1] * config.reciprocal),
        channel.eq(product[COUNT_BITS:] >> config.reciprocal_shift),
        skipped.eq(channel * config.width),
        words.eq(channel * config.channel_words),
        pixel.eq(channel * config.out_width),
        scaled[0].eq(at[1] * config.column.factor),
        scaled[1].eq(scaled[0] + config.column.begin),
        scaled[2].eq(scaled[1]),
        skipped_scaled.eq(channel * config.column.channel),
        last.x.eq(at[4] - skipped + config.column.padding),
        last.column.eq(column >> TRANSPOSED_SHIFT >> config.column.shift),
        last.weight.eq(items[4].weight + words),
        last.pixel.eq(pixel),
    ]
    m.d.comb += column.eq(scaled[2] - skipped_scaled)
    return valid[-1], last
