"""A FIFO whose writer pays in advance."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class CreditFifo(wiring.Component):
    """A FIFO in front of which a pipeline of any length may stand: entries under way are counted too.

    What enters in cycle t is at the head in t + 1 at the earliest. A credit spent in cycle t - 1 counts in
    t; an entry that leaves in t gives its credit back for t + 1.

    Args:
        shape: of an entry.
        depth: entries, under way or here; at least 1.

    Ports:
        credit: Out(1), an entry more may be sent on its way in this cycle. Depends on ``spend``.
        spend: In(1), an entry was sent on its way in the cycle before.
        entries: In(stream, always ready), what comes out of the pipeline.
        head: Out(stream), entries in order.
        clear: In(1), drop everything, also what was spent in the cycle before; all credits are back in the
            next.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self._shape = shape
        self._depth = depth
        super().__init__(
            {
                "credit": Out(1),
                "spend": In(1),
                "entries": In(stream.Signature(shape, always_ready=True)),
                "head": Out(stream.Signature(shape)),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self._depth
        m.submodules.memory = memory = Memory(shape=self._shape, depth=depth, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        credits = Signal(range(depth + 1), init=depth)
        level = Signal(range(depth + 1))
        leaves = Signal()
        m.d.comb += [
            self.credit.eq((credits > 1) | ((credits == 1) & ~self.spend)),
            leaves.eq(self.head.valid & self.head.ready),
            write.en.eq(self.entries.valid),
            write.data.eq(self.entries.payload),
            self.head.valid.eq(level != 0),
            self.head.payload.eq(read.data),
        ]
        m.d.sync += [
            credits.eq(credits - self.spend + leaves),
            level.eq(level + self.entries.valid - leaves),
        ]
        for moves, pointer in ((self.entries.valid, write.addr), (leaves, read.addr)):
            with m.If(moves):
                m.d.sync += pointer.eq(Mux(pointer == depth - 1, 0, pointer + 1))
        with m.If(self.clear):
            m.d.sync += [credits.eq(depth), level.eq(0), write.addr.eq(0), read.addr.eq(0)]
        return m
