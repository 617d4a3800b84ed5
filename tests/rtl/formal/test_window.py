"""Proof: the windows never take a word without room, and never give one that they do not have."""

from amaranth import Assert, Assume, Module, Mux, Signal
from amaranth.hdl import Elaboratable
from formal.prove import inputs, prove

from hwsim.arch import WINDOW_WORDS
from hwsim_rtl.bits.windows import MAX_BITS, Windows


class Occupied(Elaboratable):
    """Words in and out are counted outside of the windows; what was counted goes round with the lanes.

    The windows' registers are those of queues: with that, what is said of their ports is inductive.
    """

    def __init__(self, windows: Windows) -> None:
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


def test_the_windows_neither_overflow_nor_run_dry():
    windows = Windows(17)
    prove(Occupied(windows), inputs(windows), "windows", mode="prove", depth=2)
