"""Taps to addresses: of the weight word, and of the accumulator in every bank."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim.machine.descriptors import DEPTHWISE_KERNEL
from hwsim_rtl.core.payloads import (
    OFFSET_BITS,
    SUB_BANK_BITS,
    BankAccess,
    CoreConfig,
    Tap,
    bank_address_bits,
    weight_address_bits,
)

OWN_BITS = (DEPTHWISE_KERNEL - 1).bit_length()
OWN_TAP = data.StructLayout({"column": OWN_BITS, "row": OWN_BITS})  # of a depthwise bank
# Where the accumulator in a bank lies, if ``met``: ``offset`` to the left of the item's column, which is in
# ``sub_bank``.
PLACE = data.StructLayout({"met": 1, "sub_bank": SUB_BANK_BITS, "offset": OFFSET_BITS})


class TapAddresses(wiring.Component):
    """Find the weight word and the accumulators of a tap.

    Latency 1 cycle to ``weight``, LATENCY - 1 to ``value``, LATENCY to ``accesses``; one tap a cycle. A
    convolution's banks all take the tap's own row and column, and share one address; a depthwise bank l takes
    those of tap step * M + l, from a table.

    Args:
        arch: widths and number of banks.

    Ports:
        taps: In(stream of Tap, always ready).
        config: In(CoreConfig).
        weight: Out, weight word, counted through the pass; reads: Out(1), there is a tap.
        value: Out, the activation code, a cycle before ``accesses``.
        accesses: Out(BankAccess), one a bank; a bank that has no channel or no valid tap is not valid.
    """

    LATENCY = 4  # so that a product meets its sum: the weight memory takes as long

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "taps": In(stream.Signature(Tap(arch), always_ready=True)),
                "config": In(CoreConfig(arch)),
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

        # Second cycle: the taps of the banks; the column in the row.
        m.submodules.own_taps = own_taps = _own_taps(arch.columns)
        own = own_taps.read_port()
        m.d.comb += own.addr.eq(Cat(config.kernel_width[:OWN_BITS], tap.step))
        valid, placed = Signal(), Signal(Tap(arch))
        base = Signal(bank_address_bits(arch), reset_less=True)
        m.d.sync += [
            valid.eq(has_tap),
            placed.eq(tap),
            base.eq(Mux(depthwise, tap.pixel, 0) + tap.column),
        ]

        # Third cycle: the sub-bank; a row may have several.
        low_bits = len(base) - SUB_BANK_BITS
        offsets = [kernel_column.offset for kernel_column in config.kernel_columns]

        def place(kernel_row: Value, kernel_column: Value, met: Value) -> Value:
            sub_bank = (_chosen(placed.sub_banks, kernel_row) + base[low_bits:])[:SUB_BANK_BITS]
            return Cat(met, sub_bank, _chosen(offsets, kernel_column))

        shared = Signal(PLACE, reset_less=True)
        # They stand still in a convolution: what a reset cut off would be met in the next depthwise pass.
        banks = [Signal(PLACE, name=f"bank{bank}") for bank in range(arch.columns)]
        base_low = Signal(low_bits, reset_less=True)
        has_channel = Signal(arch.columns)  # of a convolution
        m.d.sync += [
            shared.as_value().eq(place(placed.kernel_row, placed.kernel_column, valid)),
            base_low.eq(base),
            self.value.eq(placed.value),
            has_channel.eq((1 << config.channels) - 1),
        ]
        for bank, target in enumerate(banks):
            with m.If(depthwise):
                row, column = own.data[bank].row, own.data[bank].column
                met = _chosen(placed.rows, row) & _chosen(placed.columns, column)
                m.d.sync += target.as_value().eq(place(row, column, valid & met))

        # Fourth cycle: the addresses.
        def address(place: Value) -> Value:
            return Cat(base_low, place.sub_bank) - place.offset

        shared_address = Signal.like(base)
        m.d.comb += shared_address.eq(address(shared))
        for bank, access in enumerate(self.accesses):
            own_access = Cat(banks[bank].met, address(banks[bank]))
            shared_access = Cat(shared.met & has_channel[bank], shared_address)
            m.d.sync += access.eq(Mux(depthwise, own_access, shared_access))
        return m


def _times(row: Value, width: Value, column: Value) -> Value:
    """``row * width + column``, of 4 and 5 bits: too small for a multiplier block, which yosys would take."""
    return sum((Mux(bit, width << i, 0) for i, bit in enumerate(row)), start=column)


def _chosen(values: Iterable[Value], number: Value) -> Value:
    """The value of that number; there are as many as it can name, or more."""
    left = list(values)[: 1 << len(number)]
    for bit in number:
        left = [Mux(bit, odd, even) for even, odd in zip(left[::2], left[1::2], strict=True)]
    return left[0]


def _own_taps(columns: int) -> Memory:
    """The taps of all depthwise banks, bank l's number step * M + l, by kernel width and, above it, step.

    A kernel of DEPTHWISE_KERNEL columns has width 0. What lies below the last row that a kernel may have is
    given the last column, which such a kernel has not.
    """
    steps = -(-(DEPTHWISE_KERNEL**2) // columns)
    nowhere = {"row": 0, "column": DEPTHWISE_KERNEL - 1}
    table = []
    for step in range(1 << (steps - 1).bit_length()):
        for width in (DEPTHWISE_KERNEL, *range(1, DEPTHWISE_KERNEL)):
            taps = (divmod(step * columns + bank, width) for bank in range(columns))
            table.append([{"row": r, "column": c} if r < DEPTHWISE_KERNEL else nowhere for r, c in taps])
    return Memory(shape=data.ArrayLayout(OWN_TAP, columns), depth=len(table), init=table)
