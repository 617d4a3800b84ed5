"""A layer's descriptor and a pass to the configuration of a core."""

from __future__ import annotations

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwsim.arch import WEIGHT_PORT_WORDS, Arch
from hwsim.machine.descriptors import COUNT_BITS, MAX_KERNEL, MAX_STRIDE, SCALED_BITS, TRANSPOSED_SHIFT
from hwsim_rtl.core.payloads import (
    CHANNEL_WORDS_BITS,
    RECIPROCAL_BITS,
    ColumnConfig,
    KernelColumn,
    PassConfig,
)
from hwsim_rtl.core.requantize import code_ends
from hwsim_rtl.system.payloads import Clamps, GroupCounts, LayerDescriptor, PassEntry

BEAT_SHIFT = 2  # words of a beat, as a power of two
SHIFT_BITS = ColumnConfig.as_shape()["shift"].width


class LayerColumns(wiring.Component):
    """What a core must know of columns and kernels that no descriptor says, made when a layer begins.

    Kernel columns come one after the other: each lies a dilation further than the one before, in which are so
    many strides, and what is left is the remainder. Of a transposed layer they come nearer, a column each.

    It takes a cycle for each kernel column, and one for each stride between the first and the last.

    Ports:
        start: In(1), only while not ``busy``. busy: Out(1); all outputs are there when it is over.
        layer: In(LayerDescriptor), constant from ``start`` on.
        kernel_columns: Out(KernelColumn) of each.
        factor, shift, channel, begin: Out, see :class:`hwsim_rtl.core.payloads.ColumnConfig`.
        channel_words, reciprocal_shift: Out, see :class:`hwsim_rtl.core.payloads.CoreConfig`.

    Args:
        arch: the machine.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "layer": In(LayerDescriptor()),
                "kernel_columns": Out(KernelColumn).array(MAX_KERNEL),
                "factor": Out(RECIPROCAL_BITS),
                "shift": Out(SHIFT_BITS),
                "channel": Out(SCALED_BITS),
                "begin": Out(SCALED_BITS),
                "channel_words": Out(CHANNEL_WORDS_BITS),
                "reciprocal_shift": Out(range(COUNT_BITS + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer, stride, transposed = self.layer, self.layer.horizontal_stride, self.layer.transposed
        # Of a stride s: ceil(2^(16 + n) / s), where 2^n is s or the next power of two.
        shifts = [max(0, s - 1).bit_length() for s in range(MAX_STRIDE + 1)]
        reciprocals = [-(-(1 << COUNT_BITS + n) // max(s, 1)) for s, n in enumerate(shifts)]
        reciprocal = Array(Const(value, RECIPROCAL_BITS) for value in reciprocals)[stride]
        shift = Array(Const(COUNT_BITS - TRANSPOSED_SHIFT + n, SHIFT_BITS) for n in shifts)[stride]
        reach = layer.kernel_columns - 1  # of a transposed layer, which is not dilated
        made = Array(self.kernel_columns)

        taps = Signal(CHANNEL_WORDS_BITS)
        m.d.comb += taps.eq(layer.kernel_rows * layer.kernel_columns)
        m.d.sync += [
            self.channel_words.eq(Mux(layer.depthwise, _ceil_div(taps, self._arch.columns), taps)),
            self.reciprocal_shift.eq(_bit_length((layer.width - 1)[:COUNT_BITS])),
        ]

        column = Signal(range(MAX_KERNEL + 1))
        distance, offset = Signal(range(1 << 12)), Signal.like(layer.padding_left)
        with m.If(self.start):
            m.d.sync += [
                self.busy.eq(1),
                column.eq(0),
                distance.eq(0),
                offset.eq(Mux(transposed, reach, 0)),
                self.factor.eq(Mux(transposed, stride << TRANSPOSED_SHIFT, reciprocal)),
                self.shift.eq(Mux(transposed, 0, shift)),
                *(each.eq(0) for each in self.kernel_columns),
            ]
        with m.Elif(self.busy):
            left_of_map = (reach - layer.padding_left) << TRANSPOSED_SHIFT
            m.d.sync += [
                self.channel.eq(layer.width * self.factor),
                self.begin.eq(Mux(transposed, left_of_map, layer.padding_left * self.factor)),
            ]
            with m.If(~transposed & (distance >= stride)):
                m.d.sync += [distance.eq(distance - stride), offset.eq(offset + 1)]
            with m.Else():
                m.d.sync += [
                    made[column].remainder.eq(distance),
                    made[column].offset.eq(offset),
                    column.eq(column + 1),
                    self.busy.eq(column + 1 != layer.kernel_columns),
                ]
                with m.If(transposed):
                    m.d.sync += offset.eq(offset - 1)
                with m.Else():
                    m.d.sync += distance.eq(distance + layer.horizontal_dilation)
        return m


def _ceil_div(value: Value, divisor: int) -> Value:
    """The value divided by a power of two, rounded up."""
    return (value + divisor - 1) >> divisor.bit_length() - 1


def _bit_length(value: Value) -> Value:
    """Bits of a value from its first one on."""
    length: Value = Const(0)
    for bit in range(len(value)):
        length = Mux(value[bit], bit + 1, length)
    return length


def leaves_raw(layer: data.View[LayerDescriptor]) -> Value:
    """Whether the cores write a layer's map raw: it is the result, or another map is made of it."""
    return layer.last | layer.flatten | layer.pool_rows.any() | layer.pool_word


