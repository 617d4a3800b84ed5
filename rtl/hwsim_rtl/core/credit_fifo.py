"""A FIFO whose writer pays in advance."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class CreditFifo(wiring.Component):
    """A FIFO in front of which a pipeline of any length may stand: entries under way are counted too.

    What enters in cycle t is at the head, a register, in t + 1 at the earliest. A credit spent in cycle
    t - 1 counts in t; an entry that leaves in t gives its credit back for t + 1.

    Args:
        shape: of an entry.
        depth: entries, under way or here; at least 1.

    Ports:
        credit: Out(1), an entry more may be sent on its way in this cycle. Depends on ``spend``.
        spend: In(1), an entry was sent on its way in the cycle before.
        entries: In(stream, always ready), what comes out of the pipeline.
        head: Out(stream), entries in order.
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
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self._depth
        m.submodules.memory = memory = Memory(shape=self._shape, depth=depth, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        credits = Signal(range(depth + 1), init=depth)
        waiting = Signal(range(depth + 1))  # entries behind the head
        leaves, head_free, from_memory = Signal(), Signal(), Signal()
        m.d.comb += [
            self.credit.eq((credits > 1) | ((credits == 1) & ~self.spend)),
            leaves.eq(self.head.valid & self.head.ready),
            head_free.eq(leaves | ~self.head.valid),
            from_memory.eq(waiting != 0),
            write.en.eq(self.entries.valid & (from_memory | ~head_free)),
            write.data.eq(self.entries.payload),
        ]
        m.d.sync += [
            credits.eq(credits - self.spend + leaves),
            waiting.eq(waiting + write.en - (head_free & from_memory)),
        ]
        with m.If(head_free):
            m.d.sync += [
                self.head.valid.eq(from_memory | self.entries.valid),
                self.head.payload.eq(Mux(from_memory, read.data, self.entries.payload)),
            ]
        for moves, pointer in ((write.en, write.addr), (head_free & from_memory, read.addr)):
            with m.If(moves):
                m.d.sync += pointer.eq(Mux(pointer == depth - 1, 0, pointer + 1))
        return m
