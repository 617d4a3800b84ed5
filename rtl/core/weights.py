"""The weights of the pass at work and of passes to come."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import WEIGHT_PASSES, Arch
from rtl.core.payloads import ChannelScale, weight_address_bits, weight_word


class WeightMemory(wiring.Component):
    """M-wide weight words in a ring, and the bias and multiplier of each channel in a ring of passes.

    Loads come in the order of the passes, one a cycle, the words of a pass after those of the one before;
    M scales a pass, whatever its channels. The host sees to it that nothing of a pass is
    overwritten before the pass is done. Reads take one cycle; they see the next pass from the cycle after
    ``start`` on.

    Args:
        arch: ``weight_words`` and widths.

    Ports:
        load: In(stream of weight words, always ready).
        load_scales: In(stream of ChannelScale, always ready), channel 0 first.
        start: In(1), of the next pass. gone: In, weight words of the pass before, 0 before the first one.
        address: In, counted through the pass. read: In(1). word: Out, the word at ``address`` in the cycle
            before, if ``read``.
        channel: In. scale: Out, of ``channel`` in the cycle before.
    """

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
        groups = WEIGHT_PASSES * arch.columns
        m.submodules.words = words = Memory(shape=weight_word(arch), depth=arch.weight_words, init=[])
        m.submodules.scales = scales = Memory(shape=ChannelScale, depth=groups, init=[])
        for load, memory, depth in (
            (self.load, words, arch.weight_words),
            (self.load_scales, scales, groups),
        ):
            write = memory.write_port()
            m.d.comb += [write.en.eq(load.valid), write.data.eq(load.payload)]
            with m.If(load.valid):
                m.d.sync += write.addr.eq(_wrap(write.addr + 1, depth))

        base = Signal(range(arch.weight_words))  # of the pass at work
        group = Signal(range(WEIGHT_PASSES), init=WEIGHT_PASSES - 1)
        with m.If(self.start):
            m.d.sync += [
                base.eq(_wrap(base + self.gone, arch.weight_words)),
                group.eq(_wrap(group + 1, WEIGHT_PASSES)),
            ]
        read_word, read_scale = words.read_port(), scales.read_port()
        m.d.comb += [
            read_word.addr.eq(_wrap(base + self.address, arch.weight_words)),
            read_word.en.eq(self.read),
            self.word.eq(read_word.data),
            read_scale.addr.eq(group * arch.columns + self.channel),
            self.scale.eq(read_scale.data),
        ]
        return m


def _wrap(number: Value, depth: int) -> Value:
    """A number below twice the depth, modulo the depth."""
    return Mux(number >= depth, number - depth, number)
