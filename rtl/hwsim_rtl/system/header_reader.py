"""The header of a memory image, and whether this machine runs it."""

from __future__ import annotations

import struct

from amaranth import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES, Arch
from hwsim.program.image import HEADER, HEADER_BYTES, MACHINE, MAGIC, VERSION
from hwsim_rtl.core.payloads import LANES
from hwsim_rtl.system.read_router import BEAT_BITS

HEADER_BEATS = HEADER_BYTES // BEAT_BYTES
ImageHeader = data.StructLayout({name: 8 * struct.calcsize(f"<{code}") for name, code in HEADER.items()})


class HeaderReader(wiring.Component):
    """Take the beats of a header.

    Args:
        arch: the machine.

    Ports:
        start: In(1), forgets what was read. beats: In(stream of 256 bits).
        header: Out(ImageHeader), when ``there``: Out(1). wrong: Out(1), with it: no image for this machine.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "start": In(1),
                "beats": In(stream.Signature(BEAT_BITS)),
                "header": Out(ImageHeader),
                "there": Out(1),
                "wrong": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        text, came = Signal(8 * HEADER_BYTES), Signal(range(HEADER_BEATS + 1))
        header, arch = self.header, self._arch
        expected = {
            "magic": int.from_bytes(MAGIC, "little"),
            "version": VERSION,
            "lanes": LANES,
            "skip_zeros": int(arch.skip_zeros),
            **{name: getattr(arch, name) for name in MACHINE},
        }
        differs = Cat(header[name] != value for name, value in expected.items()).any()
        m.d.comb += [
            header.eq(text),
            self.there.eq(came == HEADER_BEATS),
            self.wrong.eq(self.there & (differs | (header.layers == 0))),
            self.beats.ready.eq(~self.there),
        ]
        with m.If(self.start):
            m.d.sync += came.eq(0)
        with m.Elif(self.beats.valid & self.beats.ready):
            m.d.sync += [came.eq(came + 1), text.eq(Cat(text[BEAT_BITS:], self.beats.payload))]
        return m
