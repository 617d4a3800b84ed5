"""Rows of a map to the segments of a pass, in the order in which lanes take them."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS
from hwsim_rtl.core.payloads import ROW_BITS, MapRow, NextSegment, ReaderConfig


class SegmentOrder(wiring.Component):
    """Row by row, in a row by block: where each segment lies, and what is known of it before it is read.

    The first segment is valid in the cycle after ``start``, if its row is there; then one a cycle.

    Args:
        arch: widths.

    Ports:
        start: In(1), begins a pass, when all segments of the one before have been taken.
        config: In(ReaderConfig), constant from ``start`` on.
        rows: In(stream of MapRow), one for each input row; taken from ``start`` on, and no more than the pass
            has.
        segments: Out(stream of NextSegment).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "start": In(1),
                "config": In(ReaderConfig(arch)),
                "rows": In(stream.Signature(MapRow)),
                "segments": Out(stream.Signature(NextSegment(arch))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, segment = self.config, self.segments.payload
        rows_left, segments_left = Signal(COUNT_BITS), Signal(COUNT_BITS)
        row = Signal(ROW_BITS)
        moves, loads = Signal(), Signal()
        m.d.comb += [
            segment.tail.eq(segments_left == 1),
            segment.row.eq(row - 1),
            moves.eq(self.segments.valid & self.segments.ready),
            self.rows.ready.eq(
                self.start | ((~self.segments.valid | (moves & segment.tail)) & (rows_left != 0))
            ),
            loads.eq(self.rows.valid & self.rows.ready),
        ]
        m.d.sync += [
            rows_left.eq(Mux(self.start, config.rows, rows_left) - loads),
            row.eq(Mux(self.start, 0, row) + loads),
        ]
        with m.If(moves):
            m.d.sync += self.segments.valid.eq(~segment.tail)
        with m.If(loads):
            m.d.sync += [
                self.segments.valid.eq(1),
                segments_left.eq(config.segments),
                segment.place.eq(self.rows.payload.place),
                segment.entry.eq(self.rows.payload.entry),
                segment.weight.eq(0),
                segment.pixel.eq(0),
            ]
        with m.Elif(moves):
            m.d.sync += [
                segments_left.eq(segments_left - 1),
                segment.place.eq(segment.place + config.place_words),
                segment.entry.eq(segment.entry + 1),
                segment.weight.eq(segment.weight + config.segment_words),
                segment.pixel.eq(segment.pixel + config.segment_pixels),
            ]
        return m
