"""A lane's accumulators."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import SUB_BANKS, Arch
from rtl.core.payloads import SUM_BITS, BankAccess, sub_bank_depth


class AccumulatorBank(wiring.Component):
    """Add a product a cycle to any accumulator, while the drain reads and clears others.

    Eight sub-banks of one read and one write port. The drain and the taps never work in the same sub-bank at
    the same time (rows of the ring own whole sub-banks), so that each has the port that it needs.
    An addition takes four cycles from ``access`` to the write; sums younger than that are forwarded, so that
    an accumulator may be hit in every cycle.
    A word carries a bit that says whether it is in use, so that to clear it the drain writes that bit alone:
    the sum beside it is whatever the adder makes.

    Args:
        arch: ``accumulators``.

    Ports:
        access: In(BankAccess), in cycle t. product: In(signed 32), what is added, in t + 2. The drain may
            read the sum from t + 4 on.
        drain: In(BankAccess), in cycle d; ``access`` may come back to the sub-bank in d + 2. drained:
            Out(signed 32), in d + 2: the sum, or 0 if not ``valid``.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "access": In(BankAccess(arch)),
                "product": In(signed(SUM_BITS)),
                "drain": In(BankAccess(arch)),
                "drained": Out(signed(SUM_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth_bits = (sub_bank_depth(self._arch) - 1).bit_length()
        # The access in every cycle of its life: read, select, add, write, and one more for forwarding.
        accesses = [self.access, *(Signal.like(self.access, name=f"access{age}") for age in range(1, 5))]
        m.d.sync += [after.eq(before) for before, after in pairwise(accesses)]
        read, select, _, write = accesses[:4]
        sums = [Signal(signed(SUM_BITS), name=f"sum{age}") for age in range(3, 6)]
        m.d.sync += [after.eq(before) for before, after in pairwise(sums)]
        clear = Signal.like(self.drain)
        m.d.sync += clear.eq(self.drain)

        def sub_bank(access: BankAccess) -> Signal:
            return access.address[depth_bits:]

        words = Array(Signal(SUM_BITS + 1, name=f"word{i}") for i in range(SUB_BANKS))
        for i in range(SUB_BANKS):
            m.submodules[f"sub_bank{i}"] = memory = Memory(
                shape=SUM_BITS + 1, depth=sub_bank_depth(self._arch), init=[]
            )
            read_port, write_port = memory.read_port(), memory.write_port()
            for port, drain, access in (
                (read_port, self.drain, read),
                (write_port, clear, write),
            ):
                drains = Signal(name=f"drains{i}" if port is read_port else f"clears{i}")
                m.d.comb += [
                    drains.eq(drain.valid & (sub_bank(drain) == i)),
                    port.addr.eq(Mux(drains, drain.address, access.address)[:depth_bits]),
                    port.en.eq(drains | (access.valid & (sub_bank(access) == i))),
                ]
            m.d.comb += write_port.data.eq(Cat(sums[0], ~drains))
            m.d.comb += words[i].eq(read_port.data)

        # The sum so far: of the memory, or of an addition that the memory had not seen.
        stored = Signal(signed(SUM_BITS))
        word = words[sub_bank(select)]
        m.d.sync += stored.eq(Mux(word[-1], word[:SUM_BITS], 0))
        so_far: Value = stored
        for sum_, younger in reversed(list(zip(sums, accesses[2:], strict=True))):
            hit = Signal(name=f"hit_{sum_.name}")
            m.d.sync += hit.eq(younger.valid & (younger.address == select.address))
            so_far = Mux(hit, sum_, so_far)
        m.d.sync += sums[0].eq(so_far + self.product)

        drained = words[sub_bank(clear)]
        m.d.sync += self.drained.eq(Mux(clear.valid & drained[-1], drained[:SUM_BITS], 0))
        return m
