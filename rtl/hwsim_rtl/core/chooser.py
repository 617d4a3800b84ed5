"""Which of the items at the heads of the lanes is next."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import COUNT_BITS
from hwsim_rtl.core.payloads import DONE_BITS, LANES, ROW_BITS, ChosenItem, QueuedItem, RowDescriptor


class OpenRow:
    """One of the two rows that are open.

    Attributes:
        valid: its descriptor is here. row: its descriptor.
        fits: its newest owned row had a place in the ring in the cycle before.
        left: segments of it whose marks do not count yet. one, none: it is 1, it is 0.
    """

    def __init__(self, name: str) -> None:
        self.valid = Signal(name=f"{name}_valid")
        self.row = Signal(RowDescriptor, name=name, reset_less=True)
        self.fits = Signal(name=f"{name}_fits")
        self.left = Signal(COUNT_BITS, name=f"{name}_left")
        self.one = Signal(name=f"{name}_one")
        self.none = Signal(init=1, name=f"{name}_none")

    def less(self, mark: Value) -> tuple[Value, Value, Value]:
        """``left``, ``one`` and ``none`` after a mark that may count; the mark is known late."""
        return (
            Mux(mark, self.left - 1, self.left),
            Mux(mark, self.left == 2, self.one),
            Mux(mark, self.one, self.none),
        )


class ItemChooser(wiring.Component):
    """Choose items by the rules of docs/architecture.md (*Choice*).

    An item is chosen in C and valid on ``chosen`` from C + 1 on; one a cycle. Its mark counts in C + 1.

    Args:
        arch: widths.

    Ports:
        heads: two In(stream of QueuedItem), of each lane.
        rows: In(stream of RowDescriptor), one for each input row. That of a row must be there two cycles
            before its first item; as many are taken as the pass has rows.
        start: In(1), before the first item of a pass.
        pass_rows, segments: In, input rows of the pass, and segments of each; constant from ``start`` on.
        row_limit: In, owned rows below this number have a place in the ring; counts a cycle later.
        chosen: Out(stream of ChosenItem).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "heads": In(stream.Signature(QueuedItem(arch))).array(LANES),
                "rows": In(stream.Signature(RowDescriptor)),
                "start": In(1),
                "pass_rows": In(COUNT_BITS),
                "segments": In(COUNT_BITS),
                "row_limit": In(COUNT_BITS + 1),
                "chosen": Out(stream.Signature(ChosenItem(arch))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        older, younger = OpenRow("older"), OpenRow("younger")
        number = Signal(ROW_BITS)  # of the older row
        # Of the item that was chosen in the cycle before: a mark, and whether its row is the older one now.
        mark, of_older = Signal(), Signal()
        in_older = self._choose(m, older, younger, number, mark)
        done, moves = self._count(m, older, younger, mark, of_older)
        m.d.sync += of_older.eq(in_older | moves)
        with m.If(self.start):
            m.d.sync += number.eq(0)
        with m.Else():
            m.d.sync += number.eq(number + moves)

        # What is complete with an item is known a cycle after its choice, and kept while it waits.
        fresh, kept = Signal(), Signal(DONE_BITS)
        with m.If(fresh):
            m.d.sync += kept.eq(done)
        m.d.sync += fresh.eq(~self.chosen.valid | self.chosen.ready)
        m.d.comb += self.chosen.payload.done.eq(Mux(fresh, done, kept))
        return m

    def _choose(self, m: Module, older: OpenRow, younger: OpenRow, number: Value, mark: Value) -> Value:
        """The head of each lane, and which of them goes.

        Returns:
            Whether the one that goes is of the older row.
        """
        heads, chosen = self.heads, self.chosen
        last = Signal(init=1)  # the lane that was chosen last
        next_number = Signal(ROW_BITS)
        in_older, can = (
            [Signal(name=f"{name}{lane}") for lane in range(LANES)] for name in ("in_older", "can")
        )
        m.d.comb += next_number.eq(number + 1)
        for lane, head in enumerate(heads):
            in_younger = head.payload.row == next_number
            m.d.comb += [
                in_older[lane].eq(head.payload.row == number),
                can[lane].eq(head.valid & Mux(in_older[lane], older.fits, younger.fits & in_younger)),
            ]
        second = Mux(in_older[0] == in_older[1], ~last, in_older[1])
        lane, picks = Signal(), Signal()
        m.d.comb += [
            lane.eq(~can[0] | (can[1] & second)),
            picks.eq((can[0] | can[1]) & (~chosen.valid | chosen.ready)),
            *(head.ready.eq(picks & (lane == number)) for number, head in enumerate(heads)),
        ]
        item = QueuedItem(self._arch)(Mux(lane, heads[1].payload, heads[0].payload))
        of_older = Mux(lane, in_older[1], in_older[0])
        row = RowDescriptor(Mux(of_older, older.row, younger.row))
        m.d.sync += [
            chosen.valid.eq(picks | (chosen.valid & ~chosen.ready)),
            mark.eq(picks & item.mark),
        ]
        with m.If(picks):
            same = ("value", "columns", "column", "weight", "pixel")
            m.d.sync += [
                last.eq(lane),
                *(chosen.payload[name].eq(item[name]) for name in same),
                chosen.payload.taps.eq(row.taps),
                chosen.payload.sub_banks.eq(row.sub_banks),
            ]
        with m.If(self.start):
            m.d.sync += last.eq(1)
        return of_older

    def _count(
        self, m: Module, older: OpenRow, younger: OpenRow, mark: Value, of_older: Value
    ) -> tuple[Value, Value]:
        """Marks of the open rows; the older one goes when all of its are counted, and a descriptor comes in.

        Returns:
            Owned rows that are complete with the mark, and whether the older row goes.
        """
        rows_left = Signal(COUNT_BITS)
        done = Signal(DONE_BITS)
        older_ends, younger_ends, moves, shifts, loads = (Signal() for _ in range(5))
        m.d.comb += [
            older_ends.eq(mark & of_older & older.one),
            younger_ends.eq(
                Mux(of_older, older_ends & younger.valid & younger.none, mark & older.none & younger.one)
            ),
            done.eq(Mux(older_ends, older.row.done, 0) + Mux(younger_ends, younger.row.done, 0)),
            moves.eq(older.valid & (older_ends | older.none)),
            shifts.eq(moves | ~older.valid),
            self.rows.ready.eq((rows_left != 0) & (shifts | ~younger.valid)),
            loads.eq(self.rows.ready & self.rows.valid),
        ]
        of_younger = younger.less(mark & ~of_older)
        of_row = (self.segments, self.segments == 1, self.segments == 0)
        for mine, older_after, younger_after, fresh in zip(
            ("left", "one", "none"), older.less(mark & of_older), of_younger, of_row, strict=True
        ):
            m.d.sync += [
                getattr(older, mine).eq(Mux(shifts, younger_after, older_after)),
                getattr(younger, mine).eq(Mux(loads, fresh, younger_after)),
            ]
        older_fits, younger_fits, next_fits = (
            row.newest < self.row_limit for row in (older.row, younger.row, self.rows.payload)
        )
        m.d.sync += [
            older.fits.eq(Mux(shifts, younger.valid & younger_fits, older_fits)),
            younger.fits.eq(Mux(loads, next_fits, ~shifts & younger.valid & younger_fits)),
            younger.valid.eq(loads | (younger.valid & ~shifts)),
            rows_left.eq(Mux(self.start, self.pass_rows, Mux(loads, rows_left - 1, rows_left))),
        ]
        with m.If(shifts):
            m.d.sync += [older.valid.eq(younger.valid), older.row.eq(younger.row)]
        with m.If(loads):
            m.d.sync += younger.row.eq(self.rows.payload)
        return done, moves
