"""Weights and scales: from passes of a program to loads of the array."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES, SCALE_BYTES, WEIGHT_PASSES, WEIGHT_PORT_WORDS, Arch
from hwsim.machine.descriptors import COUNT_BITS
from hwsim_rtl.array import Load
from hwsim_rtl.bits.unpacker import BEAT_BITS, BitUnpacker
from hwsim_rtl.core.payloads import ChannelScale, weight_load
from hwsim_rtl.system.memory_port import BEATS_BITS, MemoryRequest
from hwsim_rtl.system.payloads import LayerDescriptor, PassEntry
from hwsim_rtl.system.program_store import PASS_NUMBER_BITS

UNITS_AHEAD = 4  # units whose beats are on their way
SCALE_BITS = 8 * SCALE_BYTES


class UnitLoads(data.StructLayout):
    """What is read of a unit: the ``cores`` that it is for, ``channels`` that it makes, ``columns`` of a word
    of weights, how many ``words``; beats of its scales and of its weights."""

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "cores": arch.cores,
                "channels": range(arch.columns + 1),
                "columns": range(arch.columns + 1),
                "words": range(arch.weight_words + 1),
                "scale_beats": range(arch.columns * SCALE_BYTES // BEAT_BYTES + 2),
                "weight_beats": BEATS_BITS,
            }
        )


class WeightsReader(wiring.Component):
    """Ask for the weights of every unit of a layer when all its cores have room, and load them.

    A unit is found in as many cycles as it has row groups, and three more; then it is asked for as soon as
    the weight memory of each core that works on it has room (docs/architecture.md, *Weights*). Weights and
    scales are unpacked beside each other: a load of weights, and a channel's scale, a cycle.

    Args:
        arch: the machine.

    Ports:
        start: In(1), only while not ``busy``: a layer. busy: Out(1), until its last unit was asked for.
        first_round: Out(1), the units of a layer that are worked on first were asked for.
        layer: In(LayerDescriptor), constant while busy.
        number: Out, which pass of the program is looked at; entry: In(64), it, a cycle later.
        cycles: Out, in which the unit that is asked for is taken: a beat of scales, or a load, in each.
        requests: Out(stream of MemoryRequest); beats: In(stream of 256 bits).
        weights, scales: Out(streams of Load), as the array takes them.
        done: In(cores), a pass of a core is done. last_channels: Out, that the last unit makes, once it was
            found.
        wrong: Out(1), a pass cannot be.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "first_round": Out(1),
                "layer": In(LayerDescriptor()),
                "number": Out(PASS_NUMBER_BITS),
                "entry": In(64),
                "cycles": Out(range(arch.weight_words // WEIGHT_PORT_WORDS + arch.columns + 1)),
                "requests": Out(stream.Signature(MemoryRequest)),
                "beats": In(stream.Signature(BEAT_BITS)),
                "weights": Out(stream.Signature(Load(weight_load(arch), arch))),
                "scales": Out(stream.Signature(Load(ChannelScale, arch))),
                "done": In(arch.cores),
                "last_channels": Out(range(arch.columns + 1)),
                "wrong": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        unit = Signal(UnitLoads(self._arch))
        goes = Signal()  # the unit is asked for
        room = self._room(m, unit, goes)
        has_place = self._load(m, unit, goes)
        self._find(m, unit, goes, room & has_place)
        return m

    def _find(self, m: Module, unit: data.View, goes: Signal, may: Value) -> None:
        """Walk through the passes, unit by unit, and ask for each unit when it may be."""
        arch, layer = self._arch, self.layer
        entry = Signal(PassEntry())
        at, taken, group, units = Signal(PASS_NUMBER_BITS), Signal(), Signal(10), Signal(COUNT_BITS)
        of_unit, odd, channels = Signal(COUNT_BITS), Signal(), Signal(range(arch.columns + 1))
        in_round = Signal(range(2 * arch.cores + 1))  # passes of units that were asked for
        bits, words = Signal(range(arch.weight_words * arch.columns * arch.weight_bits + 1)), Signal(17)
        request = self.requests.payload
        m.d.comb += [
            entry.eq(self.entry),
            self.number.eq(at + taken),
            words.eq(Mux(odd, layer.odd_pass_words, layer.pass_words)),
            request.beats.eq(unit.scale_beats + unit.weight_beats),
            self.cycles.eq(unit.scale_beats + ((unit.words + 1) >> 1)),
            self.first_round.eq(in_round + layer.row_groups > arch.cores),
        ]
        with m.FSM() as fsm:
            m.d.comb += [
                self.busy.eq(~fsm.ongoing("IDLE")),
                goes.eq(self.requests.valid & self.requests.ready),
            ]
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [at.eq(0), units.eq(0), in_round.eq(0)]
                m.next = "UNIT"
            with m.State("UNIT"):
                m.d.sync += [unit.cores.eq(0), group.eq(0)]
                m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += [
                    taken.eq(1),
                    self.wrong.eq(
                        (entry.core >= arch.cores)
                        | (entry.row_group >= layer.row_groups)
                        | (entry.unit >= layer.units)
                        | (entry.channels > arch.columns)
                        | (entry.channels == 0)
                    ),
                ]
                m.d.sync += [
                    at.eq(at + 1),
                    group.eq(group + 1),
                    unit.cores.eq(unit.cores | (1 << entry.core)[: arch.cores]),
                    of_unit.eq(entry.unit),
                    odd.eq(entry.odd),
                    channels.eq(entry.channels),
                ]
                with m.If(entry.unit + 1 == layer.units):
                    m.d.sync += self.last_channels.eq(entry.channels)
                with m.If(group + 1 == layer.row_groups):
                    m.next = "SIZES"
            with m.State("SIZES"):
                columns = Mux(layer.depthwise, arch.columns, channels)
                m.d.sync += [
                    bits.eq(words * columns * arch.weight_bits),
                    unit.channels.eq(channels),
                    unit.columns.eq(columns),
                    unit.words.eq(words),
                    unit.scale_beats.eq((channels * SCALE_BYTES + BEAT_BYTES - 1) // BEAT_BYTES),
                    request.address.eq(layer.weights_at + of_unit * layer.weights_stride),
                ]
                m.next = "BEATS"
            with m.State("BEATS"):
                m.d.sync += unit.weight_beats.eq((bits + BEAT_BITS - 1) // BEAT_BITS)
                m.next = "ROOM"
            with m.State("ROOM"), m.If(may):
                m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.comb += self.requests.valid.eq(1)
                with m.If(self.requests.ready):
                    m.d.sync += units.eq(units + 1)
                    with m.If(~self.first_round):
                        m.d.sync += in_round.eq(in_round + layer.row_groups)
                    m.next = "UNIT"
                    with m.If(units + 1 == layer.units):
                        m.next = "IDLE"

    def _room(self, m: Module, unit: data.View, goes: Signal) -> Value:
        """Whether all cores of the unit have room for it: what each holds goes as its passes are done."""
        arch = self._arch
        size = Signal(range(arch.weight_words // WEIGHT_PORT_WORDS + 1))
        m.d.comb += size.eq((unit.words + 1) >> 1)
        have = Signal(arch.cores)
        for core in range(arch.cores):
            free = Signal.like(size, init=arch.weight_words // WEIGHT_PORT_WORDS, name=f"free{core}")
            m.submodules[f"held{core}"] = held = fifo.SyncFIFO(width=len(size), depth=WEIGHT_PASSES)
            takes = goes & unit.cores[core]
            m.d.comb += [
                held.w_data.eq(size),
                held.w_en.eq(takes),
                held.r_en.eq(self.done[core]),
                have[core].eq(held.w_rdy & (free >= size)),
            ]
            m.d.sync += free.eq(free + Mux(self.done[core], held.r_data, 0) - Mux(takes, size, 0))
        return (unit.cores & ~have) == 0

    def _load(self, m: Module, unit: data.View, goes: Signal) -> Value:
        """From beats to loads. The result says whether another unit may be asked for."""
        layout = UnitLoads(self._arch)
        jobs = [fifo.SyncFIFO(width=layout.size, depth=UNITS_AHEAD) for _ in range(3)]
        for name, job in zip(("coming", "of_scales", "of_weights"), jobs, strict=True):
            m.submodules[name] = job
            m.d.comb += [job.w_data.eq(unit), job.w_en.eq(goes)]
        coming, of_scales, of_weights = jobs

        # Scales come first, and wait, so that weights need not.
        head, came = Signal(layout), Signal(BEATS_BITS)
        depth = UNITS_AHEAD * (self._arch.columns * SCALE_BYTES // BEAT_BYTES + 1)
        m.submodules.kept = kept = fifo.SyncFIFO(width=BEAT_BITS, depth=depth)
        m.submodules.unpacked = weights = BitUnpacker(weight_load(self._arch).size)
        is_scale = came < head.scale_beats
        # What is behind a unit's last bit in its beat is flushed with it: the next one waits for that.
        units_come, units_loaded = Signal(range(2 * UNITS_AHEAD)), Signal(range(2 * UNITS_AHEAD))
        mine = coming.r_rdy & ~is_scale & (units_come == (units_loaded + of_weights.r_en)[: len(units_come)])
        m.d.sync += [
            units_come.eq(units_come + coming.r_en),
            units_loaded.eq(units_loaded + of_weights.r_en),
        ]
        comes = self.beats.valid & self.beats.ready
        m.d.comb += [
            head.eq(coming.r_data),
            self.beats.ready.eq(Mux(is_scale, coming.r_rdy & kept.w_rdy, mine & weights.beats.ready)),
            kept.w_data.eq(self.beats.payload),
            kept.w_en.eq(comes & is_scale),
            weights.beats.payload.eq(self.beats.payload),
            weights.beats.valid.eq(self.beats.valid & mine),
            coming.r_en.eq(comes & (came + 1 == head.scale_beats + head.weight_beats)),
        ]
        with m.If(comes):
            m.d.sync += came.eq(Mux(coming.r_en, 0, came + 1))
        self._load_scales(m, of_scales, kept)
        self._load_weights(m, of_weights, weights)
        return Cat(job.w_rdy for job in jobs).all()

    def _load_scales(self, m: Module, jobs: fifo.SyncFIFO, kept: fifo.SyncFIFO) -> None:
        """A scale a cycle, M of each unit: those without a channel are 0."""
        m.submodules.scale_bits = pieces = BitUnpacker(SCALE_BITS)
        job, channel = Signal(UnitLoads(self._arch)), Signal(range(self._arch.columns + 1))
        came = Signal(BEATS_BITS)
        out, is_channel, last = self.scales, Signal(), Signal()
        leaves = out.valid & out.ready
        ahead = came < job.scale_beats
        m.d.comb += [
            job.eq(jobs.r_data),
            is_channel.eq(channel < job.channels),
            last.eq(channel + 1 == self._arch.columns),
            pieces.size.eq(SCALE_BITS),
            pieces.beats.payload.eq(kept.r_data),
            pieces.beats.valid.eq(kept.r_rdy & jobs.r_rdy & ahead),
            kept.r_en.eq(pieces.beats.valid & pieces.beats.ready),
            out.valid.eq(jobs.r_rdy & (~is_channel | pieces.pieces.valid)),
            out.payload.entry.eq(Mux(is_channel, pieces.pieces.payload, 0)),
            out.payload.cores.eq(job.cores),
            out.payload.last.eq(last),
            pieces.pieces.ready.eq(out.ready & is_channel & jobs.r_rdy),
            pieces.flush.eq(channel + 1 == job.channels),
            jobs.r_en.eq(leaves & last),
        ]
        with m.If(leaves):
            m.d.sync += channel.eq(Mux(last, 0, channel + 1))
        m.d.sync += came.eq(Mux(jobs.r_en, 0, came + kept.r_en))

    def _load_weights(self, m: Module, jobs: fifo.SyncFIFO, pieces: BitUnpacker) -> None:
        """Two words a cycle, each in the columns of its channels; the last load of a unit may have one."""
        bits, columns = self._arch.weight_bits, self._arch.columns
        job, at = Signal(UnitLoads(self._arch)), Signal(range(self._arch.weight_words + 1))
        out, single, last = self.weights, Signal(), Signal()
        leaves = out.valid & out.ready
        word = Signal(range(columns * bits + 1))
        m.d.comb += [
            job.eq(jobs.r_data),
            single.eq(at + 1 == job.words),
            last.eq(at + WEIGHT_PORT_WORDS >= job.words),
            word.eq(job.columns * bits),
            pieces.size.eq(Mux(single, word, word << 1)),
            out.valid.eq(jobs.r_rdy & pieces.pieces.valid),
            pieces.pieces.ready.eq(jobs.r_rdy & out.ready),
            pieces.flush.eq(last),
            out.payload.cores.eq(job.cores),
            out.payload.last.eq(last),
            jobs.r_en.eq(leaves & last),
        ]
        first, second = Signal(columns * bits), Signal(columns * bits)
        with m.Switch(job.columns):
            for used in range(1, columns + 1):
                with m.Case(used):
                    m.d.comb += [
                        first.eq(pieces.pieces.payload[: used * bits]),
                        second.eq(pieces.pieces.payload[used * bits : 2 * used * bits]),
                    ]
        m.d.comb += out.payload.entry.eq(Cat(first, Mux(single, 0, second)))
        with m.If(leaves):
            m.d.sync += at.eq(Mux(last, 0, at + WEIGHT_PORT_WORDS))
