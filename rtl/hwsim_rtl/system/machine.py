"""A machine that runs a memory image: from the port of memory back to it."""

from __future__ import annotations

from amaranth import Array, Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import LINE_ENTRIES, WORD_BITS, WORD_BYTES, Arch
from hwsim.machine.descriptors import COUNT_BITS, PLACE_BITS, POOL_FIELDS, SHORT_POOL_FIELDS
from hwsim.registers import MachineError
from hwsim_rtl.array import CoreArray
from hwsim_rtl.core.payloads import ENTRY_BITS, LINE_SHIFT
from hwsim_rtl.core.reader import READ_AFTER
from hwsim_rtl.system.configure import leaves_raw
from hwsim_rtl.system.fetcher import CLIENTS, Fetcher
from hwsim_rtl.system.header_reader import HEADER_BEATS
from hwsim_rtl.system.index_fetch import IndexFetch
from hwsim_rtl.system.input_reader import BEAT_SHIFT, BEAT_WORDS
from hwsim_rtl.system.machine_control import MachineControl
from hwsim_rtl.system.map_halves import MapHalves
from hwsim_rtl.system.map_remaker import MapRemaker
from hwsim_rtl.system.map_writer import MapWriter
from hwsim_rtl.system.memory_port import BEATS_BITS, MemoryPort
from hwsim_rtl.system.payloads import LayerDescriptor, LineStore, MapPlaces, PoolWindow
from hwsim_rtl.system.program_store import LAYER_NUMBER_BITS
from hwsim_rtl.system.read_router import ReadRouter
from hwsim_rtl.system.result_writer import ResultWriter
from hwsim_rtl.system.sequencer import Sequencer

PATIENCE = 1 << 24  # cycles without any event, after which a run is given up
PREPARED = 6  # cycles until what follows from two descriptors is there
FLUSH_TURNS = 4  # of a writer: two lines of words and two of index entries wait at most


