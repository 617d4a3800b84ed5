"""Which segment of a pass comes next."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwsim.machine.descriptors import COUNT_BITS
from hwsim_rtl.codec.symbol import DecoderConfig


class SegmentCounter(wiring.Component):
    """Count the segments of a pass, row by row, from ``start`` to the last one.

    The outputs follow ``start`` and ``step`` by a cycle.

    Ports:
        config: In(DecoderConfig), of which it takes ``segments`` and ``rows``; constant from ``start`` on.
        start: In(1), begins a pass.
        step: In(1), a segment is through; only while ``running``.
        running: Out(1), a segment is left.
        segments_left: Out, of the row, with the one that comes next.
        row_end: Out(1), the one that comes next is the last of its row.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "config": In(DecoderConfig),
                "start": In(1),
                "step": In(1),
                "running": Out(1),
                "segments_left": Out(COUNT_BITS),
                "row_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, left = self.config, self.segments_left
        rows_left = Signal(COUNT_BITS)
        m.d.comb += self.row_end.eq(left == 1)
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), left.eq(config.segments), rows_left.eq(config.rows)]
        with m.Elif(self.step):
            m.d.sync += [
                self.running.eq(~self.row_end | (rows_left != 1)),
                left.eq(Mux(self.row_end, config.segments, left - 1)),
                rows_left.eq(rows_left - self.row_end),
            ]
        return m
