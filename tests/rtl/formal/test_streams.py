"""Proofs: streams keep their rules, and no word is lost or overwritten."""

import pytest
from amaranth import Assert, Assume, Module, Signal
from amaranth.hdl import Elaboratable, Value
from amaranth.lib.data import StructLayout
from formal.prove import inputs, prove

from hwsim.arch import Arch
from hwsim_rtl.bits.packer import Packer
from hwsim_rtl.codec.encoder import SegEncoder
from hwsim_rtl.core.credit_fifo import CreditFifo
from hwsim_rtl.system.result_writer import ResultWriter


class Holds(Elaboratable):
    """What an output stream of ``device`` offers stays until it is taken, whatever the inputs do: but those
    that are ``steady``, and one that starts it is not given while it is busy."""

    def __init__(self, device, *names: str, steady: tuple[str, ...] = ()) -> None:
        self.device, self.names, self.steady = device, names, steady

    def elaborate(self, platform):
        m = Module()
        m.submodules.device = self.device
        for stream in (getattr(self.device, name) for name in self.names):
            waiting = Signal()
            payload = Signal.like(Value.cast(stream.payload))
            m.d.sync += [waiting.eq(stream.valid & ~stream.ready), payload.eq(stream.payload)]
            with m.If(waiting):
                m.d.comb += Assert(stream.valid)
                m.d.comb += Assert(Value.cast(stream.payload) == payload)
        for name in self.steady:
            value = Value.cast(getattr(self.device, name))
            before, began = Signal.like(value), Signal()
            m.d.sync += [before.eq(value), began.eq(1)]
            m.d.comb += Assume(~began | (before == value))
        if hasattr(self.device, "busy"):
            m.d.comb += Assume(~(self.device.start & self.device.busy))
        return m


class WaitsForOutputAlone(Elaboratable):
    """An encoder takes a value in every cycle in which neither a word nor an entry waits to be taken."""

    def __init__(self, encoder: SegEncoder) -> None:
        self.encoder = encoder

    def elaborate(self, platform):
        m = Module()
        m.submodules.encoder = encoder = self.encoder
        waits = [out.valid & ~out.ready for out in (encoder.words, encoder.index)]
        m.d.comb += Assert(encoder.values.ready | waits[0] | waits[1])
        return m


class PaidInAdvance(Elaboratable):
    """A FIFO whose writer pays as it may never overflows, and gives what it got in order.

    One entry, any one of the first seven, has a mark; no other has it. The same holds for what comes a cycle
    after an entry.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.fifo = CreditFifo(StructLayout({"early": 1, "late": 1}), depth, ["early"])
        self.sends = Signal()  # a credit is used if there is one
        self.arrives = Signal()  # what is under way comes out if there is anything
        self.marked = Signal(3)
        self.free = [self.sends, self.arrives, self.marked, self.fifo.head.ready]

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = self.fifo
        under_way, held = Signal(range(self.depth + 2)), Signal(range(self.depth + 2))
        entered, left = Signal(3), Signal(3)
        leaves = fifo.head.valid & fifo.head.ready
        marks, head = entered == self.marked, fifo.head.payload
        m.d.comb += [
            fifo.entries.valid.eq(self.arrives & (under_way != 0)),
            fifo.entries.payload.early.eq(marks),
        ]
        m.d.sync += fifo.entries.payload.late.eq(marks)
        m.d.sync += [
            fifo.spend.eq(self.sends & fifo.credit),
            under_way.eq(under_way + fifo.spend - fifo.entries.valid),
            held.eq(held + fifo.entries.valid - leaves),
            entered.eq(entered + fifo.entries.valid),
            left.eq(left + leaves),
        ]
        before = Signal(3)
        m.d.sync += before.eq(self.marked)
        m.d.comb += [
            Assume((entered == 0) & (under_way == 0) | (before == self.marked)),
            Assert(held + under_way + fifo.spend <= self.depth),
            Assert(fifo.head.valid == (held != 0)),
            Assert(~fifo.head.valid | (head.early == (left == self.marked))),
            Assert(~fifo.head.valid | (head.late == (left == self.marked))),
        ]
        return m


def test_packer_words_hold_until_they_are_taken():
    packer = Packer(33, 17)
    prove(Holds(packer, "words"), inputs(packer), "packer_words", mode="prove", depth=2)


def test_encoder_words_and_entries_hold_until_they_are_taken():
    encoder = SegEncoder(Arch(activation_bits=16))
    harness = Holds(encoder, "words", "index", steady=("config",))
    prove(harness, inputs(encoder), "encoder_streams", mode="prove", depth=2)


def test_an_encoder_stands_still_only_while_its_output_waits():
    encoder = SegEncoder(Arch(activation_bits=4))
    prove(WaitsForOutputAlone(encoder), inputs(encoder), "encoder_waits", mode="prove", depth=3)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_fifo_that_is_paid_in_advance_never_overflows(depth):
    harness = PaidInAdvance(depth)
    prove(harness, harness.free, f"credit_fifo_{depth}", mode="bmc", depth=9)


def test_the_result_and_its_request_hold_until_they_are_taken():
    writer = ResultWriter()
    harness = Holds(writer, "writes", "write_data", steady=("address", "size"))
    prove(harness, inputs(writer), "result_writer", mode="prove", depth=2)
