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

    It is read in a slot of the pass's own core that the pass at work does not use: so who comes first never
    matters. A pass is offered two cycles after its line was asked for.

    Args:
        arch: the machine.

    Ports:
        sequenced: of every core, In(stream of SequencedPass). passes: of every core, Out(stream of SentPass).
        unused: In(cores), whose slot it was (:class:`hwsim_rtl.array.MapPort`).
        reads: Out(stream of line, always ready); line: In(512), what lies there, in the next cycle.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "sequenced": In(stream.Signature(SequencedPass(arch))).array(arch.cores),
                "passes": Out(stream.Signature(SentPass(arch))).array(arch.cores),
                "unused": In(arch.cores),
                "reads": Out(stream.Signature(LINE_BITS, always_ready=True)),
                "line": In(8 * BURST_BYTES),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        served, comes = Signal(self._arch.cores), Signal(self._arch.cores)
        m.d.sync += comes.eq(served)
        m.d.comb += self.reads.valid.eq(served.any())
        for number in range(self._arch.cores):
            came, passed = self.sequenced[number], self.passes[number]
            asked = Signal(name=f"asked{number}")
            config = came.payload.config
            m.d.comb += [
                served[number].eq(came.valid & ~asked & self.unused[number]),
                came.ready.eq(passed.valid & passed.ready),
                passed.payload.config.eq(config),
            ]
            with m.If(served[number]):
                m.d.comb += self.reads.payload.eq(config.index_line + (came.payload.entry >> ENTRY_SHIFT))
                m.d.sync += asked.eq(1)
            with m.If(comes[number]):
                m.d.sync += [
                    passed.valid.eq(1),
                    *(
                        passed.payload.lengths[entry][name].eq(
                            IndexEntry(self.line.word_select(entry, 8 * INDEX_BYTES))[name]
                        )
                        for entry in range(LINE_ENTRIES)
                        for name in ("words", "raw")
                    ),
                ]
            with m.If(came.ready):
                m.d.sync += [asked.eq(0), passed.valid.eq(0)]
        return m
