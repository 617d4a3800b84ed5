"""Chosen items to taps."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import MAX_KERNEL
from hwsim_rtl.core.payloads import DONE_BITS, ChosenItem, CoreConfig, Tap


class Scatter(wiring.Component):
    """Issue one tap a cycle: of an item, the kernel rows that lead to an owned row times its kernel columns.

    Items bring what their row reaches, and nothing holds them up any more: one is taken, in S of
    docs/architecture.md, when the item before is through. One without a valid tap takes one cycle and issues
    nothing; items run back to back.

    Args:
        arch: widths.

    Ports:
        items: In(stream of ChosenItem).
        config: In(CoreConfig).
        taps: Out(stream of Tap, always ready), one cycle after the tap's own.
        rows_done: Out, owned rows that are complete with the tap of this cycle; combinational.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "items": In(stream.Signature(ChosenItem(arch))),
                "config": In(CoreConfig(arch)),
                "taps": Out(stream.Signature(Tap(arch), always_ready=True)),
                "rows_done": Out(DONE_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, offered, tap = self.config, self.items.payload, self.taps.payload
        busy = Signal()  # with an item that was taken before
        held = Signal(ChosenItem(self._arch), reset_less=True)
        left_rows = Signal(MAX_KERNEL, reset_less=True)  # taps of it that are still to be issued
        left_columns = Signal(MAX_KERNEL, reset_less=True)
        held_step = Signal.like(tap.step, reset_less=True)
        at_last_step = Signal(reset_less=True)
        one_step = Signal()  # constant in a pass
        m.d.sync += one_step.eq(config.channel_words == 1)

        active, useful, last = Signal(), Signal(), Signal()
        item = ChosenItem(self._arch)(Mux(busy, held, offered))
        rows, columns = Signal(MAX_KERNEL), Signal(MAX_KERNEL)
        step = Signal.like(tap.step)
        later_rows, later_columns = Signal(MAX_KERNEL), Signal(MAX_KERNEL)
        # Whether there are later ones is found from both masks at once, before it is known which one counts.
        last_row = Mux(busy, _at_most_one(left_rows), _at_most_one(offered.taps))
        last_column = Mux(busy, _at_most_one(left_columns), _at_most_one(offered.columns))
        m.d.comb += [
            self.items.ready.eq(~busy),
            active.eq(busy | self.items.valid),
            rows.eq(Mux(busy, left_rows, offered.taps)),
            columns.eq(Mux(busy, left_columns, offered.columns)),
            step.eq(Mux(busy, held_step, 0)),
            useful.eq(busy | (offered.columns.any() & offered.taps.any())),
            # The lowest tap goes first; then the columns after it; then the next row.
            later_rows.eq(_without_lowest(rows)),
            later_columns.eq(_without_lowest(columns)),
            last.eq(
                ~useful
                | Mux(
                    config.depthwise,
                    Mux(busy, at_last_step, one_step),
                    last_row & last_column,
                )
            ),
            self.rows_done.eq(Mux(active & last, item.done, 0)),
        ]
        with m.If(active):
            m.d.sync += [
                busy.eq(~last),
                held.eq(item),
                held_step.eq(step + 1),
                at_last_step.eq(step + 2 == config.channel_words),
                left_columns.eq(Mux(last_column, item.columns, later_columns)),
                left_rows.eq(Mux(last_column, later_rows, rows)),
            ]

        same = ("value", "columns", "sub_banks", "column", "weight", "pixel")
        m.d.sync += [
            self.taps.valid.eq(active & useful),
            tap.kernel_row.eq(_number_of_lowest(rows)),
            tap.kernel_column.eq(_number_of_lowest(columns)),
            tap.step.eq(step),
            tap.rows.eq(item.taps),
            *(tap[name].eq(item[name]) for name in same),
        ]
        return m


def _at_most_one(mask: Value) -> Value:
    """Whether a mask has no two ones, by halves: a carry through the mask would take longer."""

    def any_and_two(part: Value) -> tuple[Value, Value]:
        if len(part) == 1:
            return part, Const(0, 1)
        half = len(part) // 2
        (low, low_two), (high, high_two) = any_and_two(part[:half]), any_and_two(part[half:])
        return low | high, low_two | high_two | (low & high)

    return ~any_and_two(mask)[1]


def _without_lowest(mask: Value) -> Value:
    """The mask less its lowest 1."""
    return (mask & (mask - 1))[: len(mask)]


def _number_of_lowest(mask: Value) -> Value:
    """Number of the lowest 1 of a mask that is not 0."""
    lowest = mask & ~(mask - 1)[: len(mask)]
    bits = range((len(mask) - 1).bit_length())
    return Cat(Cat(lowest[i] for i in range(len(mask)) if i >> bit & 1).any() for bit in bits)
