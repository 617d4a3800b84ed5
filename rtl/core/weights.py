"""The weights of the pass at work and of passes to come."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import WEIGHT_PASSES, Arch
from rtl.core.bank import ANY_ON_COLLISION
from rtl.core.payloads import ChannelScale, weight_address_bits, weight_word


class WeightMemory(wiring.Component):
    """M-wide weight words in a ring, and the bias and multiplier of each channel in a ring of passes.

    Loads come in the order of the passes, one a cycle, the words of a pass after those of the one before;
    M scales a pass, whatever its channels. The host sees to it that nothing of a pass is
    overwritten before the pass is done, so that no read meets a write of its word. Reads see the next pass
    from the cycle after ``start`` on; one a cycle, latency WORD_LATENCY and SCALE_LATENCY.

    The ring is one RAM of a power of two words, and one of the rest: a RAM that is deep and narrow needs no
    choice among rows behind its slow output, so that one choice between two is left.

    Args:
        arch: ``weight_words`` and widths.

    Ports:
        load: In(stream of weight words, always ready).
        load_scales: In(stream of ChannelScale, always ready), channel 0 first.
        start: In(1), of the next pass. gone: In, weight words of the pass before, 0 before the first one.
        address: In, counted through the pass. read: In(1). word: Out, the word at ``address``
            WORD_LATENCY cycles before, if ``read``.
        channel: In. scale: Out, of ``channel`` SCALE_LATENCY cycles before.
    """

    WORD_LATENCY = 3
    SCALE_LATENCY = 2

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "load": In(stream.Signature(weight_word(arch), always_ready=True)),
                "load_scales": In(stream.Signature(ChannelScale, always_ready=True)),
                "start": In(1),
                "gone": In(range(arch.weight_words + 1)),
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
        depth = arch.weight_words
        base = Signal(range(depth))  # of the pass at work
        group = Signal(range(WEIGHT_PASSES), init=WEIGHT_PASSES - 1)
        with m.If(self.start):
            m.d.sync += [base.eq(_wrap(base + self.gone, depth)), group.eq(group + 1)]

        # Words: in the large RAM below `split`, in the small one from there on.
        split = 1 << (depth.bit_length() - 1)
        at = Signal(range(depth), reset_less=True)
        reads, chosen = Signal(), Signal()
        load_at = Signal(range(depth))
        in_rest = Signal(reset_less=True)
        m.d.sync += [
            at.eq(_wrap(base + self.address, depth)),
            reads.eq(self.read),
            chosen.eq(reads),
            in_rest.eq(at >= split),
        ]
        with m.If(self.load.valid):
            m.d.sync += load_at.eq(_wrap(load_at + 1, depth))
        outputs = []
        for name, size, mine in (("low", split, 0), ("rest", depth - split, 1)):
            if not size:
                continue
            ram = Memory(shape=weight_word(arch), depth=size, init=[], attrs=ANY_ON_COLLISION)
            m.submodules[name] = ram
            read, write = ram.read_port(), ram.write_port()
            m.d.comb += [
                read.addr.eq(at[: len(read.addr)]),
                read.en.eq(reads & ((at >= split) == mine)),
                write.addr.eq(load_at[: len(write.addr)]),
                write.en.eq(self.load.valid & ((load_at >= split) == mine)),
                write.data.eq(self.load.payload),
            ]
            outputs.append(read.data.as_value())
        with m.If(chosen):
            m.d.sync += self.word.as_value().eq(Mux(in_rest, outputs[-1], outputs[0]))

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
