"""The sum of all banks."""

from __future__ import annotations

from amaranth import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwsim_rtl.core.payloads import SUM_BITS


class AdderTree(wiring.Component):
    """Add numbers up, wrapping to 32 bits.

    Latency LATENCY = 3 cycles, whatever the width: each level adds up to four numbers, enough for 64. Of up
    to 16, two levels are enough, and the first cycle is for the way from the banks alone. One sum a cycle.

    Args:
        inputs: how many numbers, 1 .. 64.

    Ports:
        numbers: In(signed 32), an array.
        sum: Out(signed 32).
    """

    LATENCY = 3
    RADIX = 4

    def __init__(self, inputs: int) -> None:
        if not 1 <= inputs <= self.RADIX**self.LATENCY:
            raise ValueError(f"inputs must be 1 .. {self.RADIX**self.LATENCY}, not {inputs}")
        self._inputs = inputs
        super().__init__({"numbers": In(signed(SUM_BITS)).array(inputs), "sum": Out(signed(SUM_BITS))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        level = list(self.numbers)
        for depth in range(self.LATENCY):
            waits = depth == 0 and len(level) <= self.RADIX ** (self.LATENCY - 1)
            radix = 1 if waits else self.RADIX
            groups = [level[i : i + radix] for i in range(0, len(level), radix)]
            level = [
                Signal(signed(SUM_BITS), name=f"level{depth}_{i}", reset_less=True)
                for i in range(len(groups))
            ]
            m.d.sync += [total.eq(sum(group)) for total, group in zip(level, groups, strict=True)]
        m.d.comb += self.sum.eq(level[0])
        return m
