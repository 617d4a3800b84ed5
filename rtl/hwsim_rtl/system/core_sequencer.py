"""What a core is given: of each of its passes, the configuration and the rows."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import WEIGHT_PASSES, Arch
from hwsim_rtl.core.payloads import ROW_BITS, MapRow, RowDescriptor
from hwsim_rtl.system.configure import LayerColumns, configure
from hwsim_rtl.system.payloads import Clamps, LayerDescriptor, OutRow, PassEntry, QueuedPass, SequencedPass
from hwsim_rtl.system.row_steps import MASK_BYTE_BITS, MASK_ROWS, RowSteps

ROWS_AHEAD = 1 << ROW_BITS  # rows whose segments lanes take before the row is open
# Output rows that are found before they are written: more than a transposed layer comes to before the first
# input row is known, and than wait for one that is held back, so that the search never waits for itself.
OUT_ROWS = 64


class CoreSequencer(wiring.Component):
    """One core's passes, in their order.

    A pass is begun when the one before was taken and all its rows are found. Rows wait in FIFOs of ROWS_AHEAD
    as :class:`RowSteps` finds them. The pass is offered when all of them are found, or when there is room for
    no more, so that its core does not wait for rows if :class:`RowSteps` is no slower from then on.

    Args:
        arch: the machine.
        columns: of the layer.

    Ports:
        queue: In(stream of QueuedPass), of which WEIGHT_PASSES wait. idle: Out(1), none is left, and all rows
            are found.
        layer: In(LayerDescriptor), constant unless ``idle``. layer_number: In(1), of it, modulo 2. clamps:
            In(Clamps), of it, if it is ``clamped``.
        asks, byte, answered, owned: as of :class:`RowSteps`; group: Out(10), that of the pass.
        passes: Out(stream of SequencedPass). map_rows: Out(stream of MapRow). rows: Out(stream of
            RowDescriptor). out_rows: Out(stream of OutRow), rows that the passes make, in their order.
    """

    def __init__(self, arch: Arch, columns: LayerColumns) -> None:
        self._arch, self._columns = arch, columns
        super().__init__(
            {
                "queue": In(stream.Signature(QueuedPass())),
                "idle": Out(1),
                "layer": In(LayerDescriptor()),
                "layer_number": In(1),
                "clamps": In(Clamps()),
                "asks": Out(1),
                "byte": Out(MASK_BYTE_BITS),
                "group": Out(PassEntry()["row_group"].width),
                "answered": In(1),
                "owned": In(MASK_ROWS),
                "passes": Out(stream.Signature(SequencedPass(arch))),
                "map_rows": Out(stream.Signature(MapRow)),
                "rows": Out(stream.Signature(RowDescriptor)),
                "out_rows": Out(stream.Signature(OutRow)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.steps = steps = RowSteps()
        m.submodules.waiting = waiting = _queue(QueuedPass(), WEIGHT_PASSES)
        m.submodules.places = places = _queue(MapRow, ROWS_AHEAD)
        m.submodules.reached = reached = _queue(RowDescriptor, ROWS_AHEAD)
        head = Signal(QueuedPass())
        taken, gives, ends = Signal(), Signal(), Signal()
        first, enough = Signal(), Signal()  # the first row is still to come; enough of them have come
        working = Signal()
        m.d.comb += [
            waiting.w_data.eq(self.queue.payload),
            waiting.w_en.eq(self.queue.valid),
            self.queue.ready.eq(waiting.w_rdy),
            head.eq(waiting.r_data),
            self.idle.eq(~waiting.r_rdy),
        ]
        # The head of the queue is the pass at work.
        m.d.comb += [
            steps.start.eq(waiting.r_rdy & ~working),
            steps.layer.eq(self.layer),
            steps.first_segment.eq(head.entry.first_segment),
            self.asks.eq(steps.asks),
            self.byte.eq(steps.byte),
            self.group.eq(head.entry.row_group),
            steps.answered.eq(self.answered),
            steps.owned.eq(self.owned),
            self.passes.valid.eq(working & ~taken & enough),
            ends.eq(working & (taken | gives) & ~steps.busy),
            gives.eq(self.passes.valid & self.passes.ready),
            waiting.r_en.eq(ends),
        ]
        configure(
            m,
            self._arch,
            self.layer,
            self.clamps,
            head.entry,
            head.counts,
            self._columns,
            self.passes.payload.config,
        )
        with m.If(steps.start):
            m.d.sync += [working.eq(1), taken.eq(0)]
        with m.Elif(ends):
            m.d.sync += working.eq(0)
        with m.Elif(gives):
            m.d.sync += taken.eq(1)

        # What the pass makes of each of its rows is known before its first row is found.
        m.submodules.made = made = _queue(OutRow, OUT_ROWS)
        row, layer = Signal(OutRow), self.layer
        m.d.sync += [
            row.first.eq(head.entry.unit * layer.unit_segments),
            row.segments.eq(_divide(head.entry.channels + layer.out_block - 1, layer.out_block)),
        ]
        m.d.comb += [
            row.layer.eq(self.layer_number),
            row.row.eq(steps.pushed_row),
            steps.may_push.eq(made.w_rdy),
            made.w_data.eq(row),
            made.w_en.eq(steps.pushed[0]),
        ]

        # Both halves of a row leave together, into FIFOs.
        both = Signal()
        m.d.comb += [
            both.eq(places.w_rdy & reached.w_rdy),
            steps.rows.ready.eq(both),
            places.w_data.eq(steps.rows.payload.place),
            reached.w_data.eq(steps.rows.payload.reaches),
            *(part.w_en.eq(steps.rows.valid & both) for part in (places, reached)),
        ]
        with m.If(steps.start):
            m.d.sync += [first.eq(1), enough.eq(0)]
        with m.Elif(steps.rows.valid & first):
            m.d.sync += [first.eq(0), self.passes.payload.entry.eq(steps.rows.payload.place.entry)]
        with m.Elif(working & ~first & (~steps.busy | (steps.rows.valid & ~both) | ~made.w_rdy)):
            m.d.sync += enough.eq(1)
        for part, out in ((places, self.map_rows), (reached, self.rows), (made, self.out_rows)):
            m.d.comb += [
                out.valid.eq(part.r_rdy),
                out.payload.as_value().eq(part.r_data),
                part.r_en.eq(out.ready),
            ]
        return m


def _divide(value: Value, power: Value) -> Value:
    """The value divided by one that is a power of two."""
    return reduce(or_, [Mux(power[bit], value >> bit, 0) for bit in range(len(power))])


def _queue(shape: ShapeLike, depth: int) -> fifo.SyncFIFO:
    return fifo.SyncFIFO(width=data.Layout.cast(shape).size, depth=depth)
