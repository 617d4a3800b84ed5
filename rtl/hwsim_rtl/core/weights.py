"""The weights of the pass at work and of passes to come."""

from __future__ import annotations

from itertools import pairwise, product

from amaranth import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import WEIGHT_PASSES, WEIGHT_PORT_WORDS, Arch
from hwsim_rtl.core.bank import ANY_ON_COLLISION
from hwsim_rtl.core.payloads import ChannelScale, weight_address_bits, weight_load, weight_word

RAM_BITS = 11  # of an address in one of the RAMs
PART_BITS = (WEIGHT_PORT_WORDS - 1).bit_length()


class WeightMemory(wiring.Component):
    """M-wide weight words in a ring, and the bias and multiplier of each channel in a ring of passes.

    Loads come in the order of the passes, one a cycle, those of a pass after those of the one before;
    M scales a pass, whatever its channels. A load is WEIGHT_PORT_WORDS words side by side; the last one of a
    pass may be partly empty. The host sees to it that nothing of a pass is
    overwritten before the pass is done, so that no read meets a write of its word. Reads see the next pass
    from the cycle after ``start`` on; one a cycle, latency WORD_LATENCY and SCALE_LATENCY.

    Each word of a load has RAMs of its own, the even words or the odd ones, of 2048 words each, with a
    register behind its slow output, before the choice among them; only the one that is read works. A block
    RAM of an ECP5 can be that deep, so that yosys puts no choice of its own before the register.

    Args:
        arch: ``weight_words`` and widths.

    Ports:
        load: In(stream of :func:`weight_load`, always ready).
        load_scales: In(stream of ChannelScale, always ready), channel 0 first.
        start: In(1), of the next pass. gone: In, loads of weights of the pass before, 0 before the first one.
        address: In, weight word, counted through the pass. read: In(1). word: Out, the word at ``address``
            WORD_LATENCY cycles before, if ``read``.
        channel: In. scale: Out, of ``channel`` SCALE_LATENCY cycles before.
    """

    WORD_LATENCY = 4
    SCALE_LATENCY = 2

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "load": In(stream.Signature(weight_load(arch), always_ready=True)),
                "load_scales": In(stream.Signature(ChannelScale, always_ready=True)),
                "start": In(1),
                "gone": In(range(arch.weight_words // WEIGHT_PORT_WORDS + 1)),
                "address": In(weight_address_bits(arch)),
                "read": In(1),
                "word": Out(weight_word(arch)),
                "channel": In(range(arch.columns)),
                "scale": Out(ChannelScale),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self._arch
        depth = arch.weight_words // WEIGHT_PORT_WORDS
        base = Signal(range(depth))  # load of the pass at work
        group = Signal(range(WEIGHT_PASSES), init=WEIGHT_PASSES - 1)
        with m.If(self.start):
            m.d.sync += [base.eq(_wrap(base + self.gone, depth)), group.eq(group + 1)]

        # Words: the place in the ring; the RAM; its register; the choice. The RAMs of each word of a load
        # have a register of their own for the place, which changes with their reads alone.
        place = Signal(range(depth))
        part = self.address[:PART_BITS]  # which word of the load
        m.d.comb += place.eq(_wrap(base + (self.address >> PART_BITS), depth))
        ats = [Signal(range(depth), name=f"at{word}", reset_less=True) for word in range(WEIGHT_PORT_WORDS)]
        reads = [Signal(name=f"reads{word}") for word in range(WEIGHT_PORT_WORDS)]
        for word, at in enumerate(ats):
            m.d.sync += reads[word].eq(self.read & (part == word))
            with m.If(part == word):
                m.d.sync += at.eq(place)
        load_at = Signal(range(depth))
        with m.If(self.load.valid):
            m.d.sync += load_at.eq(_wrap(load_at + 1, depth))
        outputs = []
        firsts = range(0, depth, 1 << RAM_BITS)
        for (number, first), word in product(enumerate(firsts), range(WEIGHT_PORT_WORDS)):
            ram = Memory(
                shape=weight_word(arch),
                depth=min(1 << RAM_BITS, depth - first),
                init=[],
                attrs=ANY_ON_COLLISION,
            )
            name = f"{number}_{word}"
            m.submodules[f"words{name}"] = ram
            read, write = ram.read_port(), ram.write_port()
            read_before = Signal(name=f"read_before{name}")
            output = Signal(weight_word(arch), name=f"output{name}", reset_less=True)
            m.d.comb += [
                read.addr.eq(ats[word][: len(read.addr)]),
                read.en.eq(reads[word] & (ats[word][RAM_BITS:] == number)),
                write.addr.eq(load_at[: len(write.addr)]),
                write.en.eq(self.load.valid & (load_at[RAM_BITS:] == number)),
                write.data.eq(self.load.payload[word]),
            ]
            m.d.sync += read_before.eq(read.en)
            with m.If(read_before):
                m.d.sync += output.eq(read.data)
            outputs.append(output)
        chosen = Cat(part, place[RAM_BITS:])
        choice = [chosen, *(Signal(len(chosen), name=f"choice{i}") for i in range(3))]
        m.d.sync += [after.eq(before) for before, after in pairwise(choice)]
        m.d.sync += self.word.eq(Array(outputs)[choice[-1]])

        # Scales.
        m.submodules.scales = scales = Memory(
            shape=ChannelScale, depth=WEIGHT_PASSES * arch.columns, init=[], attrs=ANY_ON_COLLISION
        )
        read, write = scales.read_port(), scales.write_port()
        with m.If(self.load_scales.valid):
            m.d.sync += write.addr.eq(write.addr + 1)
        m.d.comb += [
            write.en.eq(self.load_scales.valid),
            write.data.eq(self.load_scales.payload),
            read.addr.eq(Cat(self.channel, group)),
        ]
        m.d.sync += self.scale.eq(read.data)
        return m


def _wrap(number: Value, depth: int) -> Value:
    """A number below twice the depth, modulo the depth."""
    return Mux(number >= depth, number - depth, number)
