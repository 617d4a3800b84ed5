"""How many rows the passes of each row group read and own, before the first of them begins."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwsim_rtl.system.payloads import GroupCounts, LayerDescriptor, PassEntry
from hwsim_rtl.system.row_steps import MASK_BYTE_BITS, MASK_ROWS, RowSteps


class RowCounter(wiring.Component):
    """Walk through the rows of a layer once, and count those of every row group.

    It takes the cycles of :class:`RowSteps`, whose eight output rows are asked for group by group.

    Args:
        groups: row groups that a layer has at most.

    Ports:
        start: In(1), only while not ``busy``. busy: Out(1); counts are there when it is over.
        layer: In(LayerDescriptor), constant while ``busy``.
        asks, byte, answered: as of :class:`RowSteps`; group: Out(10), of whose mask; owned: In(8), its bits.
        counts: Out(GroupCounts), of each group.
    """

    def __init__(self, groups: int) -> None:
        self._groups = groups
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "layer": In(LayerDescriptor()),
                "asks": Out(1),
                "byte": Out(MASK_BYTE_BITS),
                "group": Out(PassEntry()["row_group"].width),
                "answered": In(1),
                "owned": In(MASK_ROWS),
                "counts": Out(GroupCounts).array(groups),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.steps = steps = RowSteps(self._groups)
        group, all_there = Signal.like(self.group), Signal()
        masks = Signal(data.ArrayLayout(self._groups, MASK_ROWS))
        m.d.comb += [
            steps.start.eq(self.start),
            steps.layer.eq(self.layer),
            steps.rows.ready.eq(1),
            steps.may_push.eq(1),
            self.busy.eq(steps.busy),
            self.asks.eq(steps.asks & ~all_there),
            self.byte.eq(steps.byte),
            self.group.eq(group),
            steps.answered.eq(all_there),
            steps.owned.eq(masks),
        ]
        with m.If(all_there):
            m.d.sync += all_there.eq(0)
        with m.Elif(self.asks & self.answered):
            m.d.sync += group.eq(group + 1)
            with m.If(group + 1 == self.layer.row_groups):
                m.d.sync += [group.eq(0), all_there.eq(1)]
            for number in range(self._groups):
                with m.If(group == number):
                    m.d.sync += [masks[row][number].eq(self.owned[row]) for row in range(MASK_ROWS)]
        for number, counts in enumerate(self.counts):
            m.d.sync += counts.owned.eq(counts.owned + steps.pushed[number])
            with m.If(steps.rows.valid):
                m.d.sync += counts.read.eq(counts.read + steps.wanted[number])
            with m.If(self.start):
                m.d.sync += counts.eq(0)
        return m
