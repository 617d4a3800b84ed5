"""What a run reads from memory, in its order: header, programs, weights, the input map."""

from __future__ import annotations

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import BURST_BYTES, WORD_BITS, Arch
from hwsim_rtl.array import Load
from hwsim_rtl.core.payloads import LINE_BITS, ChannelScale, weight_load
from hwsim_rtl.system.header_reader import HEADER_BEATS, HeaderReader, ImageHeader
from hwsim_rtl.system.input_reader import BEAT_SHIFT, PLACE_BEATS_BITS, InputReader
from hwsim_rtl.system.memory_port import ADDRESS_BITS, MemoryRequest
from hwsim_rtl.system.payloads import LayerDescriptor, LineStore, PoolWindow
from hwsim_rtl.system.program_store import (
    DESCRIPTORS,
    LAYER_NUMBER_BITS,
    PROGRAM_BEATS,
    PROGRAMS,
    ProgramStore,
)
from hwsim_rtl.system.read_router import BEAT_BITS
from hwsim_rtl.system.weights_reader import WeightsReader

OWN, WEIGHTS, INPUT = range(3)  # clients of the read port: header and programs; weights; the input map
CLIENTS = 3


class Fetcher(wiring.Component):
    """Ask for all that a run reads, as the model does (docs/architecture.md, *DRAM*): of every layer the next
    one's program, and then its weights; of the first layer the index and the map behind the first round's.

    Args:
        arch: the machine.

    Ports:
        start: In(1), once after a reset.
        header_first: Out(1), requests are for the header, which lies before the image's DRAM.
        header: Out(ImageHeader), and there: Out(1).
        turn, requests, beats: as of :class:`hwsim_rtl.system.read_router.ReadRouter`.
        words, arrived, begun, descriptors, pools: as of :class:`ProgramStore`.
        last_channels: Out, four: as of :class:`WeightsReader`, of layer n at n modulo 4.
        weights, scales: Out(streams of Load). done: In(cores).
        index_reads, line, stores, index_there, map_arrived: as of :class:`InputReader`; map_there: Out(1).
        wrong_image, wrong_program, wrong_map: Out(1).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        channels = range(arch.columns + 1)
        super().__init__(
            {
                "start": In(1),
                "header_first": Out(1),
                "header": Out(ImageHeader),
                "there": Out(1),
                "turn": Out(range(CLIENTS)),
                "requests": Out(stream.Signature(MemoryRequest)).array(CLIENTS),
                "beats": In(stream.Signature(BEAT_BITS)).array(CLIENTS),
                "words": Out(stream.Signature(WORD_BITS)),
                "arrived": Out(LAYER_NUMBER_BITS),
                "begun": Out(LAYER_NUMBER_BITS),
                "descriptors": Out(LayerDescriptor()).array(DESCRIPTORS),
                "pools": Out(PoolWindow()).array(DESCRIPTORS),
                "last_channels": Out(channels).array(DESCRIPTORS),
                "weights": Out(stream.Signature(Load(weight_load(arch), arch))),
                "scales": Out(stream.Signature(Load(ChannelScale, arch))),
                "done": In(arch.cores),
                "index_reads": Out(stream.Signature(LINE_BITS)),
                "line": In(8 * BURST_BYTES),
                "stores": Out(stream.Signature(LineStore, always_ready=True)),
                "index_there": Out(1),
                "map_arrived": Out(PLACE_BEATS_BITS),
                "map_there": Out(1),
                "wrong_image": Out(1),
                "wrong_program": Out(1),
                "wrong_map": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.header = head = HeaderReader(self._arch)
        m.submodules.programs = programs = ProgramStore()
        m.submodules.weights = weights = WeightsReader(self._arch)
        m.submodules.input = given = InputReader()
        own = self.requests[OWN]
        number, asked = (
            Signal(LAYER_NUMBER_BITS),
            Signal(LAYER_NUMBER_BITS),
        )  # of the layer; programs asked for
        layer = Signal(LayerDescriptor())
        size, address = Signal(range(PROGRAM_BEATS + 1)), Signal(ADDRESS_BITS)
        input_asked = Signal()
        m.d.comb += [
            layer.eq(Array(programs.descriptors)[number[:2]]),
            self.header.eq(head.header),
            self.there.eq(head.there),
            self.turn.eq(Mux(given.asking, INPUT, Mux(self.requests[WEIGHTS].valid, WEIGHTS, OWN))),
            self.arrived.eq(programs.arrived),
            self.begun.eq(programs.begun),
            *(out.eq(each) for out, each in zip(self.descriptors, programs.descriptors, strict=True)),
            *(out.eq(each) for out, each in zip(self.pools, programs.pools, strict=True)),
            head.start.eq(self.start),
            programs.clear.eq(self.start),
            programs.size.eq(size),
            programs.layer.eq(number),
            programs.number.eq(weights.number),
            weights.entry.eq(programs.entry),
            weights.layer.eq(layer),
            weights.done.eq(self.done),
            given.header.eq(head.header),
            given.layer.eq(programs.descriptors[0]),
            given.line.eq(self.line),
            self.index_there.eq(given.index_there),
            self.map_arrived.eq(given.arrived),
            self.map_there.eq(input_asked & ~given.busy),
            self.wrong_image.eq(head.wrong),
            self.wrong_map.eq(given.wrong),
        ]
        # What comes for the fetcher itself is the header, and then programs.
        is_header = ~head.there
        for part, mine in ((head.beats, is_header), (programs.beats, head.there)):
            m.d.comb += [
                part.payload.eq(self.beats[OWN].payload),
                part.valid.eq(self.beats[OWN].valid & mine),
            ]
        m.d.comb += self.beats[OWN].ready.eq(Mux(is_header, head.beats.ready, programs.beats.ready))
        connect(m, flipped(self.beats[WEIGHTS]), weights.beats)
        connect(m, flipped(self.beats[INPUT]), given.beats)
        for name in ("weights", "scales"):
            connect(m, getattr(weights, name), flipped(getattr(self, name)))
        connect(m, programs.words, flipped(self.words))
        connect(m, given.index_reads, flipped(self.index_reads))
        connect(m, given.stores, flipped(self.stores))

        holds = self._pace(m, weights)
        for part, out in ((weights, self.requests[WEIGHTS]), (given, self.requests[INPUT])):
            m.d.comb += [
                out.payload.eq(part.requests.payload),
                out.valid.eq(part.requests.valid & ~holds),
                part.requests.ready.eq(out.ready & ~holds),
            ]

        # The input map is asked for behind the weights of the first round.
        in_rounds = Signal()
        m.d.comb += given.start.eq(
            (number == 0) & in_rounds & ~input_asked & (weights.first_round | ~weights.busy)
        )
        with m.If(given.start):
            m.d.sync += input_asked.eq(1)

        with m.FSM() as fsm:
            m.d.comb += in_rounds.eq(fsm.ongoing("ROUNDS"))
            with m.State("IDLE"), m.If(self.start):
                m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [
                    self.header_first.eq(1),
                    own.valid.eq(1),
                    own.payload.address.eq(0),
                    own.payload.beats.eq(HEADER_BEATS),
                ]
                with m.If(own.ready):
                    m.next = "HEADER COMES"
            with m.State("HEADER COMES"):
                m.d.sync += [
                    address.eq(head.header.program_at >> BEAT_SHIFT),
                    size.eq(head.header.first_program_bytes >> BEAT_SHIFT),
                ]
                with m.If(head.there):
                    m.next = "PROGRAM"
            with m.State("PROGRAM"):
                m.d.comb += [
                    own.valid.eq(((asked - programs.fed)[:LAYER_NUMBER_BITS] < PROGRAMS) & ~holds),
                    own.payload.address.eq(address),
                    own.payload.beats.eq(size),
                ]
                with m.If(own.valid & own.ready):
                    m.d.sync += [asked.eq(asked + 1), address.eq(address + size)]
                    m.next = "WEIGHTS"
                    with m.If(asked == 0):
                        m.next = "LAYER"
            with m.State("LAYER"), m.If(programs.arrived != number):
                m.d.comb += self.wrong_program.eq(
                    (layer.row_groups == 0)
                    | (layer.row_groups > self._arch.cores)
                    | (layer.units == 0)
                    | (layer.next_beats > PROGRAM_BEATS)
                    | (layer.last != (layer.next_beats == 0))
                )
                m.next = "WEIGHTS"
                with m.If(layer.next_beats.any()):
                    m.d.sync += size.eq(layer.next_beats)
                    m.next = "PROGRAM"
            with m.State("WEIGHTS"):
                m.d.comb += weights.start.eq(1)
                m.next = "ROUNDS"
            with m.State("ROUNDS"), m.If(~weights.busy):
                for layer_number, channels in enumerate(self.last_channels):
                    with m.If(number[:2] == layer_number):
                        m.d.sync += channels.eq(weights.last_channels)
                m.d.sync += number.eq(number + 1)
                m.next = "LAYER"
                with m.If(layer.last):
                    m.next = "END"
            with m.State("END"):
                pass
        with m.If(weights.wrong):
            m.d.comb += self.wrong_program.eq(1)
        return m

    def _pace(self, m: Module, weights: WeightsReader) -> Signal:
        """Whether nothing may be asked for: weights are brought no faster than the array takes them, so that
        none wait on the way and hold up what is behind them."""
        asks, columns = self.requests[WEIGHTS], self._arch.columns
        left, holds = Signal.like(weights.cycles), Signal()
        m.d.comb += holds.eq(left != 0)
        with m.If(asks.valid & asks.ready):
            m.d.sync += left.eq(Mux(weights.cycles > columns, weights.cycles, columns) - 1)
        with m.Elif(holds):
            m.d.sync += left.eq(left - 1)
        return holds
