"""A stream with two places, so that neither side sees the other in the same cycle."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Skid(wiring.Component):
    """What comes in one cycle goes in the next one at the earliest, one a cycle.

    No output depends on an input in the same cycle.

    Args:
        shape: of the payload.

    Ports:
        i: In(stream). o: Out(stream).
    """

    def __init__(self, shape: ShapeLike) -> None:
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waits, waiting = Signal(), Signal(self._shape)
        m.d.comb += self.i.ready.eq(~waits)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [self.o.valid.eq(waits | self.i.valid), waits.eq(0)]
            with m.If(waits):
                m.d.sync += self.o.payload.eq(waiting)
            with m.Else():
                m.d.sync += self.o.payload.eq(self.i.payload)
        with m.Elif(~waits):
            m.d.sync += [waits.eq(self.i.valid), waiting.eq(self.i.payload)]
        return m
