"""From the words of programs to the passes of every core."""

from __future__ import annotations

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES, LAYER_BYTES, WORD_BITS, WORD_BYTES, Arch
from hwsim.machine.descriptors import COUNT_BITS, PROGRAM_WORDS
from hwsim_rtl.core.payloads import MapRow, RowDescriptor
from hwsim_rtl.system.configure import LayerColumns
from hwsim_rtl.system.core_sequencer import CoreSequencer
from hwsim_rtl.system.payloads import Clamps, GroupCounts, LayerDescriptor, OutRow, PassEntry, SequencedPass
from hwsim_rtl.system.row_counter import RowCounter
from hwsim_rtl.system.row_steps import MASK_ROWS

DESCRIPTOR_WORDS = LAYER_BYTES // WORD_BYTES
BEAT_WORDS = BEAT_BYTES // WORD_BYTES


class Sequencer(wiring.Component):
    """Read programs, one layer after the other, and give every core its passes (docs/image.md, *Programs*).

    A layer's program is taken a word a cycle; what is behind the descriptor, and behind the clamps of a layer
    that has some of its own, goes into a memory of PROGRAM_WORDS words. Then
    :class:`RowCounter` counts the rows of all row groups, since a pass begins with these counts; meanwhile
    :class:`LayerColumns` does its part. Then passes go to their cores in the order of the program, one in
    three cycles, as long as the queue of the core that comes next has room. The next program is taken when
    the last pass was, and all its rows are found.

    The masks of row groups have one port. While rows are counted it is the counter's; else each core has it
    in turn, a cycle each, core 0 in the first one after.

    Args:
        arch: the machine.

    Ports:
        words: In(stream of 64 bits), a program's bytes from the first one on, the lowest 8 bits first.
        layer: Out(LayerDescriptor), that of the layer whose passes are given; running: Out(1), they are.
        passes: of every core, Out(stream of SequencedPass), in its order.
        map_rows, rows, out_rows: of every core, Out(streams of MapRow, RowDescriptor, OutRow), those of its
            passes.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "words": In(stream.Signature(WORD_BITS)),
                "layer": Out(LayerDescriptor()),
                "running": Out(1),
                "passes": Out(stream.Signature(SequencedPass(arch))).array(arch.cores),
                "map_rows": Out(stream.Signature(MapRow)).array(arch.cores),
                "rows": Out(stream.Signature(RowDescriptor)).array(arch.cores),
                "out_rows": Out(stream.Signature(OutRow)).array(arch.cores),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer, descriptor = self.layer, Signal(8 * LAYER_BYTES)
        clamps = Signal(Clamps())
        m.d.comb += layer.eq(descriptor)
        m.submodules.program = program = Memory(shape=WORD_BITS, depth=PROGRAM_WORDS, init=[])
        m.submodules.columns = columns = LayerColumns(self._arch)
        m.submodules.counter = counter = RowCounter(self._arch.cores)
        cores = [CoreSequencer(self._arch, columns) for _ in range(self._arch.cores)]
        for number, core in enumerate(cores):
            m.submodules[f"core{number}"] = core
        store, entries, masks = program.write_port(), program.read_port(), program.read_port()

        # Of the layer: words of its passes, bytes of a mask, words of all its program behind the descriptor.
        pass_words, mask_bytes = Signal(range(PROGRAM_WORDS + 1)), Signal(COUNT_BITS)
        mask_words, behind = Signal(range(PROGRAM_WORDS + 1)), Signal(range(PROGRAM_WORDS + 1))
        own_words = layer.clamped + pass_words + mask_words + layer.pool_word
        in_beats = Cat(0, 0, (own_words + BEAT_WORDS - 1)[2:])
        m.d.comb += mask_bytes.eq((layer.out_height + 7) >> 3)
        m.d.sync += [
            pass_words.eq(layer.row_groups * layer.units),
            mask_words.eq((layer.row_groups * mask_bytes + WORD_BYTES - 1) >> 3),
            behind.eq(in_beats - layer.clamped),
        ]
        m.d.comb += [columns.layer.eq(layer), counter.layer.eq(layer), *(c.layer.eq(layer) for c in cores)]
        m.d.comb += [c.clamps.eq(clamps) for c in cores]
        for number, core in enumerate(cores):
            for name in ("passes", "map_rows", "rows", "out_rows"):
                wiring.connect(m, getattr(core, name), wiring.flipped(getattr(self, name)[number]))

        number = Signal()  # of the layer, modulo 2
        m.d.comb += [core.layer_number.eq(number) for core in cores]
        at = Signal(range(PROGRAM_WORDS + 1))
        self._answer(m, masks, pass_words, mask_bytes, counter, cores)
        entry, counts = Signal(PassEntry()), Signal(GroupCounts)
        m.d.comb += [
            store.addr.eq(at),
            store.data.eq(self.words.payload),
            entries.addr.eq(at),
            entry.eq(entries.data),
        ]
        m.d.comb += [
            each.eq(value)
            for core in cores
            for each, value in (
                (core.queue.payload.entry, entry),
                (core.queue.payload.counts, counts),
            )
        ]
        ready = Signal()
        m.d.comb += ready.eq(Cat(core.queue.ready for core in cores).bit_select(entry.core, 1))

        with m.FSM() as fsm:
            takes = [fsm.ongoing(state) for state in ("DESCRIPTOR", "CLAMPS", "PROGRAM")]
            m.d.comb += self.words.ready.eq(Cat(takes).any())
            with m.State("DESCRIPTOR"), m.If(self.words.valid):
                m.d.sync += [
                    at.eq(at + 1),
                    descriptor.eq(Cat(descriptor[WORD_BITS:], self.words.payload)),
                ]
                with m.If(at == DESCRIPTOR_WORDS - 1):
                    m.d.sync += at.eq(0)
                    m.next = "SIZES"
            # Sizes follow from the descriptor in two cycles.
            with m.State("SIZES"):
                m.d.sync += at.eq(at + 1)
                with m.If(at == 2):
                    m.d.sync += at.eq(0)
                    m.next = "PROGRAM"
                    with m.If(layer.clamped):
                        m.next = "CLAMPS"
            with m.State("CLAMPS"), m.If(self.words.valid):
                m.d.sync += clamps.eq(self.words.payload)
                m.next = "PROGRAM"
            with m.State("PROGRAM"):
                m.d.comb += store.en.eq(self.words.valid)
                with m.If(self.words.valid):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at + 1 == behind):
                        m.d.comb += [columns.start.eq(1), counter.start.eq(1)]
                        m.d.sync += at.eq(0)
                        m.next = "COUNT"
            with m.State("COUNT"), m.If(~counter.busy & ~columns.busy):
                m.next = "ENTRY"
            # The address of an entry is there; in the next cycle the entry, then the counts of its group.
            with m.State("ENTRY"):
                m.d.comb += self.running.eq(1)
                m.next = "COUNTS"
                with m.If(at == pass_words):
                    m.next = "END"
            with m.State("COUNTS"):
                m.d.comb += self.running.eq(1)
                m.d.sync += counts.eq(Array(counter.counts)[entry.row_group])
                m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.running.eq(1)
                m.d.comb += [core.queue.valid.eq(entry.core == n) for n, core in enumerate(cores)]
                with m.If(ready):
                    m.d.sync += at.eq(at + 1)
                    m.next = "ENTRY"
            with m.State("END"):
                m.d.comb += self.running.eq(1)
                m.d.sync += at.eq(0)
                with m.If(Cat(core.idle for core in cores).all()):
                    m.d.sync += number.eq(~number)
                    m.next = "DESCRIPTOR"
        return m

    def _answer(
        self,
        m: Module,
        masks: ReadPort,
        pass_words: Signal,
        mask_bytes: Signal,
        counter: RowCounter,
        cores: list[CoreSequencer],
    ) -> None:
        """Give the port of the masks to who asks in turn, and the answer two cycles later.

        Who has asked and waits for the answer does not ask again.
        """
        askers: list[RowCounter | CoreSequencer] = [counter, *cores]
        turn = Signal(range(max(2, len(cores))))
        waits = Signal(len(askers))
        m.d.sync += turn.eq(Mux(counter.busy | (turn == len(cores) - 1), 0, turn + 1))

        asked, byte = Signal(len(askers)), Signal(COUNT_BITS + 8)
        for number, asker in enumerate(askers):
            has_port = counter.busy if number == 0 else ~counter.busy & (turn == number - 1)
            with m.If(has_port):
                m.d.comb += asked[number].eq(asker.asks & ~waits[number])
                m.d.sync += byte.eq(asker.group * mask_bytes + asker.byte)
        reading, answers = Signal(len(askers)), Signal(len(askers))
        in_word = Signal(range(WORD_BYTES))
        m.d.comb += masks.addr.eq(pass_words + (byte >> WORD_BYTES.bit_length() - 1))
        m.d.sync += [
            reading.eq(asked),
            answers.eq(reading),
            in_word.eq(byte[: len(in_word)]),
            waits.eq((waits | asked) & ~answers),
        ]
        for number, asker in enumerate(askers):
            m.d.comb += [
                asker.answered.eq(answers[number]),
                asker.owned.eq(masks.data.word_select(in_word, MASK_ROWS)),
            ]
