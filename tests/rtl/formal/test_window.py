"""Proof: the window never takes a word without room, and never gives one that it does not have."""

from amaranth import Assert, Assume, Module, Mux, Signal
from amaranth.hdl import Elaboratable
from formal.prove import inputs, prove

from hwsim.arch import WINDOW_WORDS
from hwsim_rtl.bits.lane_windows import LaneWindows
from hwsim_rtl.bits.window import MAX_BITS, Window


class Occupied(Elaboratable):
    """Words in and out are counted outside of the window.

    Its registers are those of a queue: with that, what is said of its ports is inductive.
    """

    def __init__(self, window: Window) -> None:
        self.window = window

    def elaborate(self, platform):
        m = Module()
        m.submodules.window = window = self.window
        held = Signal(range(8))  # words in the window
        taken = window.words.valid & window.words.ready
        crosses = window.end >= 64
        gone = Signal(range(3))
        m.d.comb += [
            Assume((window.end >= window.offset) & (window.end <= window.offset + MAX_BITS)),
            Assume(~window.take | window.ready),
            gone.eq(Mux(window.take, Mux(window.rest, 2 - window.last, crosses), 0)),
        ]
        m.d.sync += held.eq(held + taken - gone)
        with m.If(window.clear):
            m.d.sync += held.eq(0)
        m.d.comb += [
            Assert(held <= WINDOW_WORDS),
            Assert(window.words.ready == ((held < WINDOW_WORDS) & ~window.clear)),
            Assert(window.ready == ((held >= 2) | ((held == 1) & window.last))),
            Assert(window.level == held),
            Assert(window.tail == (window.head + held)[: len(window.tail)]),
        ]
        return m


def test_the_window_neither_overflows_nor_runs_dry():
    window = Window(17)
    prove(Occupied(window), inputs(window), "window", mode="prove", depth=2)


class OccupiedInTurns(Elaboratable):
    """As :class:`Occupied`, of two windows that take turns: what was counted goes round with the lanes."""

    def __init__(self, windows: LaneWindows) -> None:
        self.windows = windows

    def elaborate(self, platform):
        m = Module()
        m.submodules.windows = windows = self.windows
        shown, taking = Signal(range(8)), Signal(range(8))  # words in the windows
        state = windows.taking
        taken = windows.words.valid & windows.words.ready
        gone = Signal(range(3))
        before = Signal(init=1)
        m.d.sync += before.eq(windows.turn)
        m.d.comb += [
            Assume(windows.turn != before),
            Assume((windows.end >= state.offset) & (windows.end <= state.offset + MAX_BITS)),
            Assume(~windows.take | windows.ready),
            gone.eq(Mux(windows.take, Mux(windows.rest, 2 - windows.last, windows.end >= 64), 0)),
        ]
        m.d.sync += [taking.eq(shown), shown.eq(Mux(windows.clear, 0, taking + taken - gone))]
        last = state.lasts.bit_select(state.head, 1)
        m.d.comb += [
            Assert(windows.words.ready == ((taking < WINDOW_WORDS) & ~windows.clear)),
            Assert(windows.ready == ((taking >= 2) | ((taking == 1) & windows.last))),
            Assert((taking == 0) | (windows.last == last)),
        ]
        for held, lane in ((shown, windows.shown), (taking, state)):
            m.d.comb += [
                Assert(held <= WINDOW_WORDS),
                Assert(lane.level == held),
                Assert(lane.tail == (lane.head + held)[: len(lane.tail)]),
            ]
        return m


def test_the_windows_of_two_lanes_neither_overflow_nor_run_dry():
    windows = LaneWindows(17)
    prove(OccupiedInTurns(windows), inputs(windows), "lane_windows", mode="prove", depth=2)
