"""The input rows of a pass, found by stepping through the rows of its layer."""

from __future__ import annotations

from amaranth import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import BEAT_BYTES, SUB_BANKS, WORD_BYTES
from hwsim.machine.descriptors import COUNT_BITS, MAX_KERNEL, MAX_STRIDE
from hwsim_rtl.core.payloads import DONE_BITS, SUB_BANK_BITS, RowDescriptor
from hwsim_rtl.system.payloads import InputRow, LayerDescriptor, WindowRow

BEAT_WORDS = BEAT_BYTES // WORD_BYTES
SIGNED_BITS = COUNT_BITS + 2  # of a row that may lie above or below its map
DILATION_BITS = 11
MASK_ROWS = 8  # output rows that are asked for together: a byte of a mask
MASK_SHIFT = (MASK_ROWS - 1).bit_length()
MASK_BYTE_BITS = COUNT_BITS - MASK_SHIFT


class RowSteps(wiring.Component):
    """Which input rows a pass reads, in their order, and what each of them reaches.

    It goes as docs/architecture.md, *Rows* says: class by class, and in each from the top; of a layer that is
    not dilated there is one class. A *window* holds the output row that each kernel row leads to. From an
    input row of a class to the next one, an output row moves on by a kernel row (in a transposed layer back
    by a stride), and there is a new one where a stride is full. Rows above and below the map are stepped
    through, so that the window fills and empties.

    Output rows without a tap wait for the last input row of the row before them. So an input row is held
    back until a later one has a tap, or there is none. If no row of the layer has a tap, all wait for the
    input row that is read first.

    It takes a cycle for an input row, one for an output row, and as long as it takes to be told of eight of
    these; before it, some cycles for a class. All groups of a layer can be walked through at once, to see
    which rows each of them reads; what a row reaches is that of group 0 alone.

    Args:
        groups: row groups that are looked at together.

    Ports:
        start: In(1), begins a pass, only while not ``busy``. busy: Out(1), until its last row was taken.
        layer: In(LayerDescriptor), first_segment: In(16), constant while ``busy``.
        asks: Out(1), byte: Out(13): which of the output rows from 8 ``byte`` on are owned? answered: In(1),
            in any cycle of asking but the first; owned: In(groups) of each of the eight, valid with it.
        pushed: Out(groups), which groups own the output row that comes into the window in this cycle;
            pushed_row: Out(16), its number. may_push: In(1), one may come.
        rows: Out(stream of InputRow); wanted: Out(groups), which groups read it, valid with it.
    """

    def __init__(self, groups: int = 1) -> None:
        self._groups = groups
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "layer": In(LayerDescriptor()),
                "first_segment": In(COUNT_BITS),
                "asks": Out(1),
                "byte": Out(MASK_BYTE_BITS),
                "answered": In(1),
                "owned": In(data.ArrayLayout(groups, MASK_ROWS)),
                "pushed": Out(groups),
                "pushed_row": Out(COUNT_BITS),
                "may_push": In(1),
                "rows": Out(stream.Signature(InputRow)),
                "wanted": Out(groups),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer, transposed = self.layer, self.layer.transposed
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

        rows = Signal(COUNT_BITS)  # owned rows that came into the window
        place_in_ring, bank = Signal(range(SUB_BANKS)), Signal(SUB_BANK_BITS)
        # Owned rows without a tap, before the first input row with one: how many, and of which groups.
        ahead, waits = Signal(DONE_BITS), Signal(self._groups)
        held, held_y, kept = Signal(RowDescriptor), Signal(COUNT_BITS), Signal()
        wanted = Signal(self._groups)
        begun = Signal()  # the first input row of all is known, which all wait for if there is no tap
        leaves, room = self._out(m, held, held_y, kept, ahead, Mux(kept, wanted, waits))

        dilation = Mux(transposed, 1, layer.vertical_dilation)
        exists, owned, without = Signal(), Signal(self._groups), Signal()
        last_input = Signal()
        m.d.comb += [
            self.pushed_row.eq(row),
            exists.eq((row >= 0) & (row < layer.out_height)),
            without.eq(Mux(transposed, below | (pushes > layer.kernel_rows), empty | (y >= layer.height))),
            last_input.eq(y + dilation >= layer.height),
        ]
        known = self._masks(m, row, exists, owned)
        window, moves, comes = self._window(m, owned, exists, bank)
        tapped, reached, found = self._taps(m, window, last_input, rows)

        has_tap = (y >= 0) & tapped

        with m.FSM() as fsm:
            m.d.comb += [
                self.busy.eq(~fsm.ongoing("IDLE")),
                leaves.eq(
                    (fsm.ongoing("ROW") & has_tap & kept & wanted.any())
                    | (fsm.ongoing("LAST") & Mux(kept, wanted.any(), waits.any()))
                ),
            ]

            with m.State("IDLE"):
                m.d.sync += [
                    step.eq(1),
                    stride.eq(0),
                    rest.eq(layer.vertical_stride),
                    number.eq(0),
                    top.eq(-layer.padding_top),
                    Cat(rows, place_in_ring, bank, ahead, waits, held, kept, wanted, begun, below).eq(0),
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
                    Cat(*(each.exists for each in window)).eq(0),
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

            with m.State("PUSH"), m.If(known & self.may_push):
                m.d.comb += [comes.eq(1), self.pushed.eq(owned)]
                with m.If(owned[0]):
                    wraps = place_in_ring + 1 == layer.ring
                    m.d.sync += [
                        rows.eq(rows + 1),
                        place_in_ring.eq(Mux(wraps, 0, place_in_ring + 1)),
                        bank.eq(Mux(wraps, 0, bank + layer.row_sub_banks)),
                    ]
                with m.If(without & kept):
                    m.d.sync += [held.done.eq(held.done + owned[0]), wanted.eq(wanted | owned)]
                with m.Elif(without):
                    m.d.sync += [ahead.eq(ahead + owned[0]), waits.eq(waits | owned)]
                m.d.sync += pushes.eq(pushes - 1)
                with m.If(transposed):
                    m.d.sync += row.eq(row + 1)
                    with m.If(below):
                        m.next = "BELOW"
                    with m.Elif(pushes == 1):
                        m.next = "ROW"
                with m.Else():
                    m.d.sync += row.eq(row + step)
                    m.next = "ROW"
                    with m.If(empty | (y >= layer.height)):
                        m.next = "BELOW"

            with m.State("BELOW"):
                m.next = "PUSH"
                with m.If(row >= layer.out_height):
                    m.next = "NEXT"

            # A row with a tap is held back, and the one that was goes out, if the pass needs it.
            with m.State("ROW"), m.If(~leaves | room):
                with m.If(has_tap):
                    m.d.sync += [
                        held.eq(found),
                        held.done.eq(found.done + ahead),
                        held_y.eq(y),
                        kept.eq(1),
                        wanted.eq(reached | waits),
                        Cat(ahead, waits).eq(0),
                    ]
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
                    m.d.comb += moves.eq(1)
                    m.d.sync += phase.eq(phase + 1)
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

            with m.State("LAST"), m.If(~leaves | room):
                m.next = "OUT"

            with m.State("OUT"), m.If(room):
                m.next = "IDLE"
        return m

    def _masks(self, m: Module, row: Signal, exists: Signal, owned: Signal) -> Signal:
        """Who owns the next output row; the result says whether that is known."""
        byte, there = Signal(MASK_BYTE_BITS), Signal()
        masks = Signal(data.ArrayLayout(self._groups, MASK_ROWS))
        known = Signal()
        m.d.comb += [
            self.byte.eq(row[MASK_SHIFT:COUNT_BITS]),
            known.eq(~exists | (there & (byte == self.byte))),
            self.asks.eq(self.busy & ~known),
            owned.eq(Mux(exists, masks[row[:MASK_SHIFT]], 0)),
        ]
        with m.If(self.start):
            m.d.sync += there.eq(0)
        with m.Elif(self.asks & self.answered):
            m.d.sync += [there.eq(1), byte.eq(self.byte), masks.eq(self.owned)]
        return known

    def _window(self, m: Module, owned: Signal, exists: Signal, bank: Signal) -> tuple[Array, Signal, Signal]:
        """Of each kernel row, the output row that it leads to.

        Returns:
            The window; to move it on without a new row; to move it on with the next one.
        """
        window = Array(Signal(WindowRow(self._groups), name=f"open{i}") for i in range(MAX_KERNEL))
        moves, comes = Signal(), Signal()
        new = Signal(WindowRow(self._groups))
        m.d.comb += [new.exists.eq(exists & comes), new.owned.eq(owned), new.bank.eq(bank)]
        nothing = Signal(WindowRow(self._groups))
        with m.If(comes & self.layer.transposed):
            for kernel_row, (each, after) in enumerate(zip(window, [*window[1:], nothing], strict=True)):
                m.d.sync += each.eq(Mux(self.layer.kernel_rows == kernel_row + 1, new, after))
        with m.Elif(comes | moves):
            m.d.sync += [each.eq(before) for each, before in zip(window, [new, *window[:-1]], strict=True)]
        return window, moves, comes

    def _taps(
        self, m: Module, window: Array, last_input: Signal, rows: Signal
    ) -> tuple[Signal, Signal, data.View]:
        """What the input row reaches.

        Returns:
            Whether it has a tap, of any group; the groups of those that it has; what it reaches of group 0.
        """
        layer = self.layer
        tapped, reached, found = Signal(), Signal(self._groups), Signal(RowDescriptor)
        taps: list[Value] = []
        done: list[Value] = []
        met: list[Value] = []
        for kernel_row, each in enumerate(window):
            there = each.exists & (layer.kernel_rows > kernel_row)
            mine = there & each.owned[0]
            complete = Mux(
                layer.transposed, layer.vertical_stride > kernel_row, layer.kernel_rows == kernel_row + 1
            )
            taps.append(mine)
            done.append(mine & (last_input | complete))
            m.d.comb += found.sub_banks[kernel_row].eq(Mux(mine, each.bank, 0))
            met.append(there)
        m.d.comb += [
            tapped.eq(Cat(met).any()),
            reached.eq(_any([Mux(there, each.owned, 0) for there, each in zip(met, window, strict=True)])),
            found.taps.eq(Cat(taps)),
            found.newest.eq(Mux(Cat(taps).any(), rows - 1, 0)),
            found.done.eq(sum(done)),
        ]
        return tapped, reached, found

    def _out(
        self, m: Module, held: data.View, y: Signal, kept: Signal, ahead: Signal, wanted: Value
    ) -> tuple[Signal, Signal]:
        """The row that goes out, with its place.

        Returns:
            To be driven: the row that is held back goes out; whether there is room for it.
        """
        layer, first, row = self.layer, self.first_segment, self.rows.payload
        leaves, room = Signal(), Signal()
        segments = Signal(2 * COUNT_BITS)
        m.d.comb += room.eq(~self.rows.valid | self.rows.ready)
        m.d.sync += segments.eq(first * layer.place_beats)
        with m.If(room):
            m.d.sync += [
                self.rows.valid.eq(leaves),
                row.place.place.eq((y * layer.row_beats + segments) * BEAT_WORDS),
                row.place.entry.eq(y * layer.map_segments + first),
                row.reaches.eq(held),
                row.reaches.done.eq(Mux(kept, held.done, ahead)),
                self.wanted.eq(wanted),
            ]
        return leaves, room


def _any(values: list[Value]) -> Value:
    """The bits that any of several values has."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return _any(values[:half]) | _any(values[half:])
