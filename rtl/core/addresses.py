"""Taps to addresses: of the weight word, and of every lane's accumulator."""

from __future__ import annotations

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import SUB_BANKS, Arch
from rtl.core.payloads import (
    KERNEL_BITS,
    MAX_KERNEL,
    BankAccess,
    PassConfig,
    Tap,
    bank_address_bits,
    sub_bank_depth,
    weight_address_bits,
)


class TapAddresses(wiring.Component):
    """Find the weight word and the accumulators of a tap.

    Latency 1 cycle to ``weight``, 2 to ``value`` and ``accesses``; one tap a cycle. A convolution's lanes
    all take the tap's own row and column; a depthwise lane l those of tap step * M + l.

    Args:
        arch: widths and number of lanes.

    Ports:
        taps: In(stream of Tap, always ready).
        config: In(PassConfig).
        weight: Out, weight word, counted through the pass; reads: Out(1), there is a tap.
        value: Out, the activation code, a cycle after ``weight``: beside the word that the memory reads.
        accesses: Out(array of BankAccess), one a lane; a lane that has no channel or no valid tap is not
            valid.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "taps": In(stream.Signature(Tap(arch), always_ready=True)),
                "config": In(PassConfig(arch)),
                "weight": Out(weight_address_bits(arch)),
                "reads": Out(1),
                "value": Out(arch.activation_bits),
                "accesses": Out(data.ArrayLayout(BankAccess(arch), arch.columns)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, config, tap = self._arch, self.config, self.taps.payload
        kernel_word = Mux(
            config.depthwise, tap.step, tap.kernel_row * config.kernel_width + tap.kernel_column
        )
        value = Signal.like(tap.value)
        m.d.sync += [
            self.weight.eq(tap.weight + kernel_word),
            self.reads.eq(self.taps.valid),
            value.eq(tap.value),
            self.value.eq(value),
        ]

        # First sub-bank of the ring row that each kernel row leads to: one slot back a row.
        sub_banks = Array(Signal(range(SUB_BANKS), name=f"sub_bank{row}") for row in range(MAX_KERNEL))
        for row, sub_bank in enumerate(sub_banks):
            back = sum((tap.rows[i] for i in range(row)), start=Const(0, 3))
            slot = Signal(range(SUB_BANKS), name=f"slot{row}")
            m.d.comb += slot.eq(Mux(tap.slot < back, tap.slot + config.ring, tap.slot) - back)
            m.d.comb += sub_bank.eq(slot * config.row_sub_banks)

        pixel = Signal.like(tap.pixel)
        m.d.sync += pixel.eq(Mux(config.depthwise, tap.pixel, 0))
        for lane in range(arch.columns):
            kernel_row = Signal.like(tap.kernel_row, name=f"kernel_row{lane}")
            kernel_column = Signal.like(tap.kernel_column, name=f"kernel_column{lane}")
            met = Signal(name=f"met{lane}")
            own = _own_tap(lane, arch.columns, config.kernel_width, tap.step)
            with m.If(config.depthwise):
                m.d.comb += [
                    Cat(kernel_column, kernel_row).eq(own),
                    met.eq(tap.rows.bit_select(kernel_row, 1) & tap.columns.bit_select(kernel_column, 1)),
                ]
            with m.Else():
                m.d.comb += [
                    kernel_row.eq(tap.kernel_row),
                    kernel_column.eq(tap.kernel_column),
                    met.eq(lane < config.channels),
                ]
            valid = Signal(name=f"valid{lane}")
            sub_bank = Signal(range(SUB_BANKS), name=f"lane_sub_bank{lane}")
            x = Signal(bank_address_bits(arch), name=f"x{lane}")
            strided = Signal.like(tap.x, name=f"strided{lane}")
            m.d.comb += strided.eq(tap.x - kernel_column)
            m.d.sync += [
                valid.eq(self.taps.valid & met),
                sub_bank.eq(sub_banks[kernel_row]),
                x.eq(Mux(config.stride_two, strided >> 1, strided)),
            ]
            m.d.sync += [
                self.accesses[lane].valid.eq(valid),
                self.accesses[lane].address.eq(sub_bank * sub_bank_depth(arch) + pixel + x),
            ]
        return m


def _own_tap(lane: int, columns: int, kernel_width: Signal, step: Signal) -> Value:
    """The tap of a depthwise lane, column below row: number step * M + lane, from a table.

    What lies below the largest kernel is given row 7, which no mask has.
    """
    step_bits = (-(-(MAX_KERNEL**2) // columns) - 1).bit_length()
    table = 0
    for index in range(1 << (step_bits + KERNEL_BITS)):
        number = (index >> KERNEL_BITS) * columns + lane
        row, column = divmod(number, max(index % (1 << KERNEL_BITS), 1))
        table |= (min(row, MAX_KERNEL) << KERNEL_BITS | column) << (2 * KERNEL_BITS * index)
    bits = Const(table, 2 * KERNEL_BITS << (step_bits + KERNEL_BITS))
    return bits.word_select(Cat(kernel_width, step[:step_bits]), 2 * KERNEL_BITS)
