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
        layer, at = self.layer, _Walk(self._groups)
        wanted = Mux(at.kept, at.wanted, at.waits)
        leaves, room = self._out(m, at.held, at.held_y, at.kept, at.ahead, wanted)
        dilation = Mux(layer.transposed, 1, layer.vertical_dilation)
        exists, owned, last_input = Signal(), Signal(self._groups), Signal()
        m.d.comb += [
            self.pushed_row.eq(at.row),
            exists.eq((at.row >= 0) & (at.row < layer.out_height)),
            last_input.eq(at.y + dilation >= layer.height),
        ]
        comes_to = Signal()  # an output row
        known = self._masks(m, at.row, comes_to, exists, owned)
        window, moves, comes = self._window(m, owned, exists, at.bank)
        tapped, reached, found = self._taps(m, window, last_input, at.rows)
        has_tap = (at.y >= 0) & tapped
        with m.FSM() as fsm:
            m.d.comb += [
                self.busy.eq(~fsm.ongoing("IDLE")),
                comes_to.eq(fsm.ongoing("PUSH")),
                leaves.eq(
                    (fsm.ongoing("ROW") & has_tap & at.kept & at.wanted.any())
                    | (fsm.ongoing("LAST") & wanted.any())
                ),
            ]
            self._begin_layer(m, at)
            self._begin_class(m, at, window)
            self._take_output_row(m, at, known, owned, comes)
            with m.State("ROW"), m.If(~leaves | room):
                self._hold_back(m, at, has_tap, reached, found)
                self._next_input_row(m, at, dilation, last_input, moves)
            self._end_class(m, at)
            with m.State("LAST"), m.If(~leaves | room):
                m.next = "OUT"
            with m.State("OUT"), m.If(room):
                m.next = "IDLE"
        return m

    def _begin_layer(self, m: Module, at: _Walk) -> None:
        """States IDLE and CLASSES: how many output rows are a whole number of dilations apart at least."""
        layer = self.layer
        with m.State("IDLE"):
            m.d.sync += [
                at.step.eq(1),
                at.stride.eq(0),
                at.rest.eq(layer.vertical_stride),
                at.number.eq(0),
                at.top.eq(-layer.padding_top),
                at.of_layer().eq(0),
            ]
            with m.If(self.start):
                m.next = "CLASSES"
        with m.State("CLASSES"):
            with m.If(layer.transposed):
                m.next = "FIRST"
            with m.Elif(at.rest >= layer.vertical_dilation):
                m.d.sync += [at.rest.eq(at.rest - layer.vertical_dilation), at.stride.eq(at.stride + 1)]
            with m.Elif(at.rest == 0):
                m.next = "TOP"
            with m.Else():
                m.d.sync += [at.rest.eq(at.rest + layer.vertical_stride), at.step.eq(at.step + 1)]

    def _begin_class(self, m: Module, at: _Walk, window: Array) -> None:
        """States TOP, FIRST and SEARCH: the first output row of a class, and its uppermost input row."""
        layer, transposed = self.layer, self.layer.transposed
        with m.State("TOP"):
            with m.If(at.top < 0):
                m.d.sync += at.top.eq(at.top + layer.vertical_dilation)
            with m.Else():
                m.next = "FIRST"
        with m.State("FIRST"):
            m.d.sync += [
                Cat(*(each.exists for each in window)).eq(0),
                at.empty.eq(at.top >= layer.height),
                at.phase.eq(0),
                at.rest.eq(0),
                at.pushes.eq(layer.kernel_rows),
                at.y.eq(Mux(transposed, 0, -layer.padding_top)),
                at.row.eq(Mux(transposed, -layer.padding_top, 0)),
            ]
            with m.If(~at.begun & (transposed | (at.top < layer.height))):
                m.d.sync += [at.held_y.eq(Mux(transposed, 0, at.top)), at.begun.eq(1)]
            m.next = "SEARCH"
        with m.State("SEARCH"):
            with m.If(transposed | (at.rest == at.number)):
                m.next = "PUSH"
            with m.Elif(at.rest >= layer.vertical_dilation):
                m.d.sync += at.rest.eq(at.rest - layer.vertical_dilation)
            with m.Elif(at.row + 1 == at.step):
                m.next = "NEXT"
            with m.Else():
                m.d.sync += [
                    at.row.eq(at.row + 1),
                    at.rest.eq(at.rest + layer.vertical_stride),
                    at.y.eq(at.y + layer.vertical_stride),
                ]

    def _take_output_row(self, m: Module, at: _Walk, known: Signal, owned: Signal, comes: Signal) -> None:
        """States PUSH and BELOW: an output row comes into the window, above or below the input rows too."""
        layer, transposed = self.layer, self.layer.transposed
        without = Signal()  # it has no tap
        m.d.comb += without.eq(
            Mux(transposed, at.below | (at.pushes > layer.kernel_rows), at.empty | (at.y >= layer.height))
        )
        with m.State("PUSH"), m.If(known & self.may_push):
            m.d.comb += [comes.eq(1), self.pushed.eq(owned)]
            with m.If(owned[0]):
                wraps = at.place_in_ring + 1 == layer.ring
                m.d.sync += [
                    at.rows.eq(at.rows + 1),
                    at.place_in_ring.eq(Mux(wraps, 0, at.place_in_ring + 1)),
                    at.bank.eq(Mux(wraps, 0, at.bank + layer.row_sub_banks)),
                ]
            with m.If(without & at.kept):
                m.d.sync += [at.held.done.eq(at.held.done + owned[0]), at.wanted.eq(at.wanted | owned)]
            with m.Elif(without):
                m.d.sync += [at.ahead.eq(at.ahead + owned[0]), at.waits.eq(at.waits | owned)]
            m.d.sync += at.pushes.eq(at.pushes - 1)
            with m.If(transposed):
                m.d.sync += at.row.eq(at.row + 1)
                with m.If(at.below):
                    m.next = "BELOW"
                with m.Elif(at.pushes == 1):
                    m.next = "ROW"
            with m.Else():
                m.d.sync += at.row.eq(at.row + at.step)
                m.next = "ROW"
                with m.If(at.empty | (at.y >= layer.height)):
                    m.next = "BELOW"
        with m.State("BELOW"):
            m.next = "PUSH"
            with m.If(at.row >= layer.out_height):
                m.next = "NEXT"

    def _hold_back(self, m: Module, at: _Walk, has_tap: Value, reached: Signal, found: data.View) -> None:
        """A row with a tap is held back, and the one that was goes out, if the pass needs it."""
        with m.If(has_tap):
            m.d.sync += [
                at.held.eq(found),
                at.held.done.eq(found.done + at.ahead),
                at.held_y.eq(at.y),
                at.kept.eq(1),
                at.wanted.eq(reached | at.waits),
                Cat(at.ahead, at.waits).eq(0),
            ]

    def _next_input_row(
        self, m: Module, at: _Walk, dilation: Value, last_input: Signal, moves: Signal
    ) -> None:
        """On to the next input row of the class, and to an output row where a stride is full."""
        m.d.sync += at.y.eq(at.y + dilation)
        with m.If(self.layer.transposed):
            m.d.sync += [at.pushes.eq(self.layer.vertical_stride), at.below.eq(last_input)]
            m.next = "PUSH"
            with m.If(last_input):
                m.next = "BELOW"
        with m.Elif(at.phase + 1 == at.stride):
            m.d.sync += at.phase.eq(0)
            m.next = "PUSH"
        with m.Else():
            m.d.comb += moves.eq(1)
            m.d.sync += at.phase.eq(at.phase + 1)
            with m.If(last_input):
                m.next = "BELOW"

    def _end_class(self, m: Module, at: _Walk) -> None:
        """State NEXT: on to the next class, or to the row that is held back."""
        layer = self.layer
        with m.State("NEXT"):
            m.d.sync += [
                at.number.eq(at.number + 1),
                at.top.eq(Mux(at.top + 1 == layer.vertical_dilation, 0, at.top + 1)),
            ]
            m.next = "FIRST"
            with m.If(layer.transposed | (at.number + 1 == layer.vertical_dilation)):
                m.next = "LAST"

    def _masks(self, m: Module, row: Signal, comes_to: Signal, exists: Signal, owned: Signal) -> Signal:
        """Who owns the output row that it comes to; the result says whether that is known.

        No other row is asked about, so that an answer is always that to the question of now.
        """
        byte, there = Signal(MASK_BYTE_BITS), Signal()
        masks = Signal(data.ArrayLayout(self._groups, MASK_ROWS))
        known = Signal()
        m.d.comb += [
            self.byte.eq(row[MASK_SHIFT:COUNT_BITS]),
            known.eq(~exists | (there & (byte == self.byte))),
            self.asks.eq(comes_to & ~known),
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


class _Walk:
    """Where a walk through the rows of a layer is.

    Attributes:
        step, stride: of a layer, whose classes are ``step`` output rows apart, which in input rows are
            ``stride`` dilations. rest: of a division by stepping.
        number, top, empty: of a class: its number, the first input row in it, whether the map has none.
        y, phase: the input row, and how far it is behind the last multiple of the stride.
        row, pushes: the next output row; of a transposed layer, output rows before the input row.
        below: all input rows are through.
        rows, place_in_ring, bank: owned rows that came into the window, and where the next one lies.
        ahead, waits: owned rows without a tap before the first input row with one; of which groups they are.
        held, held_y, kept, wanted: the row that is held back, whether there is one, which groups read it.
        begun: the first input row of all is known, which all wait for if there is no tap.
    """

    def __init__(self, groups: int) -> None:
        self.step, self.stride = Signal(DILATION_BITS), Signal(range(MAX_STRIDE + 1))
        self.rest = Signal(DILATION_BITS + 1)
        self.number, self.top = Signal(DILATION_BITS), Signal(signed(SIGNED_BITS))
        self.empty = Signal()
        self.y, self.phase = Signal(signed(SIGNED_BITS)), Signal(range(MAX_STRIDE + 1))
        self.row, self.pushes = Signal(signed(SIGNED_BITS)), Signal(range(MAX_STRIDE + 1))
        self.below = Signal()
        self.rows = Signal(COUNT_BITS)
        self.place_in_ring, self.bank = Signal(range(SUB_BANKS)), Signal(SUB_BANK_BITS)
        self.ahead, self.waits = Signal(DONE_BITS), Signal(groups)
        self.held, self.held_y, self.kept = Signal(RowDescriptor), Signal(COUNT_BITS), Signal()
        self.wanted = Signal(groups)
        self.begun = Signal()

    def of_layer(self) -> Value:
        """What begins at zero with a layer."""
        counts = (self.rows, self.place_in_ring, self.bank, self.ahead, self.waits)
        return Cat(*counts, self.held, self.kept, self.wanted, self.begun, self.below)


def _any(values: list[Value]) -> Value:
    """The bits that any of several values has."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return _any(values[:half]) | _any(values[half:])
