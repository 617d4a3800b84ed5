"""Beats of memory to pieces of any number of bits."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES

BEAT_BITS = 8 * BEAT_BYTES


class BitUnpacker(wiring.Component):
    """Cut bits into pieces, the lowest bits of a beat first.

    A piece is there in the cycle after the beat that ends it was taken; pieces no longer than a beat leave
    one a cycle, as long as beats come.

    Args:
        most: bits of the longest piece.

    Ports:
        beats: In(stream of 256 bits).
        size: In(range), bits of the piece that comes next, at least 1.
        pieces: Out(stream of ``most`` bits); those above ``size`` are of no matter.
        flush: In(1), with a piece that is taken: what is behind it is forgotten, but for a beat that comes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        super().__init__(
            {
                "beats": In(stream.Signature(BEAT_BITS)),
                "size": In(range(most + 1)),
                "pieces": Out(stream.Signature(most)),
                "flush": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        room = self._most + BEAT_BITS
        bits, held = Signal(room), Signal(range(room + 1))
        leaves, left, stay = Signal(), Signal(range(room + 1)), Signal(room)
        m.d.comb += [
            self.pieces.valid.eq(held >= self.size),
            self.pieces.payload.eq(bits),
            leaves.eq(self.pieces.valid & self.pieces.ready),
            left.eq(Mux(leaves, Mux(self.flush, 0, held - self.size), held)),
            stay.eq(Mux(leaves, Mux(self.flush, 0, bits >> self.size), bits)),
            self.beats.ready.eq((left + BEAT_BITS <= room) | (leaves & self.flush)),
        ]
        m.d.sync += [held.eq(left), bits.eq(stay)]
        with m.If(self.beats.valid & self.beats.ready):
            m.d.sync += [
                held.eq(left + BEAT_BITS),
                bits.eq(stay | (self.beats.payload << left)[:room]),
            ]
        return m
