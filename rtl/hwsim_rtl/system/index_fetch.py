"""The lengths with which a pass begins, out of the map buffer."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BURST_BYTES, INDEX_BYTES, LINE_ENTRIES, Arch
from hwsim_rtl.bits.word import IndexEntry
from hwsim_rtl.core.payloads import ENTRY_SHIFT, LINE_BITS, SentPass
from hwsim_rtl.system.payloads import SequencedPass


class IndexFetch(wiring.Component):
    """Read, of every pass, the line of the index that has the entry of its first segment.

    The map buffer is asked when no core has a slot, for one pass at a time, that of the lowest core first. A
    pass is offered three cycles after its line was asked for.

    Args:
        arch: the machine.

    Ports:
        sequenced: of every core, In(stream of SequencedPass). passes: of every core, Out(stream of SentPass).
        reads: Out(stream of line); line: In(512), what lies there, in the cycle after it was taken.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "sequenced": In(stream.Signature(SequencedPass(arch))).array(arch.cores),
                "passes": Out(stream.Signature(SentPass(arch))).array(arch.cores),
                "reads": Out(stream.Signature(LINE_BITS)),
                "line": In(8 * BURST_BYTES),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        asks, comes = Signal(self._arch.cores), Signal(self._arch.cores)
        m.d.sync += comes.eq(0)
        m.d.comb += self.reads.valid.eq(asks.any())
        for number in reversed(range(self._arch.cores)):
            came, passed = self.sequenced[number], self.passes[number]
            asked = Signal(name=f"asked{number}")
            config = came.payload.config
            m.d.comb += [
                asks[number].eq(came.valid & ~asked),
                came.ready.eq(passed.valid & passed.ready),
                passed.payload.config.eq(config),
            ]
            # Of several that ask the lowest: what is assigned last holds.
            with m.If(asks[number]):
                m.d.comb += self.reads.payload.eq(config.index_line + (came.payload.entry >> ENTRY_SHIFT))
            served = asks[number] & self.reads.ready & ~asks[:number].any()
            with m.If(served):
                m.d.sync += [asked.eq(1), comes[number].eq(1)]
            with m.If(comes[number]):
                m.d.sync += [
                    passed.valid.eq(1),
                    *(
                        passed.payload.lengths[entry].eq(
                            IndexEntry(self.line.word_select(entry, 8 * INDEX_BYTES)).words
                        )
                        for entry in range(LINE_ENTRIES)
                    ),
                ]
            with m.If(came.ready):
                m.d.sync += [asked.eq(0), passed.valid.eq(0)]
        return m
