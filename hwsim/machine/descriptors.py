"""A pass as a core is told of it: configuration, row descriptors and weights, checked against the machine.

What a compiler of programs needs of the hardware stands here; the RTL takes its limits from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hwsim.arch import SUB_BANKS, WEIGHT_PORT_WORDS, WORD_BYTES, Arch
from hwsim.codec.checks import MAX_ORDER
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.rows import Rows, input_rows, row_order
from hwsim.quantize import SHIFT_MAX, drain_bounds

MIN_ACTIVATION_BITS = 4  # of a machine in RTL
COUNT_BITS = 16  # values, non-zeros or words of a segment, and segments of a row
PLACE_BITS = 20  # of the number of a word in the half of the map buffer that is read
PROGRAM_WORDS = 2048  # of a layer's program behind its descriptor, in the sequencer
MAX_KERNEL = 16
DEPTHWISE_KERNEL = 8  # each column chooses among so many rows and columns
MAX_STRIDE = 16
MAX_OFFSET = 127  # columns of the output between those that a value meets; of a transposed kernel 15
MAX_WIDTH = (1 << COUNT_BITS) - 1  # with the padding on the left; of a transposed convolution, of the output
# x + padding is divided by the stride with a reciprocal of 17 bits; that of a transposed convolution is
# multiplied by it, with so many bits behind the point.
TRANSPOSED_SHIFT = 12
SCALED_BITS = 34  # of a position times such a reciprocal, with a sign
# Fields of Arch that a core's netlist depends on.
CORE_FIELDS = (
    "columns",
    "activation_bits",
    "weight_bits",
    "run_max",
    "accumulators",
    "weight_words",
)
WINDOW_COLUMNS = 7  # of a row of a pool's window, that are read at once

SHORT_POOL_FIELDS = {
    "rows": 3,
    "columns": 3,
    "vertical_stride": 3,
    "horizontal_stride": 3,
    "top": 2,
    "left": 2,
}
"""Of a descriptor, the bits in which a small max pool has room."""

POOL_FIELDS = {
    "rows": 8,
    "columns": 8,
    "vertical_stride": 8,
    "horizontal_stride": 8,
    "top": 4,
    "left": 4,
    "average": 1,
    "relu": 1,
    "shift": 6,
    "multiplier": 16,
}
"""Of a word of a program, the bits of any pool, the lowest first; docs/image.md says what they mean."""


def sub_bank_depth(arch: Arch) -> int:
    """Words of a sub-bank: ``accumulators`` / 8, up to a power of two, which splits addresses; at least 2."""
    return max(2, 1 << (arch.accumulators // SUB_BANKS - 1).bit_length())


def segment_room(arch: Arch) -> int:
    """Values of the longest segment that a core makes: its ring has two rows at least."""
    return arch.columns * SUB_BANKS // 2 * sub_bank_depth(arch)


def weight_loads(words: int) -> int:
    """Loads of so many weight words; the last one is filled up."""
    return -(-words // WEIGHT_PORT_WORDS)


def check_arch(arch: Arch) -> None:
    """Refuse a machine that the RTL cannot be.

    Raises:
        ArchError: with the field and its range.
    """
    if arch.activation_bits < MIN_ACTIVATION_BITS:
        raise ArchError(
            f"activation_bits: the RTL takes {MIN_ACTIVATION_BITS} .. 16 (got {arch.activation_bits})"
        )
    reached = 2 * (WORD_BYTES << PLACE_BITS)  # a map that is read has half
    if arch.map_buffer > reached:
        raise ArchError(f"map_buffer: cores read of at most {reached} bytes (got {arch.map_buffer})")


def check_layer(layer: Layer, block: int) -> None:
    """Refuse a layer that no core can run, however large its memories.

    Args:
        layer: geometry.
        block: channels of a segment of its input map.

    Raises:
        ArchError: names the layer, what is out of range, and the range.
    """
    if layer.transposed and layer.dilation != (1, 1):
        raise ArchError(f"layer {layer.name}: a core runs no transposed convolution that is dilated, too")
    values = min(block, layer.in_shape[0]) * layer.in_shape[2]
    kernel = DEPTHWISE_KERNEL if layer.kind == "depthwise" else MAX_KERNEL
    ranges = {
        "rows of the kernel": (layer.kernel[0], kernel),
        "columns of the kernel": (layer.kernel[1], kernel),
        "vertical stride": (layer.stride[0], MAX_STRIDE),
        "horizontal stride": (layer.stride[1], MAX_STRIDE),
        "columns of the output from the first to the last tap": (
            layer.reach(1) // layer.stride[1],
            MAX_OFFSET,
        ),
        "width of the input map and its padding": (_positions(layer), MAX_WIDTH),
        "values of a segment": (values, (1 << COUNT_BITS) - 1),
    }
    for name, (number, most) in ranges.items():
        if number > most:
            raise ArchError(f"layer {layer.name}: {name}: a core takes at most {most}, this needs {number}")


def _positions(layer: Layer) -> int:
    """Columns that are counted from the left edge; of a transposed convolution, those of its output."""
    width, stride = layer.in_shape[2], layer.stride[1]
    return (width - 1) * stride + layer.reach(1) + 1 if layer.transposed else width + layer.padding[1]


@dataclass(frozen=True)
class Code:
    """How a map is coded: ``bits`` of a value, ``order`` of SEG, ``signed`` if by the H.264 mapping."""

    bits: int
    order: int
    signed: bool = False


@dataclass(frozen=True)
class PassGeometry:
    """One pass of one core.

    Attributes:
        layer: what it is a part of.
        channels: input channels that it reads, in whole segments.
        owned: output rows, in the order of draining.
        out_channels: that it drains, 1 .. M.
        block, out_block: channels of a segment of the input and of the output map.
        source, target: how those maps are coded.
        shift, relu, clamps: of the drain, as in ``hwsim.quantize.Requantize``.
        skip_zeros, compress: of the machine, see ``hwsim.arch.Arch``.
        result: no layer reads what it makes, which goes out raw, in values of ``activation_bits``.

    Raises:
        ArchError: by :meth:`config` and :meth:`row_descriptors`, when the pass does not fit the machine.
    """

    layer: Layer
    channels: int
    owned: Sequence[int] = field(repr=False)
    out_channels: int
    block: int
    out_block: int
    source: Code
    target: Code
    shift: int
    relu: bool
    skip_zeros: bool = True
    compress: bool = True
    result: bool = False
    clamps: tuple[int, int] | None = None

    @property
    def depthwise(self) -> bool:
        """Whether bank = tap."""
        return self.layer.kind == "depthwise"

    @property
    def width(self) -> int:
        """W of the input map."""
        return self.layer.in_shape[2]

    @property
    def out_width(self) -> int:
        """Wo."""
        return self.layer.out_shape[2]

    def check(self, arch: Arch) -> None:
        """Refuse a pass that the machine cannot do.

        Raises:
            ArchError: with the number and its range.
        """
        check_arch(arch)
        check_layer(self.layer, self.block)
        ranges = {
            "channels of a segment": (self.block, 1, arch.columns),
            "channels of a depthwise pass": (self.channels if self.depthwise else 1, 1, self.block),
            "output channels": (self.out_channels, 1, arch.columns),
            "channels of an output segment": (self.out_block, 1, arch.columns),
            "owned rows": (len(self.owned), 1, (1 << COUNT_BITS) - 1),
            "sub-banks of the ring": (self.ring * self._row_sub_banks(arch), 1, SUB_BANKS),
            "weight words": (self.channels * self._channel_words(arch), 1, arch.weight_words),
            "bits of the input map": (self.source.bits, 1, arch.activation_bits),
            "bits of the output map": (self.target.bits, 1 + self.target.signed, arch.activation_bits),
            "order of the input map": (self.source.order, 0, MAX_ORDER),
            "order of the output map": (self.target.order, 0, MAX_ORDER),
            "shift": (self.shift, 1, SHIFT_MAX),
        }
        for name, (number, low, high) in ranges.items():
            if not low <= number <= high:
                raise ArchError(f"{name}: the core takes {low} .. {high}, this pass needs {number}")

    @property
    def ring(self) -> int:
        """Rows of accumulators."""
        return row_order(self.layer).ring

    def core_config(self, arch: Arch) -> dict:
        """The fields of ``CoreConfig``."""
        self.check(arch)
        block = min(self.block, self.channels)
        segments = -(-self.channels // block)
        reciprocal, reciprocal_shift = _reciprocal(self.width)
        low, high = drain_bounds(self.target.bits, self.target.signed, self.relu, self.clamps)
        return {
            "decoder": {
                "order": self.source.order,
                "skip_zeros": int(self.skip_zeros),
                "raw_bits": self.source.bits,
                "rows": len(self._rows().y),
                "segments": segments,
                "full_values": block * self.width,
                "tail_values": (self.channels - (segments - 1) * block) * self.width,
            },
            "encoder": {
                "order": self.target.order,
                "compressed": int(self.compress and not self.result),
                "raw_bits": arch.activation_bits if self.result else self.target.bits,
            },
            "requantize": {
                "shift": self.shift,
                "low": low,
                "high": high,
                "signed": int(self.target.signed),
            },
            "depthwise": int(self.depthwise),
            "signed_input": int(self.source.signed),
            "width": self.width,
            "reciprocal": reciprocal,
            "reciprocal_shift": reciprocal_shift,
            "column": self._column(),
            "kernel_width": self.layer.kernel[1],
            "kernel_columns": self._kernel_columns(),
            "channel_words": self._channel_words(arch),
            "segment_words": block * self._channel_words(arch),
            "pass_loads": weight_loads(self.channels * self._channel_words(arch)),
            "out_width": self.out_width,
            "ring": self.ring,
            "row_sub_banks": self._row_sub_banks(arch),
            "owned": len(self.owned),
            "channels": self.out_channels,
            "out_block": self.out_block,
        }

    def config(self, arch: Arch, segment: int) -> dict:
        """The fields of ``PassConfig``, as the benches take them, but for where the map lies.

        Args:
            arch: the machine.
            segment: channels of a segment of the input map; a depthwise pass reads ``block`` in two.
        """
        core, whole = self.core_config(arch), min(segment, self.layer.in_shape[0])
        segments = -(-self.channels // whole)
        core["decoder"] |= {
            "segments": segments,
            "full_values": whole * self.width,
            "tail_values": (self.channels - (segments - 1) * whole) * self.width,
        }
        core["segment_words"] = whole * self._channel_words(arch)
        return {"core": core, "segment_pixels": whole * self.out_width if self.depthwise else 0}

    def _column(self) -> dict:
        """How x of a value becomes a column of the output: see ``hwsim_rtl.core.payloads.ColumnConfig``."""
        stride, padding = self.layer.stride[1], self.layer.padding[1]
        if self.layer.transposed:
            # The column of the last tap.
            factor, shift = stride << TRANSPOSED_SHIFT, TRANSPOSED_SHIFT
            begin = self.layer.reach(1) - padding << TRANSPOSED_SHIFT
        else:
            factor, shift = _reciprocal(stride)
            shift += COUNT_BITS
            begin = padding * factor
        return {
            "factor": factor,
            "shift": shift - TRANSPOSED_SHIFT,
            "channel": self.width * factor,
            "begin": begin % (1 << SCALED_BITS),
            "padding": padding % (2 * MAX_STRIDE),
            "stride": 0 if self.layer.transposed else stride,
        }

    def _kernel_columns(self) -> list[dict]:
        """Of each kernel column, which values it meets, and how far to the left of their column."""
        layer = self.layer
        taps = np.arange(layer.kernel[1]) * layer.dilation[1]
        if layer.transposed:
            met, offset = np.zeros_like(taps), layer.reach(1) - taps
        else:
            offset, met = np.divmod(taps, layer.stride[1])
        columns = [{"remainder": int(r), "offset": int(o)} for r, o in zip(met, offset, strict=True)]
        return columns + [{"remainder": 0, "offset": 0}] * (MAX_KERNEL - len(columns))

    def row_descriptors(self, arch: Arch) -> list[dict]:
        """The fields of ``RowDescriptor`` of every input row that the pass reads, in that order."""
        rows = self._rows()
        met = np.full((len(rows.y), MAX_KERNEL), -1)
        met[:, : self.layer.kernel[0]] = rows.meets
        taps = (met >= 0) @ (1 << np.arange(MAX_KERNEL))
        sub_banks = np.where(met >= 0, met % self.ring * self._row_sub_banks(arch), 0)
        return [
            {
                "taps": int(taps[i]),
                "sub_banks": sub_banks[i].tolist(),
                "newest": int(rows.newest[i]),
                "done": int(rows.done[i]),
            }
            for i in range(len(rows.y))
        ]

    def _rows(self) -> Rows:
        return input_rows(self.layer, self.owned)

    def _channel_words(self, arch: Arch) -> int:
        taps = self.layer.kernel[0] * self.layer.kernel[1]
        return -(-taps // arch.columns) if self.depthwise else taps

    def _row_sub_banks(self, arch: Arch) -> int:
        bank_channels = self.block if self.depthwise else 1
        return -(-bank_channels * self.out_width // sub_bank_depth(arch))


def _reciprocal(divisor: int) -> tuple[int, int]:
    """Of a divisor up to 2^16: with it n / divisor is n * reciprocal >> 16 + shift for n below 2^16.

    It has 17 bits: the error, below n / 2^(16 + shift) with 2^shift >= divisor, makes up no whole number.
    """
    shift = (divisor - 1).bit_length()
    return -(-(1 << COUNT_BITS + shift) // divisor), shift


def column_weights(weights: np.ndarray, columns: int, depthwise: bool) -> np.ndarray:
    """Weights of a pass as a core's memory holds them: int16 (weight words, M).

    Args:
        weights: of :func:`hwsim.machine.units.unit_weights`.
        columns: M.
        depthwise: tap t of a channel is column t mod M of its word t div M; else column = output channel, and
            words go by input channel, then kernel row, then kernel column.
    """
    taps = weights.shape[2] * weights.shape[3]
    if depthwise:
        flat = weights.reshape(len(weights), taps)
        return np.pad(flat, ((0, 0), (0, -taps % columns))).reshape(-1, columns).astype(np.int16)
    flat = weights.reshape(len(weights), -1).T
    return np.pad(flat, ((0, 0), (0, columns - len(weights)))).astype(np.int16)
