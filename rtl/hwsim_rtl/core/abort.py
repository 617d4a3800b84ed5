"""The end of what is under way in a core."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

# Longer than what is read, or added, is under way: so long are the parts of a core reset.
FLUSH_CYCLES = 16
STAGES = 3  # in which they are reset, one a cycle
ABORT_CYCLES = FLUSH_CYCLES + STAGES - 1  # after the last one in which an abort is wanted or waits


class Abort(wiring.Component):
    """Reset the parts of a core when an abort is wanted and no output waits to be taken any more.

    A reset of all registers at once would be the longest net of the core. So it goes through the core in a
    wave, stage by stage, and only to the parts that keep something; the pipelines between them get nothing
    new in FLUSH_CYCLES cycles, and run empty. As all stages are reset together in most of these, the effect
    is that of one reset.

    An abort that finds no output waiting in cycle t resets stage s from t + 1 + s on, for FLUSH_CYCLES; its
    last cycle is t + ABORT_CYCLES. One that goes on, or comes again, ends so much after its own last cycle.

    Ports:
        wanted: In(1). waits: In(1), an output of the core is offered and not taken.
        stages: Out(STAGES), reset the parts of that stage.
        flushing: Out(1), a stage is reset: outputs are not to be shown.
        aborting: Out(1), from the cycle of ``wanted`` on until no stage is reset.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "wanted": In(1),
                "waits": In(1),
                "stages": Out(STAGES),
                "flushing": Out(1),
                "aborting": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waiting = Signal()  # for an output, since the abort was wanted
        left = Signal(range(FLUSH_CYCLES))  # cycles of the first stage, after this one
        wanted, flush = self.wanted | waiting, Signal()
        m.d.comb += [
            self.flushing.eq(self.stages.any()),
            self.aborting.eq(wanted | self.flushing),
            flush.eq(wanted & ~self.waits),
        ]
        m.d.sync += [
            waiting.eq(wanted & self.waits),
            left.eq(left - (left != 0)),
            self.stages.eq(Cat(flush | (left != 0), self.stages[:-1])),
        ]
        with m.If(flush):
            m.d.sync += left.eq(FLUSH_CYCLES - 1)
        return m


def add_abort(m: Module, core: Any) -> Abort:
    """End what is under way in a core when its ``abort_pass`` says so.

    Args:
        m: the core.
        core: its ports: ``abort_pass``, ``aborting``, ``coded`` and ``index``.
    """
    m.submodules.abort = abort = Abort()
    m.d.comb += [
        abort.wanted.eq(core.abort_pass),
        abort.waits.eq(Cat(out.valid & ~out.ready for out in (core.coded, core.index)).any()),
        core.aborting.eq(abort.aborting),
    ]
    return abort


def take_or_drop(m: Module, inward: Any, inner: Any, dropping: Value) -> None:
    """A stream into a core, of which everything is taken and dropped while ``dropping``."""
    m.d.comb += [
        inner.payload.eq(inward.payload),
        inner.valid.eq(inward.valid & ~dropping),
        inward.ready.eq(inner.ready | dropping),
    ]


def give_or_hide(m: Module, inner: Any, outward: Any, hiding: Value) -> None:
    """A stream out of a core, of which nothing is shown while ``hiding``."""
    m.d.comb += [
        outward.payload.eq(inner.payload),
        outward.valid.eq(inner.valid & ~hiding),
        inner.ready.eq(outward.ready),
    ]
