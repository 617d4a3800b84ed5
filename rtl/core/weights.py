"""The weights of two passes: one works while the other is loaded."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from rtl.core.payloads import ChannelScale, weight_address_bits, weight_word


class WeightMemory(wiring.Component):
    """M-wide weight words, and the bias and multiplier of each channel, in two halves.

    Loads go to the idle half, in order from its first word on, one a cycle. ``swap`` exchanges the halves,
    with the load of its own cycle already in. Reads take one cycle and see the working half from the cycle
    after ``swap``.

    Args:
        arch: ``weight_words`` and widths.

    Ports:
        load: In(stream of weight words, always ready).
        load_scales: In(stream of ChannelScale, always ready), channel 0 first.
        swap: In(1).
        idle_base: Out, address of the first word of the idle half.
        address: In. read: In(1). word: Out, the word at ``address`` in the cycle before, if ``read``.
        channel: In. scale: Out, of ``channel`` in the cycle before.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "load": In(stream.Signature(weight_word(arch), always_ready=True)),
                "load_scales": In(stream.Signature(ChannelScale, always_ready=True)),
                "swap": In(1),
                "idle_base": Out(weight_address_bits(arch)),
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
        half = Signal()  # that works
        m.d.sync += half.eq(half ^ self.swap)
        m.d.comb += self.idle_base.eq(Mux(half, 0, arch.weight_words))

        m.submodules.words = words = Memory(shape=weight_word(arch), depth=2 * arch.weight_words, init=[])
        m.submodules.scales = scales = Memory(shape=ChannelScale, depth=2 * arch.columns, init=[])
        scale_base = Mux(half, 0, arch.columns)
        for load, memory, base, depth in (
            (self.load, words, self.idle_base, arch.weight_words),
            (self.load_scales, scales, scale_base, arch.columns),
        ):
            write = memory.write_port()
            loaded = Signal(range(depth + 1))
            m.d.comb += [
                write.en.eq(load.valid & (loaded < depth)),
                write.addr.eq(base + loaded),
                write.data.eq(load.payload),
            ]
            m.d.sync += loaded.eq(Mux(self.swap, 0, loaded + write.en))

        read_word, read_scale = words.read_port(), scales.read_port()
        m.d.comb += [
            read_word.addr.eq(self.address),
            read_word.en.eq(self.read),
            self.word.eq(read_word.data),
            read_scale.addr.eq(Mux(half, arch.columns, 0) + self.channel),
            self.scale.eq(read_scale.data),
        ]
        return m
