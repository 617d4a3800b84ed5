"""Taps to addresses: of the weight word, and of every lane's accumulator."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import MAX_KERNEL
from hwsim_rtl.core.payloads import (
    KERNEL_BITS,
    SUB_BANK_BITS,
    BankAccess,
    PassConfig,
    Tap,
    bank_address_bits,
    weight_address_bits,
)

KERNEL_TAP = data.StructLayout({"column": KERNEL_BITS, "row": KERNEL_BITS})
# Where a lane's accumulator lies, if ``met``: ``step`` columns to the left of x, which is in ``sub_bank``.
PLACE = data.StructLayout({"met": 1, "sub_bank": SUB_BANK_BITS, "step": KERNEL_BITS})


class TapAddresses(wiring.Component):
    """Find the weight word and the accumulators of a tap.

    Latency 1 cycle to ``weight``, LATENCY to ``value`` and ``accesses``; one tap a cycle. A convolution's
    lanes all take the tap's own row and column, and share one address; a depthwise lane l takes those of tap
    step * M + l, from a table.

    Args:
        arch: widths and number of lanes.

    Ports:
        taps: In(stream of Tap, always ready).
        config: In(PassConfig).
        weight: Out, weight word, counted through the pass; reads: Out(1), there is a tap.
        value: Out, the activation code, beside ``accesses``.
        accesses: Out(BankAccess), one a lane; a lane that has no channel or no valid tap is not valid.
    """

    LATENCY = 4  # so that a product meets its sum: the weight memory takes as long

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "taps": In(stream.Signature(Tap(arch), always_ready=True)),
                "config": In(PassConfig(arch)),
                "weight": Out(weight_address_bits(arch)),
                "reads": Out(1),
                "value": Out(arch.activation_bits),
                "accesses": Out(BankAccess(arch)).array(arch.columns),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, config = self._arch, self.config
        depthwise = config.depthwise

        # First cycle: the weight word.
        kernel_row, kernel_column = self.taps.payload.kernel_row, self.taps.payload.kernel_column
        kernel_word = _times(kernel_row, config.kernel_width, kernel_column)
        has_tap, tap = Signal(), Signal(Tap(arch))
        m.d.sync += [
            self.weight.eq(self.taps.payload.weight + Mux(depthwise, self.taps.payload.step, kernel_word)),
            self.reads.eq(self.taps.valid),
            has_tap.eq(self.taps.valid),
            tap.eq(self.taps.payload),
        ]

        # Second cycle: the taps of the lanes; x in columns of the output.
        m.submodules.own_taps = own_taps = _own_taps(arch.columns)
        own = own_taps.read_port()
        m.d.comb += own.addr.eq(Cat(config.kernel_width, tap.step))
        valid, placed = Signal(), Signal(Tap(arch))
        base = Signal(bank_address_bits(arch), reset_less=True)
        m.d.sync += [
            valid.eq(has_tap),
            placed.eq(tap),
            base.eq(Mux(depthwise, tap.pixel, 0) + (tap.x >> config.stride_two)),
        ]

        # Third cycle: the sub-bank; a row may have several. x and the tap's column are both odd or both even
        # at stride 2.
        low_bits = len(base) - SUB_BANK_BITS

        def place(kernel_row: Value, kernel_column: Value, met: Value) -> Value:
            begin = placed.sub_banks.as_value().bit_select(kernel_row + (kernel_row << 1), SUB_BANK_BITS)
            sub_bank = (begin + base[low_bits:])[:SUB_BANK_BITS]
            return Cat(met, sub_bank, (kernel_column >> config.stride_two)[:KERNEL_BITS])

        shared = Signal(PLACE, reset_less=True)
        lanes = [Signal(PLACE, name=f"lane{lane}", reset_less=True) for lane in range(arch.columns)]
        base_low = Signal(low_bits, reset_less=True)
        value = Signal.like(self.value, reset_less=True)
        has_channel = Signal(arch.columns)  # of a convolution
        m.d.sync += [
            shared.as_value().eq(place(placed.kernel_row, placed.kernel_column, valid)),
            base_low.eq(base),
            value.eq(placed.value),
            has_channel.eq((1 << config.channels) - 1),
        ]
        for lane, target in enumerate(lanes):
            with m.If(depthwise):
                row, column = own.data[lane].row, own.data[lane].column
                met = placed.rows.bit_select(row, 1) & placed.columns.bit_select(column, 1)
                m.d.sync += target.as_value().eq(place(row, column, valid & met))

        # Fourth cycle: the addresses.
        def address(place: Value) -> Value:
            return Cat(base_low, place.sub_bank) - place.step

        shared_address = Signal.like(base)
        m.d.comb += shared_address.eq(address(shared))
        m.d.sync += self.value.eq(value)
        for lane, access in enumerate(self.accesses):
            own_access = Cat(lanes[lane].met, address(lanes[lane]))
            shared_access = Cat(shared.met & has_channel[lane], shared_address)
            m.d.sync += access.eq(Mux(depthwise, own_access, shared_access))
        return m


def _times(row: Value, width: Value, column: Value) -> Value:
    """``row * width + column``, of 3 bits each: too small for a multiplier block, which yosys would take."""
    return sum((Mux(bit, width << i, 0) for i, bit in enumerate(row)), start=column)


def _own_taps(columns: int) -> Memory:
    """The taps of all depthwise lanes, lane l's number step * M + l, by kernel width and, above it, step.

    What lies below the largest kernel is given row 7, which no mask has.
    """
    steps = -(-(MAX_KERNEL**2) // columns)
    table = []
    for step in range(1 << (steps - 1).bit_length()):
        for width in range(1 << KERNEL_BITS):
            taps = (divmod(step * columns + lane, max(width, 1)) for lane in range(columns))
            table.append([{"row": min(row, MAX_KERNEL), "column": column} for row, column in taps])
    return Memory(shape=data.ArrayLayout(KERNEL_TAP, columns), depth=len(table), init=table)
