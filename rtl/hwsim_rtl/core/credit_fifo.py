"""A FIFO whose writer pays in advance."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class CreditFifo(wiring.Component):
    """A FIFO in front of which a pipeline of any length may stand: entries under way are counted too.

    What enters in cycle t is at the head in t + 1 at the earliest. A credit spent in cycle t - 1 counts in
    t; an entry that leaves in t gives its credit back for t + 1. The head is a register. With ``early``, all
    else of an entry enters a cycle later, in t + 1, and yet is at the head with the rest: it comes from a
    memory, or from the port, and whether an entry leaves need not be known to all its bits.

    Args:
        shape: of an entry.
        depth: entries, under way or here; at least 1.
        early: of an entry that is a structure, the fields that come with ``valid``; all, if not given.

    Ports:
        credit: Out(1), an entry more may be sent on its way in this cycle. Depends on ``spend``.
        spend: In(1), an entry was sent on its way in the cycle before.
        entries: In(stream, always ready), what comes out of the pipeline.
        head: Out(stream), entries in order.
    """

    def __init__(self, shape: ShapeLike, depth: int, early: Collection[str] | None = None) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self._shape = shape
        self._depth = depth
        self._early = early
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
        layout = data.Layout.cast(self._shape) if self._early is not None else None
        names = [name for name, _ in layout or ()]

        def bits(payload: Any, early: bool) -> Value:
            """Those of an entry that come early, or late."""
            if self._early is None:
                return Value.cast(payload) if early else Const(0, 0)
            return Cat(payload[name] for name in names if (name in self._early) == early)

        entry, head = self.entries.payload, self.head.payload
        early, late = bits(head, True), bits(head, False)
        m.submodules.memory = memory = Memory(shape=len(early), depth=depth, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        credits = Signal(range(depth + 1), init=depth)
        waiting = Signal(range(depth + 1))  # entries behind the head
        leaves, head_free, from_memory, moves_up = (Signal() for _ in range(4))
        m.d.comb += [
            self.credit.eq((credits > 1) | ((credits == 1) & ~self.spend)),
            leaves.eq(self.head.valid & self.head.ready),
            head_free.eq(leaves | ~self.head.valid),
            from_memory.eq(waiting != 0),
            moves_up.eq(head_free & from_memory),
            write.en.eq(self.entries.valid & (from_memory | ~head_free)),
            write.data.eq(bits(entry, True)),
        ]
        m.d.sync += [
            credits.eq(Mux(leaves, credits + ~self.spend, credits - self.spend)),
            waiting.eq(
                Mux(write.en, Mux(moves_up, waiting, waiting + 1), Mux(moves_up, waiting - 1, waiting))
            ),
        ]
        with m.If(head_free):
            m.d.sync += [
                self.head.valid.eq(from_memory | self.entries.valid),
                early.eq(Mux(from_memory, read.data, bits(entry, True))),
            ]
        moves = [(write.en, write.addr), (moves_up, read.addr)]
        if len(late):
            m.submodules.late = whole = Memory(shape=len(late), depth=depth, init=[])
            write, read = whole.write_port(), whole.read_port(domain="comb")
            fresh = Signal()  # the head entered in the cycle before
            m.d.sync += [
                write.en.eq(self.entries.valid),
                fresh.eq(self.entries.valid & head_free & ~from_memory),
            ]
            m.d.comb += [
                write.data.eq(bits(entry, False)),
                late.eq(Mux(fresh, bits(entry, False), read.data)),
            ]
            moves += [(write.en, write.addr), (leaves, read.addr)]
        for step, pointer in moves:
            with m.If(step):
                m.d.sync += pointer.eq(Mux(pointer == depth - 1, 0, pointer + 1))
        return m