def configure(
    m: Module,
    arch: Arch,
    layer: data.View[LayerDescriptor],
    clamps: data.View[Clamps],
    entry: data.View[PassEntry],
    counts: data.View[GroupCounts],
    columns: LayerColumns,
    out: data.View[PassConfig],
) -> None:
    """Wire the configuration of a pass, in the same cycle: all that is to be done is a choice by ``odd``, and
    the ends of a code.

    Args:
        m: the module that gets the wires.
        arch: the machine.
        layer: constant while the layer runs.
        clamps: of the layer, if it has some of its own.
        entry: the pass.
        counts: of its row group.
        columns: of the layer.
        out: the configuration.
    """
    core = out.core
    decoder, encoder, requantize, column = core.decoder, core.encoder, core.requantize, core.column

    def of_pass(name: str) -> Signal:
        return Mux(entry.odd, layer[f"odd_{name}"], layer[name])

    low, high = code_ends(layer.out_bits, layer.signed_output, layer.relu)
    m.d.comb += [
        out.place_words.eq(layer.place_beats << BEAT_SHIFT),
        out.index_line.eq(layer.index_line),
        out.segment_pixels.eq(layer.segment_pixels),
        decoder.order.eq(layer.in_order),
        decoder.skip_zeros.eq(layer.skip_zeros),
        decoder.raw_bits.eq(layer.in_bits),
        decoder.rows.eq(counts.read),
        decoder.segments.eq(of_pass("segments")),
        decoder.full_values.eq(layer.full_values),
        decoder.tail_values.eq(of_pass("tail_values")),
        encoder.order.eq(layer.out_order),
        encoder.compressed.eq(~leaves_raw(layer)),
        encoder.raw_bits.eq(Mux(leaves_raw(layer), arch.activation_bits, layer.out_bits)),
        requantize.shift.eq(layer["shift"]),
        requantize.low.eq(Mux(layer.clamped, clamps.low, low)),
        requantize.high.eq(Mux(layer.clamped, clamps.high, high)),
        requantize.signed.eq(layer.signed_output),
        core.depthwise.eq(layer.depthwise),
        core.signed_input.eq(layer.signed_input),
        core.width.eq(layer.width),
        core.reciprocal.eq(layer.reciprocal),
        core.reciprocal_shift.eq(columns.reciprocal_shift),
        column.factor.eq(columns.factor),
        column["shift"].eq(columns.shift),
        column.channel.eq(columns.channel),
        column.begin.eq(columns.begin),
        column.padding.eq(layer.padding_left),
        column.stride.eq(Mux(layer.transposed, 0, layer.horizontal_stride)),
        core.kernel_width.eq(layer.kernel_columns),
        core.kernel_columns.as_value().eq(Cat(each.as_value() for each in columns.kernel_columns)),
        core.channel_words.eq(columns.channel_words),
        core.segment_words.eq(layer.segment_words),
        core.pass_loads.eq(_ceil_div(of_pass("pass_words"), WEIGHT_PORT_WORDS)),
        core.out_width.eq(layer.out_width),
        core.ring.eq(layer.ring),
        core.row_sub_banks.eq(layer.row_sub_banks),
        core.owned.eq(counts.owned),
        core.channels.eq(entry.channels),
        core.out_block.eq(layer.out_block),
    ]
