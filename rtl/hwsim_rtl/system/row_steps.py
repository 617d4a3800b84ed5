"""The input rows of a pass, found by stepping through the rows of its layer."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES, SUB_BANKS, WORD_BYTES
from hwsim.machine.descriptors import COUNT_BITS, MAX_KERNEL, MAX_STRIDE
from hwsim_rtl.core.payloads import DONE_BITS, SUB_BANK_BITS, RowDescriptor
from hwsim_rtl.system.payloads import InputRow, LayerDescriptor, OpenRow

BEAT_WORDS = BEAT_BYTES // WORD_BYTES
SIGNED_BITS = COUNT_BITS + 2  # of a row that may lie above or below its map
DILATION_BITS = 11
KERNEL_ROWS_BITS = MAX_KERNEL.bit_length()


class RowSteps(wiring.Component):
    """Which input rows a pass reads, in their order, and what each of them reaches.

    It goes as docs/architecture.md, *Rows* says: class by class, and in each from the top; of a layer that is
    not dilated there is one class. A *window* holds the output rows that come into reach, the newest first;
    kernel rows of an input row lead to those at its beginning, a stride apart. Rows above and below the map
    are stepped through, so that the window fills and empties.

    Output rows without a tap wait for the last input row of the row before them. So an input row is held
    back until a later one has a tap, or there is none. If no row of the layer has a tap, all wait for the
    input row that is read first.

    It takes about (kernel rows / stride) + 6 cycles for an input row of the layer, and 2 for an output row,
    with answers in the cycle after they were asked for; less where the pass has nothing to do.

    Ports:
        start: In(1), begins a pass, only while not ``busy``. busy: Out(1), until its last row was taken.
        layer: In(LayerDescriptor), first_segment: In(16), constant while ``busy``.
        asks: Out(1), row: Out(16): is this output row owned? answered: In(1), owned: In(1): yes or no, in any
            cycle of asking but the first.
        rows: Out(stream of InputRow).
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "layer": In(LayerDescriptor()),
                "first_segment": In(COUNT_BITS),
                "asks": Out(1),
                "row": Out(COUNT_BITS),
                "answered": In(1),
                "owned": In(1),
                "rows": Out(stream.Signature(InputRow)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer = self.layer
        # Of a layer: its classes are `step` output rows apart, which in input rows are `stride` dilations.
        step, stride = Signal(DILATION_BITS), Signal(range(MAX_STRIDE + 1))
        rest = Signal(DILATION_BITS + 1)
        # Of a class: its number, the first input row in it, whether the map has none.
        number, top = Signal(DILATION_BITS), Signal(signed(SIGNED_BITS))
        empty = Signal()
        # The input row, how far it is behind the last multiple of the stride, the next output row.
        y, phase = Signal(signed(SIGNED_BITS)), Signal(range(MAX_STRIDE + 1))
        row = Signal(signed(SIGNED_BITS))
        pushes = Signal(range(MAX_STRIDE + 1))  # of a transposed layer, before the input row
        below = Signal()  # all input rows are through

        window = Array(Signal(OpenRow, name=f"open{i}") for i in range(MAX_KERNEL))
        found = Signal(RowDescriptor)
        tapped = Signal()
        entry, kernel_row = Signal(range(MAX_KERNEL)), Signal(signed(KERNEL_ROWS_BITS + 2))
        rows = Signal(COUNT_BITS)  # owned rows that came into the window
        place_in_ring, bank = Signal(range(SUB_BANKS)), Signal(SUB_BANK_BITS)
        ahead = Signal(DONE_BITS)  # owned rows without a tap, before the first input row with one
        held, held_y, kept, wanted = Signal(RowDescriptor), Signal(COUNT_BITS), Signal(), Signal()
        begun = Signal()  # the first input row of all is known, which all wait for if there is no tap
        self._place(m, held_y)

        transposed = layer.transposed
        dilation = Mux(transposed, 1, layer.vertical_dilation)
        exists, is_owned, without = Signal(), Signal(), Signal()
        last_input = Signal()
        m.d.comb += [
            exists.eq((row >= 0) & (row < layer.out_height)),
            self.row.eq(row[:COUNT_BITS]),
            is_owned.eq(exists & self.owned),
            without.eq(Mux(transposed, below | (pushes > layer.kernel_rows), empty | (y >= layer.height))),
            last_input.eq(y + dilation >= layer.height),
            self.rows.payload.reaches.eq(held),
            self.rows.payload.reaches.done.eq(Mux(kept, held.done, ahead)),
        ]

        def begin_place() -> list:
            return [
                found.eq(0),
                tapped.eq(0),
                entry.eq(0),
                kernel_row.eq(Mux(transposed, layer.kernel_rows - 1, phase)),
            ]

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))

            with m.State("IDLE"):
                m.d.sync += [
                    step.eq(1),
                    stride.eq(0),
                    rest.eq(layer.vertical_stride),
                    number.eq(0),
                    top.eq(-layer.padding_top),
                    Cat(rows, place_in_ring, bank, ahead, held, kept, wanted, begun, below).eq(0),
                ]
                with m.If(self.start):
                    m.next = "CLASSES"

            # The least number of output rows that are a whole number of dilations apart.
            with m.State("CLASSES"):
                with m.If(transposed):
                    m.next = "FIRST"
                with m.Elif(rest >= layer.vertical_dilation):
                    m.d.sync += [rest.eq(rest - layer.vertical_dilation), stride.eq(stride + 1)]
                with m.Elif(rest == 0):
                    m.next = "TOP"
                with m.Else():
                    m.d.sync += [rest.eq(rest + layer.vertical_stride), step.eq(step + 1)]

            with m.State("TOP"):
                with m.If(top < 0):
                    m.d.sync += top.eq(top + layer.vertical_dilation)
                with m.Else():
                    m.next = "FIRST"

            with m.State("FIRST"):
                m.d.sync += [
                    Cat(*(Cat(each.exists, each.owned) for each in window)).eq(0),
                    empty.eq(top >= layer.height),
                    phase.eq(0),
                    rest.eq(0),
                    pushes.eq(layer.kernel_rows),
                    y.eq(Mux(transposed, 0, -layer.padding_top)),
                    row.eq(Mux(transposed, -layer.padding_top, 0)),
                ]
                with m.If(~begun & (transposed | (top < layer.height))):
                    m.d.sync += [held_y.eq(Mux(transposed, 0, top)), begun.eq(1)]
                m.next = "SEARCH"

            # The first output row of the class, and its uppermost input row.
            with m.State("SEARCH"):
                with m.If(transposed | (rest == number)):
                    m.next = "PUSH"
                with m.Elif(rest >= layer.vertical_dilation):
                    m.d.sync += rest.eq(rest - layer.vertical_dilation)
                with m.Elif(row + 1 == step):
                    m.next = "NEXT"
                with m.Else():
                    m.d.sync += [
                        row.eq(row + 1),
                        rest.eq(rest + layer.vertical_stride),
                        y.eq(y + layer.vertical_stride),
                    ]

            with m.State("PUSH"):
                m.d.comb += self.asks.eq(exists)
                with m.If(~exists | self.answered):
                    m.d.sync += [
                        *(after.eq(before) for before, after in pairwise(window)),
                        window[0].exists.eq(exists),
                        window[0].owned.eq(is_owned),
                        window[0].bank.eq(bank),
                    ]
                    with m.If(is_owned):
                        wraps = place_in_ring + 1 == layer.ring
                        m.d.sync += [
                            rows.eq(rows + 1),
                            place_in_ring.eq(Mux(wraps, 0, place_in_ring + 1)),
                            bank.eq(Mux(wraps, 0, bank + layer.row_sub_banks)),
                        ]
                    with m.If(is_owned & without):
                        with m.If(kept):
                            m.d.sync += [held.done.eq(held.done + 1), wanted.eq(1)]
                        with m.Else():
                            m.d.sync += ahead.eq(ahead + 1)
                    m.d.sync += pushes.eq(pushes - 1)
                    with m.If(transposed):
                        m.d.sync += row.eq(row + 1)
                        with m.If(below):
                            m.next = "BELOW"
                        with m.Elif(pushes == 1):
                            m.next = "ROW"
                    with m.Elif(empty | (y >= layer.height)):
                        m.d.sync += row.eq(row + step)
                        m.next = "BELOW"
                    with m.Else():
                        m.d.sync += row.eq(row + step)
                        m.next = "ROW"

            with m.State("BELOW"):
                m.next = "PUSH"
                with m.If(row >= layer.out_height):
                    m.next = "NEXT"

            with m.State("ROW"):
                m.d.sync += begin_place()
                m.next = "STEP"
                with m.If(y >= 0):
                    m.next = "TAPS"

            # The kernel rows that lead to an output row, one a cycle.
            with m.State("TAPS"):
                each = window[entry]
                done = last_input | Mux(
                    transposed, kernel_row < layer.vertical_stride, kernel_row + 1 == layer.kernel_rows
                )
                with m.If((kernel_row >= 0) & (kernel_row < layer.kernel_rows)):
                    with m.If(each.owned):
                        m.d.sync += [
                            found.taps.bit_select(kernel_row[:KERNEL_ROWS_BITS], 1).eq(1),
                            found.sub_banks[kernel_row[: KERNEL_ROWS_BITS - 1]].eq(each.bank),
                            found.newest.eq(rows - 1),
                            found.done.eq(found.done + done),
                        ]
                    m.d.sync += [
                        tapped.eq(tapped | each.exists),
                        entry.eq(entry + 1),
                        kernel_row.eq(Mux(transposed, kernel_row - 1, kernel_row + stride)),
                    ]
                    with m.If(entry == MAX_KERNEL - 1):
                        m.next = "KEEP"
                with m.Else():
                    m.next = "KEEP"

            # A row with a tap is held back, and the one that was goes out, if the pass needs it.
            with m.State("KEEP"):
                m.d.comb += self.rows.valid.eq(tapped & kept & wanted)
                with m.If(~self.rows.valid | self.rows.ready):
                    m.next = "STEP"
                    with m.If(tapped):
                        m.d.sync += [
                            held.eq(found),
                            held.done.eq(found.done + ahead),
                            held_y.eq(y),
                            kept.eq(1),
                            wanted.eq((found.taps != 0) | (ahead != 0)),
                            ahead.eq(0),
                        ]

            with m.State("STEP"):
                m.d.sync += y.eq(y + dilation)
                with m.If(transposed):
                    m.d.sync += [pushes.eq(layer.vertical_stride), below.eq(last_input)]
                    m.next = "PUSH"
                    with m.If(last_input):
                        m.next = "BELOW"
                with m.Elif(phase + 1 == stride):
                    m.d.sync += phase.eq(0)
                    m.next = "PUSH"
                with m.Else():
                    m.d.sync += phase.eq(phase + 1)
                    m.next = "ROW"
                    with m.If(last_input):
                        m.next = "BELOW"

            with m.State("NEXT"):
                m.d.sync += [
                    number.eq(number + 1),
                    top.eq(Mux(top + 1 == layer.vertical_dilation, 0, top + 1)),
                ]
                m.next = "FIRST"
                with m.If(transposed | (number + 1 == layer.vertical_dilation)):
                    m.next = "LAST"

            with m.State("LAST"):
                m.d.comb += self.rows.valid.eq(Mux(kept, wanted, ahead != 0))
                with m.If(~self.rows.valid | self.rows.ready):
                    m.next = "IDLE"
        return m

    def _place(self, m: Module, y: Signal) -> None:
        """Where the row that is held back lies: two cycles after its number is known."""
        layer, first = self.layer, self.first_segment
        row, entries, segments = (
            Signal(SIGNED_BITS + COUNT_BITS),
            Signal(2 * COUNT_BITS),
            Signal(2 * COUNT_BITS),
        )
        m.d.sync += [
            row.eq(y * layer.row_beats),
            entries.eq(y * layer.map_segments),
            segments.eq(first * layer.place_beats),
        ]
        place = self.rows.payload.place
        m.d.comb += [
            place.place.eq((row + segments) * BEAT_WORDS),
            place.entry.eq(entries + first),
        ]
