"""Symbols to items: where in the segment a value lies."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Module, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS, SCALED_BITS, TRANSPOSED_SHIFT
from hwsim_rtl.codec.symbol import Symbol
from hwsim_rtl.core.payloads import (
    RECIPROCAL_BITS,
    PassConfig,
    Placed,
    bank_address_bits,
    weight_address_bits,
)


class PositionCounter(wiring.Component):
    """Give every symbol that makes an item its channel and x.

    The position in the segment is a running sum; channel = position * reciprocal >> (16 + shift) and
    x = position - channel * width, so that a run may cross any number of map rows. The column of the output
    is found beside x, and not from it: what x is multiplied by distributes over the difference.

    Latency 5 cycles from ``symbols`` to ``items``; one symbol a cycle.

    Args:
        arch: widths.

    Ports:
        symbols: In(stream of Symbol, always ready).
        config: In(PassConfig).
        makes_item: Out(1), the symbol of this cycle makes an item; combinational.
        items: Out(stream of Placed, always ready).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "symbols": In(stream.Signature(Symbol(arch), always_ready=True)),
                "config": In(PassConfig(arch)),
                "makes_item": Out(1),
                "items": Out(stream.Signature(Placed(arch), always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, config, symbol = self._arch, self.config, self.symbols.payload
        segment_base = Signal(weight_address_bits(arch))
        passed = Signal(COUNT_BITS)  # values of the segment before this symbol
        position = Signal(COUNT_BITS)
        m.d.comb += [
            position.eq(passed + symbol.run),
            self.makes_item.eq(self.symbols.valid & (symbol.present | symbol.row_end)),
        ]
        with m.If(self.symbols.valid):
            m.d.sync += passed.eq(position + symbol.present)
            with m.If(symbol.segment_end):
                m.d.sync += passed.eq(0)
                m.d.sync += segment_base.eq(segment_base + config.segment_words)
            with m.If(symbol.row_end):
                m.d.sync += segment_base.eq(0)
        item = Signal(Placed(arch), name="item0")
        m.d.comb += [
            item.present.eq(symbol.present),
            item.value.eq(symbol.value),
            item.row_end.eq(symbol.row_end),
            item.weight.eq(segment_base),
        ]
        valid, placed = place_items(m, arch, config, self.makes_item, item, position)
        m.d.comb += [self.items.valid.eq(valid), self.items.payload.eq(placed)]
        return m


def place_items(
    m: Module, arch: Arch, config: data.View, makes_item: Value, item: data.View, position: Value
) -> tuple[Value, data.View]:
    """What waits for the multiplications that give an item its place: a register a stage, five of them.

    Args:
        m: where it is put.
        arch: widths.
        config: a PassConfig.
        makes_item, item: of the symbol of this cycle. The item is a Placed, or has more members, with the
            segment's first weight word as ``weight``, and the accumulators before it as ``pixel``.
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