class ImageMachine(wiring.Component):
    """Run an image: read its header, then layer after layer, and write its result.

    A layer begins when all of the one before lies in the map buffer. Its passes are given to the cores as the
    sequencer finds them, which is ahead by a layer; reading of weights and programs is ahead by up to three.

    Args:
        arch: the machine.
        patience: cycles in which nothing happens, after which a run ends with an error, so that no program
            hangs the machine.

    Ports:
        memory: Out(MemoryPort). control: In(MachineControl).
        told, done: Out(cores), a core is told to start a pass, START_LATENCY before its first cycle; it is in
            the last one of a pass. For benches, as what follows.
        layer_ends: Out(1), all that a layer makes is where it belongs.
        stored: Out(1), store: Out(LineStore): what is written into the half that is made.
    """

    def __init__(self, arch: Arch, patience: int = PATIENCE) -> None:
        self._arch, self._patience = arch, patience
        super().__init__(
            {
                "memory": Out(MemoryPort()),
                "control": In(MachineControl()),
                "told": Out(arch.cores),
                "done": Out(arch.cores),
                "layer_ends": Out(1),
                "stored": Out(1),
                "store": Out(LineStore),
            }
        )

    def elaborate(self, platform: object) -> Module:
        outer, m = Module(), Module()
        arch, control = self._arch, self.control
        self._forget = forget = Signal()  # what was under way
        outer.submodules.router = self._router = router = ReadRouter(CLIENTS)
        outer.submodules.run = ResetInserter(forget)(m)
        m.submodules.fetcher = self._fetcher = fetcher = Fetcher(arch)
        m.submodules.halves = self._halves = MapHalves(arch)
        m.submodules.sequencer = self._sequencer = sequencer = Sequencer(arch)
        m.submodules.array = self._array = array = CoreArray(arch)
        m.submodules.result = self._result = result = ResultWriter()
        m.submodules.remaker = self._remaker = MapRemaker(arch)
        writers = [MapWriter() for _ in range(arch.cores + 1)]
        for number, writer in enumerate(writers):
            m.submodules[f"writer{number}"] = writer

        # Of the layer at work.
        self._number = Signal(LAYER_NUMBER_BITS)
        self._layer, self._following = Signal(LayerDescriptor()), Signal(LayerDescriptor())
        self._runs = Signal()  # its passes may begin, and what they make may be written
        done = self.done
        m.d.comb += [
            self.told.eq(Cat(core.passes.valid & core.passes.ready for core in array.cores)),
            done.eq(Cat(core.done for core in array.cores)),
        ]

        # Memory.
        before = Mux(fetcher.header_first, 0, HEADER_BEATS)
        outer.d.comb += [
            router.turn.eq(fetcher.turn),
            router.base.eq(control.image_at + before),
            router.limit.eq(control.image_beats - before),
        ]
        for mine, theirs in zip(fetcher.requests, router.requests, strict=True):
            connect(outer, mine, theirs)
        for mine, theirs in zip(fetcher.beats, router.beats, strict=True):
            connect(outer, theirs, mine)
        connect(outer, router.reads, flipped(self.memory.reads))
        connect(outer, flipped(self.memory.read_data), router.read_data)
        connect(m, result.writes, flipped(self.memory.writes))
        connect(m, result.write_data, flipped(self.memory.write_data))
        m.d.comb += result.written.eq(self.memory.written)

        connect(m, fetcher.words, sequencer.words)
        for name in ("weights", "scales"):
            connect(m, getattr(fetcher, name), getattr(array, name))
        m.d.comb += fetcher.done.eq(done)
        self._read_map(m)
        places = self._places(m)
        idle = self._write_map(m, writers, places)
        ends, writing = self._layers(m, done, idle)
        self._ends(outer, ends, writing, done)
        return ResetInserter(control.abort)(outer)

    def _read_map(self, m: Module) -> None:
        """What reads the half that is read, cores before all others, and the input map on its way into it."""
        fetcher, array, sequencer, half = self._fetcher, self._array, self._sequencer, self._halves.read
        m.submodules.lengths = lengths = IndexFetch(self._arch)
        port = array.map_buffer
        first = Signal()  # the input map may be on its way
        m.d.comb += [
            first.eq((self._number == 0) & ~fetcher.map_there),
            half.reading.eq(1),
            half.reads.eq(
                Mux(
                    port.reads.valid,
                    port.reads.payload,
                    Mux(lengths.reads.valid, lengths.reads.payload, fetcher.index_reads.payload),
                )
            ),
            lengths.unused.eq(port.unused),
            fetcher.index_reads.ready.eq(~port.reads.valid & ~lengths.reads.valid),
            port.line.eq(half.line),
            lengths.line.eq(half.line),
            fetcher.line.eq(half.line),
            *(
                port.there[lane].eq(~first | ((ask << 1) + 2 <= fetcher.map_arrived))
                for lane, ask in enumerate(port.asks)
            ),
            half.stores.eq(fetcher.stores.payload),
            half.storing.eq(fetcher.stores.valid),
        ]
        # Passes of the next layer wait here for its map.
        may = self._runs & (fetcher.begun == self._number + 1)
        for number, core in enumerate(array.cores):
            came, passed = sequencer.passes[number], lengths.sequenced[number]
            m.d.comb += [
                passed.payload.eq(came.payload),
                passed.valid.eq(came.valid & may),
                came.ready.eq(passed.ready & may),
            ]
            connect(m, lengths.passes[number], core.passes)
            connect(m, sequencer.map_rows[number], core.map_rows)
            connect(m, sequencer.rows[number], core.rows)

    def _places(self, m: Module) -> tuple[Signal, Signal]:
        """Where the cores write, and where the map that the next layer reads lies."""
        layer, following, header = self._layer, self._following, self._fetcher.header
        cores, coded, raw = Signal(MapPlaces), Signal(MapPlaces), Signal(MapPlaces)
        entries, values, segments = Signal(ENTRY_BITS + 1), Signal(2 * COUNT_BITS), Signal(2 * COUNT_BITS)
        before = Signal(COUNT_BITS)  # channels of all units but the last
        last_channels = Array(self._fetcher.last_channels)[self._number[:2]]
        bits = self._arch.activation_bits
        tail = Signal(PLACE_BITS)  # beats of the last place of a row
        m.d.sync += [
            tail.eq(following.row_beats - (following.map_segments - 1) * following.place_beats),
            entries.eq(following.height * following.map_segments),
            values.eq(layer.out_block * layer.out_width),
            segments.eq(layer.units * layer.unit_segments),
            before.eq((layer.units - 1) * (layer.unit_segments * layer.out_block)),
            raw.first.eq((following.index_line + (entries + LINE_ENTRIES - 1) // LINE_ENTRIES) << LINE_SHIFT),
            raw.place_words.eq((values * bits + WORD_BITS - 1) // WORD_BITS),
            raw.row_words.eq(segments * raw.place_words),
            self._remaker.channels.eq(before + last_channels),
        ]
        m.d.comb += [
            coded.row_words.eq(following.row_beats * BEAT_WORDS),
            coded.place_words.eq(following.place_beats * BEAT_WORDS),
            coded.tail_words.eq(tail * BEAT_WORDS),
            coded.index_line.eq(following.index_line),
            coded.entries.eq(following.map_segments),
            coded.indexed.eq(1),
            cores.eq(Mux(leaves_raw(layer), raw.as_value(), coded.as_value())),
        ]
        with m.If(layer.last):
            m.d.comb += [
                cores.first.eq(0),
                cores.row_words.eq(header.result_row // WORD_BYTES),
                cores.place_words.eq(header.result_place // WORD_BYTES),
            ]
        remaker = self._remaker
        m.d.comb += [remaker.layer.eq(layer), remaker.following.eq(following), remaker.raw.eq(raw)]
        word = Signal(PoolWindow())
        m.d.sync += word.eq(Array(self._fetcher.pools)[self._number[:2]])
        for name in POOL_FIELDS:
            short = layer[f"pool_{name}"] if name in SHORT_POOL_FIELDS else 0
            m.d.comb += remaker.pool[name].eq(Mux(layer.pool_word, word[name], short))
        return cores, coded

    def _write_map(self, m: Module, writers: list[MapWriter], places: tuple[Signal, Signal]) -> Value:
        """Writers of the cores in turns, or that of what is remade, on the half that is made.

        Returns:
            Whether no writer has anything left.
        """
        half, remaker, result = self._halves.made, self._remaker, self._result
        self._flush = Signal()
        self._overflows = Cat(writer.overflows for writer in writers).any()
        of_cores, of_remaker = writers[:-1], writers[-1]
        turn = Signal(len(of_cores), init=1)
        m.d.sync += turn.eq(turn.rotate_left(1))
        for number, (writer, core) in enumerate(zip(of_cores, self._array.cores, strict=True)):
            rows = self._sequencer.out_rows[number]
            mine = self._runs & (rows.payload.layer == self._number[0])
            m.d.comb += [
                writer.places.eq(places[0]),
                writer.rows.payload.eq(rows.payload),
                writer.rows.valid.eq(rows.valid & mine),
                rows.ready.eq(writer.rows.ready & mine),
                writer.stores.ready.eq(turn[number]),
            ]
            connect(m, core.coded, writer.coded)
            connect(m, core.index, writer.index)
        m.d.comb += [of_remaker.places.eq(places[1]), of_remaker.stores.ready.eq(1)]
        for name in ("rows", "coded", "index"):
            connect(m, getattr(remaker, name), getattr(of_remaker, name))
        chosen = [(turn[number] & w.stores.valid, w.stores.payload) for number, w in enumerate(of_cores)]
        m.d.comb += [
            half.storing.eq(of_remaker.stores.valid),
            half.stores.eq(of_remaker.stores.payload),
            half.reads.eq(Mux(result.busy, result.reads, remaker.reads)),
            half.reading.eq(result.busy | remaker.reading),
            remaker.line.eq(half.line),
            result.line.eq(half.line),
            *(writer.flush.eq(self._flush) for writer in writers),
            self.stored.eq(half.storing),
            self.store.eq(half.stores),
        ]
        for valid, payload in chosen:
            with m.If(valid):
                m.d.comb += [half.storing.eq(1), half.stores.eq(payload)]
        return Cat(writer.idle for writer in writers).all()

    def _layers(self, m: Module, done: Value, idle: Value) -> tuple[Signal, Signal]:
        """Layer after layer.

        Returns:
            The result is written; it is being written.
        """
        fetcher, layer, result = self._fetcher, self._layer, self._result
        flushed = FLUSH_TURNS * self._arch.cores + 1
        number, waits = self._number, Signal(range(max(PREPARED, flushed) + 1))
        left = Signal(2 * COUNT_BITS)  # passes that are not done
        ends, writing = Signal(), Signal()
        self._misplaced = Signal()  # the result has no place in the image's memory
        header = fetcher.header
        m.d.sync += [
            layer.eq(Array(fetcher.descriptors)[number[:2]]),
            self._following.eq(Array(fetcher.descriptors)[(number + 1)[:2]]),
        ]
        m.d.comb += [
            result.address.eq(self.control.image_at + HEADER_BEATS + (header.result_at >> BEAT_SHIFT)),
            self._halves.swap.eq(self.layer_ends),
        ]
        # The header says where the result goes: nothing is written that is not the image's.
        size, beyond = Signal(COUNT_BITS + len(header.result_row)), Signal()
        end = (header.result_at >> BEAT_SHIFT) + size + HEADER_BEATS
        m.d.comb += result.size.eq(size)
        m.d.sync += [
            size.eq(layer.out_height * (header.result_row >> BEAT_SHIFT)),
            beyond.eq((size == 0) | (size >> BEATS_BITS).any() | (end > self.control.image_beats)),
        ]
        in_time = fetcher.arrived - number  # programs of this layer and those after it
        passes_done = sum(done[core] for core in range(self._arch.cores))
        encoding = Cat(core.encoding for core in self._array.cores).any()
        with m.FSM() as fsm:
            m.d.comb += [
                self._runs.eq(fsm.ongoing("RUN")),
                self._flush.eq(fsm.ongoing("FLUSH") | fsm.ongoing("REMADE")),
                writing.eq(fsm.ongoing("RESULT")),
            ]
            with m.State("WAIT"):
                m.d.sync += waits.eq(0)
                known = in_time[:LAYER_NUMBER_BITS] != 0
                last = Array(fetcher.descriptors)[number[:2]].last
                with m.If(
                    known & (last | (in_time[:LAYER_NUMBER_BITS] > 1)) & ((number != 0) | fetcher.index_there)
                ):
                    m.next = "PREPARE"
            with m.State("PREPARE"):
                m.d.sync += [waits.eq(waits + 1), left.eq(layer.row_groups * layer.units)]
                m.d.comb += [
                    self._remaker.prepare.eq(waits == PREPARED - 1),
                    self._array.align.eq(
                        waits == PREPARED - READ_AFTER
                    ),  # so the first slot of core 0 counts
                ]
                with m.If(waits == PREPARED):
                    m.d.sync += waits.eq(0)
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.sync += left.eq(left - passes_done)
                with m.If((left == 0) & ~encoding):
                    m.next = "FLUSH"
            # Every writer has its turns, also where it needs none: a layer's end follows from its passes'.
            with m.State("FLUSH"):
                with m.If(waits != flushed):
                    m.d.sync += waits.eq(waits + 1)
                with m.Elif(idle):
                    m.next = "END"
                    with m.If(layer.last & beyond):
                        m.d.comb += self._misplaced.eq(1)
                        m.next = "OVER"
                    with m.Elif(layer.last):
                        m.d.comb += result.start.eq(1)
                        m.next = "RESULT"
                    with m.Elif(leaves_raw(layer)):
                        m.d.comb += self._remaker.start.eq(1)
                        m.next = "REMAKE"
            with m.State("REMAKE"), m.If(~self._remaker.busy):
                m.next = "REMADE"
            with m.State("REMADE"), m.If(idle):
                m.next = "END"
            with m.State("RESULT"), m.If(~result.busy):
                m.next = "END"
            with m.State("END"):
                m.d.comb += self.layer_ends.eq(1)
                m.d.sync += number.eq(number + 1)
                m.next = "WAIT"
                with m.If(layer.last):
                    m.d.comb += ends.eq(1)
                    m.next = "OVER"
            with m.State("OVER"):
                pass
        return ends, writing

    def _ends(self, m: Module, ends: Signal, writing: Signal, done: Value) -> None:
        """From start to done, with or without an error, and the reset of all that a run leaves."""
        control, fetcher, router = self.control, self._fetcher, self._router
        quiet = Signal(range(self._patience + 1))
        error = Signal(MachineError, init=MachineError.none)
        core_error = Cat(core.error for core in self._array.cores).any()
        causes = (
            (self.memory.error, MachineError.memory),
            (fetcher.wrong_map, MachineError.map),
            (
                fetcher.wrong_image | self._misplaced | (router.beyond & fetcher.header_first),
                MachineError.image,
            ),
            (
                fetcher.wrong_program | router.beyond | self._remaker.wrong | (quiet == self._patience),
                MachineError.program,
            ),
            (core_error | self._overflows, MachineError.map),
        )
        found, fails = Signal(MachineError), Signal()
        for holds, cause in reversed(causes):
            with m.If(holds):
                m.d.comb += found.eq(cause)
        happens = (
            done.any()
            | (self.memory.read_data.valid & self.memory.read_data.ready)
            | (self.memory.write_data.valid & self.memory.write_data.ready)
            | self.stored
        )
        m.d.sync += quiet.eq(Mux(happens | ~control.busy, 0, quiet + 1))
        m.d.comb += control.error.eq(error)
        with m.FSM():
            with m.State("READY"), m.If(control.start):
                m.d.comb += fetcher.start.eq(1)
                m.d.sync += [control.busy.eq(1), error.eq(MachineError.none)]
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += fails.eq((found != MachineError.none) & ~writing)
                with m.If(fails):
                    m.d.sync += error.eq(found)
                    m.next = "DROP"
                with m.Elif(ends):
                    m.d.comb += [control.done.eq(1), self._forget.eq(1)]
                    m.d.sync += [control.busy.eq(0), error.eq(Mux(self.memory.error, MachineError.memory, 0))]
                    m.next = "READY"
            # Nothing is asked for any more; what was asked for comes first.
            with m.State("DROP"):
                m.d.comb += [router.drop.eq(1), self._forget.eq(1)]
                with m.If(router.empty):
                    m.d.comb += control.done.eq(1)
                    m.d.sync += control.busy.eq(0)
                    m.next = "READY"
