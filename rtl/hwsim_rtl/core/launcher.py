"""When a pass may start."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import WEIGHT_PASSES


class Launcher(wiring.Component):
    """Start passes: when the one before is done and the weights and scales of the next are loaded.

    Cores take turns. A pass may start a cycle after the one in which the one before is done, and two after
    its last load, or in the first cycle of a turn after that.

    Args:
        passes: what is sent of a pass.

    Ports:
        passes: In(stream), taken in the cycle of ``start``.
        start: Out(1). started: Out, what was sent of the pass, valid with it. busy, done: In(1), of the core.
        turn: In(1), a pass may start in this cycle; never in two cycles in turn.
        weights_last, scales_last: In(1), the last load of a pass takes place in this cycle.
        weights_open, scales_open: Out(1), loads may take place: fewer than WEIGHT_PASSES passes are at work
            or loaded. Whether the words of one have room is up to the host.
        clear: In(1), the core aborts: passes are taken and dropped, loads are forgotten.
    """

    def __init__(self, passes: ShapeLike) -> None:
        super().__init__(
            {
                "passes": In(stream.Signature(passes)),
                "start": Out(1),
                "started": Out(passes),
                "busy": In(1),
                "done": In(1),
                "turn": In(1),
                "weights_last": In(1),
                "scales_last": In(1),
                "weights_open": Out(1),
                "scales_open": Out(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Passes whose loads are in and that have not started.
        weights, scales = Signal(range(WEIGHT_PASSES + 1)), Signal(range(WEIGHT_PASSES + 1))
        able = self.passes.valid & (weights != 0) & (scales != 0) & (~self.busy | self.done) & ~self.clear
        was_able = Signal()
        m.d.sync += was_able.eq(able)
        m.d.comb += [
            self.start.eq(was_able & self.turn & ~self.clear),
            self.passes.ready.eq(self.start | self.clear),
            self.started.eq(self.passes.payload),
            self.weights_open.eq(weights + self.busy < WEIGHT_PASSES),
            self.scales_open.eq(scales + self.busy < WEIGHT_PASSES),
        ]
        m.d.sync += [
            weights.eq(weights + self.weights_last - self.start),
            scales.eq(scales + self.scales_last - self.start),
        ]
        with m.If(self.clear):
            m.d.sync += [weights.eq(0), scales.eq(0)]
        return m
