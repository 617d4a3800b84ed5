"""The accumulators of a column."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import SUB_BANKS, Arch
from hwsim.machine.descriptors import sub_bank_depth
from hwsim_rtl.core.payloads import SUM_BITS, BankAccess, product_bits

# No port reads what another one writes in the same cycle, unless the word is forwarded; see AccumulatorBank.
ANY_ON_COLLISION = {"no_rw_check": 1}


class AccumulatorBank(wiring.Component):
    """Add a product a cycle to any accumulator, while the drain reads and clears others.

    The sums lie in a RAM that only the taps write, for one read port of theirs and one of the drain. Beside
    each sum is a mark, and in a RAM that only the drain writes is the mark that the accumulator had when it
    was last drained: one whose marks are equal is 0. The taps write the other mark; the drain copies the
    mark that it reads, and so clears without a second write to the sums.

    A RAM may hold anything at first, so after a reset both marks of each word are written once (``clears``).

    An addition takes four cycles from ``access`` to the write; sums younger than that are forwarded, so that
    an accumulator may be hit in every cycle. The drain reads no accumulator before its last sum is written,
    and the taps none before its mark is copied: no other read meets a write of its word.

    Args:
        arch: ``accumulators`` and widths.

    Ports:
        access: In(BankAccess), in cycle t. product: In(signed), what is added, in t + 2; sums wrap to 32
            bits. The drain may read the sum from t + 4 on.
        drain: In(BankAccess), in cycle d; ``access`` may come back to the accumulator in d + 3. drained:
            Out(signed 32), in d + LATENCY: the sum, or 0 if not ``valid``.
        clears: In(1), with ``drain``: the accumulator is 0 afterwards whatever it held, and ``drained`` is
            nothing. No ``access`` is under way.
    """

    LATENCY = 2  # of the drain

    def __init__(self, arch: Arch) -> None:
        self._depth = SUB_BANKS * sub_bank_depth(arch)
        super().__init__(
            {
                "access": In(BankAccess(arch)),
                "product": In(signed(product_bits(arch))),
                "drain": In(BankAccess(arch)),
                "drained": Out(signed(SUM_BITS)),
                "clears": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = data.StructLayout({"sum": signed(SUM_BITS), "mark": 1})
        m.submodules.sums = sums = Memory(shape=word, depth=self._depth, init=[], attrs=ANY_ON_COLLISION)
        m.submodules.marks = marks = Memory(shape=1, depth=self._depth, init=[], attrs=ANY_ON_COLLISION)

        # An access in every cycle of its life: read, wait, add, write, and one more for forwarding.
        accesses = [self.access, *(Signal.like(self.access, name=f"access{age}") for age in range(1, 5))]
        drains = [self.drain, *(Signal.like(self.drain, name=f"drain{age}") for age in range(1, 3))]
        for ages in (accesses, drains):
            m.d.sync += [after.eq(before) for before, after in pairwise(ages)]
        clears = Signal()  # the drain that is read now
        m.d.sync += clears.eq(self.clears)
        found, found_mark = sums.read_port(), marks.read_port()
        drained, drained_mark = sums.read_port(), marks.read_port()
        for port, access in (
            (found, self.access),
            (found_mark, self.access),
            (drained, self.drain),
            (drained_mark, self.drain),
        ):
            m.d.comb += [port.addr.eq(access.address), port.en.eq(access.valid)]

        # Taps. The sum so far: of an addition that the memory had not seen, youngest first, or of the memory.
        # What RAMs give comes late in its cycle, so that marks are compared a cycle later.
        stored = Signal(signed(SUM_BITS), reset_less=True)
        stored_mark = Signal(reset_less=True)
        marks_to_write = [Signal(name=f"mark{age}", reset_less=True) for age in (2, 3)]
        totals = [Signal(signed(SUM_BITS), name=f"total{age}", reset_less=True) for age in (3, 4, 5)]
        hits = [Signal(name=f"hit{age}", reset_less=True) for age in (2, 3, 4)]
        hit_young = Signal(reset_less=True)  # one of the two youngest
        in_use = stored_mark == marks_to_write[0]
        same = [younger.valid & (younger.address == accesses[1].address) for younger in accesses[2:]]
        so_far = Mux(
            hit_young,
            Mux(hits[0], totals[0], totals[1]),
            Mux(hits[2], totals[2], Mux(in_use, stored, 0)),
        )
        m.d.sync += [
            stored.eq(found.data.sum),
            stored_mark.eq(found.data.mark),
            marks_to_write[0].eq(~found_mark.data),
            marks_to_write[1].eq(marks_to_write[0]),
            *(hit.eq(equal) for hit, equal in zip(hits, same, strict=True)),
            hit_young.eq(same[0] | same[1]),
            totals[0].eq(so_far + self.product),
            totals[1].eq(totals[0]),
            totals[2].eq(totals[1]),
        ]
        with m.If(clears):  # is written as a tap's sum is
            m.d.sync += [accesses[3].eq(drains[1]), totals[0].eq(0), marks_to_write[1].eq(0)]
        write = sums.write_port()
        m.d.comb += [
            write.en.eq(accesses[3].valid),
            write.addr.eq(accesses[3].address),
            write.data.sum.eq(totals[0]),
            write.data.mark.eq(marks_to_write[1]),
        ]

        # The drain.
        sum_drained = Signal(signed(SUM_BITS), reset_less=True)
        mark_drained = Signal(reset_less=True)
        mark_before = Signal(reset_less=True)
        m.d.sync += [
            sum_drained.eq(drained.data.sum),
            mark_drained.eq(drained.data.mark),
            mark_before.eq(drained_mark.data),
        ]
        with m.If(clears):
            m.d.sync += mark_drained.eq(0)
        clear = marks.write_port()
        m.d.comb += [
            self.drained.eq(Mux(drains[2].valid & (mark_drained != mark_before), sum_drained, 0)),
            clear.en.eq(drains[2].valid),
            clear.addr.eq(drains[2].address),
            clear.data.eq(mark_drained),
        ]
        return m
