"""The programs of two layers on chip: one that is worked on, one that comes."""

from __future__ import annotations

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES, LAYER_BYTES, PASS_BYTES, WORD_BITS, WORD_BYTES
from hwsim.machine.descriptors import PROGRAM_WORDS
from hwsim_rtl.system.payloads import LAYER_BITS, LayerDescriptor, PoolWindow
from hwsim_rtl.system.read_router import BEAT_BITS

BEAT_WORDS = BEAT_BYTES // WORD_BYTES
PROGRAM_BEATS = (LAYER_BYTES + PROGRAM_WORDS * WORD_BYTES) // BEAT_BYTES
PROGRAMS = 2
DESCRIPTORS = 4  # as many layers may be under way: two in the store, one in the sequencer, one at work
LAYER_NUMBER_BITS = 16
PASS_NUMBER_BITS = (PROGRAM_WORDS * WORD_BYTES // PASS_BYTES).bit_length()


class ProgramStore(wiring.Component):
    """Keep programs as they come, give the sequencer their words, and others single passes.

    Programs have numbers, the first 0. A program is there in the cycle after its last beat came; then its
    words are offered, from a cycle later on, one a cycle, if those of the one before were taken. Its place is
    free when its last word was taken.

    Ports:
        clear: In(1), forgets all programs.
        beats: In(stream of 256 bits); size: In(range), beats of the program that comes, constant meanwhile.
        arrived: Out(16), programs that have come; fed: Out(16), whose words were all taken; begun: Out(16),
            whose first word was.
        words: Out(stream of 64 bits).
        descriptors: Out(LayerDescriptor), four: that of program n is number n modulo 4; pools:
            Out(PoolWindow), likewise, the last word of each program.
        layer: In(16), number of a program that is there; number: In(range), of one of its passes; entry:
            Out(64), that pass, a cycle later.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "clear": In(1),
                "beats": In(stream.Signature(BEAT_BITS)),
                "size": In(range(PROGRAM_BEATS + 1)),
                "arrived": Out(LAYER_NUMBER_BITS),
                "fed": Out(LAYER_NUMBER_BITS),
                "begun": Out(LAYER_NUMBER_BITS),
                "words": Out(stream.Signature(WORD_BITS)),
                "descriptors": Out(LayerDescriptor()).array(DESCRIPTORS),
                "pools": Out(PoolWindow()).array(DESCRIPTORS),
                "layer": In(LAYER_NUMBER_BITS),
                "number": In(PASS_NUMBER_BITS),
                "entry": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=BEAT_BITS, depth=PROGRAMS * PROGRAM_BEATS, init=[])
        store, feed, look = memory.write_port(), memory.read_port(), memory.read_port()

        def place(number: Signal) -> Signal:
            return Mux(number[0], PROGRAM_BEATS, 0)

        came, sizes = Signal(range(PROGRAM_BEATS + 1)), Signal(range(PROGRAM_BEATS + 1))
        size_of = [Signal(range(PROGRAM_BEATS + 1), name=f"size{n}") for n in range(PROGRAMS)]
        texts = [Signal(LAYER_BITS, name=f"text{n}") for n in range(DESCRIPTORS)]
        m.d.comb += [
            self.beats.ready.eq(1),
            store.addr.eq(place(self.arrived) + came),
            store.data.eq(self.beats.payload),
            store.en.eq(self.beats.valid),
            *(descriptor.eq(text) for descriptor, text in zip(self.descriptors, texts, strict=True)),
        ]
        with m.If(self.beats.valid):
            m.d.sync += came.eq(came + 1)
            for number, text in enumerate(texts):
                mine = self.arrived[:2] == number
                with m.If(mine & (came == 0)):
                    m.d.sync += text[:BEAT_BITS].eq(self.beats.payload)
                with m.If(mine & (came == 1)):
                    m.d.sync += text[BEAT_BITS:].eq(self.beats.payload)
                with m.If(mine):  # of the last beat it stays
                    m.d.sync += self.pools[number].eq(self.beats.payload[-WORD_BITS:])
            with m.If(came + 1 == self.size):
                m.d.sync += [came.eq(0), self.arrived.eq(self.arrived + 1)]
                for slot in range(PROGRAMS):
                    with m.If(self.arrived[0] == slot):
                        m.d.sync += size_of[slot].eq(self.size)

        # Words leave from the beat that was read in the cycle before.
        at, ahead = (
            Signal(range(BEAT_WORDS * PROGRAM_BEATS + 1)),
            Signal(range(BEAT_WORDS * PROGRAM_BEATS + 1)),
        )
        primed = Signal()
        leaves, left = Signal(), Signal()
        m.d.comb += [
            sizes.eq(Mux(self.fed[0], size_of[1], size_of[0])),
            self.words.valid.eq(primed),
            self.words.payload.eq(feed.data.word_select(at[:2], WORD_BITS)),
            leaves.eq(self.words.valid & self.words.ready),
            left.eq(leaves & (at + 1 == sizes * BEAT_WORDS)),
            ahead.eq(at + leaves),
            feed.addr.eq(place(self.fed) + ahead[2:]),
        ]
        m.d.sync += primed.eq((self.arrived != self.fed) & ~left)
        with m.If(leaves):
            m.d.sync += [
                at.eq(Mux(left, 0, ahead)),
                self.begun.eq(self.fed + 1),
                self.fed.eq(self.fed + left),
            ]

        word = Signal(2)
        in_program = Signal(PASS_NUMBER_BITS + 1)
        clamped = [descriptor.clamped for descriptor in self.descriptors]  # a word is before the passes
        m.d.comb += [
            in_program.eq(LAYER_BYTES // WORD_BYTES + Array(clamped)[self.layer[:2]] + self.number),
            look.addr.eq(place(self.layer) + in_program[2:]),
            self.entry.eq(look.data.word_select(word, WORD_BITS)),
        ]
        m.d.sync += word.eq(in_program[:2])
        with m.If(self.clear):
            m.d.sync += [
                self.arrived.eq(0),
                self.fed.eq(0),
                self.begun.eq(0),
                primed.eq(0),
                at.eq(0),
                came.eq(0),
            ]
        return m
