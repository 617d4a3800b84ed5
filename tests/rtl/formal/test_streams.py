"""Proofs: streams keep their rules, and no word is lost or overwritten."""

from amaranth import Assert, Assume, Module, Mux, Signal
from amaranth.hdl import Elaboratable
from formal.prove import inputs, prove

from hwsim.arch import WINDOW_WORDS, Arch
from rtl.bits.packer import Packer
from rtl.bits.window import MAX_BITS, Window
from rtl.codec.encoder import SegEncoder


class Holds(Elaboratable):
    """What an output stream of ``device`` offers stays until it is taken, whatever the inputs do."""

    def __init__(self, device, *names: str, steady: str = "") -> None:
        self.device, self.names, self.steady = device, names, steady

    def elaborate(self, platform):
        m = Module()
        m.submodules.device = self.device
        for stream in (getattr(self.device, name) for name in self.names):
            waiting = Signal()
            payload = Signal.like(stream.payload.as_value())
            m.d.sync += [waiting.eq(stream.valid & ~stream.ready), payload.eq(stream.payload.as_value())]
            with m.If(waiting):
                m.d.comb += Assert(stream.valid)
                m.d.comb += Assert(stream.payload.as_value() == payload)
        if self.steady:
            value = getattr(self.device, self.steady).as_value()
            before, began = Signal.like(value), Signal()
            m.d.sync += [before.eq(value), began.eq(1)]
            m.d.comb += Assume(~began | (before == value))
        return m


class Occupied(Elaboratable):
    """The window never takes a word without room, and never gives one that it does not have.

    Its registers are those of a queue: with that, the three lines on its ports are inductive.
    """

    def __init__(self, window: Window) -> None:
        self.window = window

    def elaborate(self, platform):
        m = Module()
        m.submodules.window = window = self.window
        held = Signal(range(8))  # words in the window, counted outside
        taken = window.words.valid & window.words.ready
        m.d.comb += Assume((window.end >= window.offset) & (window.end <= window.offset + MAX_BITS))
        crosses = window.end >= 64
        gone = Signal(range(3))
        m.d.comb += gone.eq(Mux(window.take, Mux(window.rest, 2 - window.last, crosses), 0))
        m.d.comb += Assume(~window.take | window.ready)
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


def test_packer_words_hold_until_they_are_taken():
    packer = Packer(33, 17)
    prove(Holds(packer, "words"), inputs(packer), "packer_words", mode="prove", depth=2)


def test_encoder_words_and_entries_hold_until_they_are_taken():
    encoder = SegEncoder(Arch(activation_bits=16))
    harness = Holds(encoder, "words", "index", steady="config")
    prove(harness, inputs(encoder), "encoder_streams", mode="prove", depth=2)


def test_the_window_neither_overflows_nor_runs_dry():
    window = Window(17)
    prove(Occupied(window), inputs(window), "window_words", mode="prove", depth=2)
