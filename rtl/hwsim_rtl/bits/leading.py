"""Counting the equal bits at the head of a word."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class LeadingCount(wiring.Component):
    """Count the zeros (or ones) before the first other bit, from the most significant end.

    Combinational: a tree of log2(width) levels.

    Args:
        width: bits of ``bits``, at least 1.
        of: the bit that is counted, 0 or 1.

    Ports:
        bits: In(width).
        count: Out, 0 .. width; ``width`` when all bits equal ``of``.
    """

    def __init__(self, width: int, *, of: int = 0) -> None:
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width}")
        if of not in (0, 1):
            raise ValueError(f"of must be 0 or 1, not {of!r}")
        self._of = of
        super().__init__({"bits": In(width), "count": Out(range(width + 1))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(self.bits)
        stops = ~self.bits if self._of else self.bits
        # Ones below the word fill it up to a power of two, so that the tree has equal halves.
        filler = (1 << (width - 1).bit_length()) - width
        m.d.comb += self.count.eq(_zeros(m, [Const(1)] * filler + [stops[i] for i in range(width)]))
        return m


def _zeros(m: Module, bits: Sequence[Value]) -> Value:
    """Zeros above the highest 1 of ``bits``, a power of two of them, least significant first."""
    if len(bits) == 1:
        return ~bits[0]
    half = len(bits) // 2
    low, high = _zeros(m, bits[:half]), _zeros(m, bits[half:])
    empty = high[-1]  # the top bit of a count says that all its bits are zeros
    count = Signal(range(len(bits) + 1), name=f"zeros_of_{len(bits)}")
    m.d.comb += count.eq(Cat(Mux(empty, low[:-1], high[:-1]), empty & ~low[-1], empty & low[-1]))
    return count
