"""A pass in numbers, checked against the machine, as the configuration and the row descriptors of a core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hwsim.arch import SUB_BANKS, Arch
from hwsim.errors import ArchError
from hwsim_rtl.codec.symbol import COUNT_BITS, MIN_ACTIVATION_BITS
from hwsim_rtl.core.payloads import MAX_KERNEL, MAX_SHIFT, MAX_STRIDE, sub_bank_depth

MAX_WIDTH = (1 << COUNT_BITS) - 1 - MAX_KERNEL
# Fields of Arch that a core's netlist depends on.
CORE_FIELDS = (
    "columns",
    "activation_bits",
    "weight_bits",
    "run_max",
    "fifo_depth",
    "accumulators",
    "weight_words",
)


def check_arch(arch: Arch) -> None:
    """Refuse a machine that the RTL cannot be.

    Raises:
        ArchError: with the field and its range.
    """
    if arch.activation_bits < MIN_ACTIVATION_BITS:
        raise ArchError(
            f"activation_bits: the RTL takes {MIN_ACTIVATION_BITS} .. 16 (got {arch.activation_bits})"
        )


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
        depthwise: bank = tap.
        channels: input channels that it reads; if depthwise, those of its group.
        height, width: of the input map.
        kernel: (Kh, Kw). stride: 1 or 2. padding: (top, left).
        out_width: Wo.
        owned: output rows, ascending.
        out_channels: that it drains, 1 .. M.
        block, out_block: channels of a segment of the input and of the output map.
        source, target: how those maps are coded.
        shift, relu: of the drain, as in ``hwsim.quantize.Requantize``.
        skip_zeros: False for the dense baseline, maps raw.

    Raises:
        ArchError: by :meth:`config` and :meth:`row_descriptors`, when the pass does not fit the machine.
    """

    depthwise: bool
    channels: int
    height: int
    width: int
    kernel: tuple[int, int]
    stride: int
    padding: tuple[int, int]
    out_width: int
    owned: Sequence[int] = field(repr=False)
    out_channels: int
    block: int
    out_block: int
    source: Code
    target: Code
    shift: int
    relu: bool
    skip_zeros: bool = True

    def check(self, arch: Arch) -> None:
        """Refuse a pass that the machine cannot do.

        Raises:
            ArchError: with the number and its range.
        """
        check_arch(arch)
        last_column = (self.out_width - 1) * self.stride - self.padding[1]
        ranges = {
            "kernel height": (self.kernel[0], 1, MAX_KERNEL),
            "kernel width": (self.kernel[1], 1, MAX_KERNEL),
            "stride": (self.stride, 1, MAX_STRIDE),
            "padding on the left": (self.padding[1], 0, self.kernel[1] - 1),
            "padding at the top": (self.padding[0], 0, self.kernel[0] - 1),
            "width": (self.width, 1, MAX_WIDTH),
            "x of the last output column": (last_column, 1 - self.kernel[1], self.width - 1),
            "channels of a segment": (self.block, 1, arch.columns),
            "values of a segment": (min(self.block, self.channels) * self.width, 1, (1 << COUNT_BITS) - 1),
            "channels of a depthwise pass": (self.channels if self.depthwise else 1, 1, self.block),
            "output channels": (self.out_channels, 1, arch.columns),
            "channels of an output segment": (self.out_block, 1, arch.columns),
            "owned rows": (len(self.owned), 1, (1 << COUNT_BITS) - 1),
            "sub-banks of the ring": (self.ring * self._row_sub_banks(arch), 1, SUB_BANKS),
            "weight words": (self.channels * self._channel_words(arch), 1, arch.weight_words),
            "bits of the input map": (self.source.bits, 1, arch.activation_bits),
            "bits of the output map": (self.target.bits, 1 + self.target.signed, arch.activation_bits),
            "order of the input map": (self.source.order, 0, 15),
            "order of the output map": (self.target.order, 0, 15),
            "shift": (self.shift, 1, MAX_SHIFT),
        }
        for name, (number, low, high) in ranges.items():
            if not low <= number <= high:
                raise ArchError(f"{name}: the core takes {low} .. {high}, this pass needs {number}")

    @property
    def ring(self) -> int:
        """Rows of accumulators."""
        return self.kernel[0] + 1

    def config(self, arch: Arch) -> dict:
        """The fields of ``PassConfig``, as ``Const`` and the benches take them."""
        self.check(arch)
        block = min(self.block, self.channels)
        segments = -(-self.channels // block)
        reciprocal_shift = (self.width - 1).bit_length()
        return {
            "decoder": {
                "order": self.source.order,
                "skip_zeros": int(self.skip_zeros),
                "raw_bits": self.source.bits,
                "segments": segments,
                "full_values": block * self.width,
                "tail_values": (self.channels - (segments - 1) * block) * self.width,
            },
            "encoder": {
                "order": self.target.order,
                "skip_zeros": int(self.skip_zeros),
                "raw_bits": self.target.bits,
            },
            "requantize": {
                "shift": self.shift,
                "relu": int(self.relu),
                "bits": self.target.bits,
                "signed": int(self.target.signed),
            },
            "depthwise": int(self.depthwise),
            "signed_input": int(self.source.signed),
            "width": self.width,
            "reciprocal": -(-(1 << (COUNT_BITS + reciprocal_shift)) // self.width),
            "reciprocal_shift": reciprocal_shift,
            "padding": self.padding[1],
            "stride_two": self.stride - 1,
            "kernel_width": self.kernel[1],
            "column_limit": self.stride * (self.out_width - 1),
            "channel_words": self._channel_words(arch),
            "segment_words": block * self._channel_words(arch),
            "pass_words": self.channels * self._channel_words(arch),
            "out_width": self.out_width,
            "ring": self.ring,
            "row_sub_banks": self._row_sub_banks(arch),
            "owned": len(self.owned),
            "channels": self.out_channels,
            "out_block": self.out_block,
        }

    def row_descriptors(self, arch: Arch) -> list[dict]:
        """The fields of ``RowDescriptor`` of every input row that reaches an owned one, ascending."""
        sub_banks = self._row_sub_banks(arch)
        number = {row: q for q, row in enumerate(self.owned)}
        reached: dict[int, dict[int, int]] = {}  # input row -> kernel row -> q
        for row, q in number.items():
            for kernel_row in range(self.kernel[0]):
                y = row * self.stride + kernel_row - self.padding[0]
                if 0 <= y < self.height:
                    reached.setdefault(y, {})[kernel_row] = q
        last = {q: y for y in sorted(reached) for q in reached[y].values()}
        complete = list(last.values())
        return [
            {
                "taps": sum(1 << kernel_row for kernel_row in reached[y]),
                "sub_banks": [
                    reached[y].get(kernel_row, 0) % self.ring * sub_banks for kernel_row in range(MAX_KERNEL)
                ],
                "newest": max(reached[y].values()),
                "done": complete.count(y),
            }
            for y in sorted(reached)
        ]

    def input_rows(self) -> list[int]:
        """The input rows that :meth:`row_descriptors` describes."""
        reached = {
            row * self.stride + kernel_row - self.padding[0]
            for row in self.owned
            for kernel_row in range(self.kernel[0])
        }
        return sorted(y for y in reached if 0 <= y < self.height)

    def _channel_words(self, arch: Arch) -> int:
        taps = self.kernel[0] * self.kernel[1]
        return -(-taps // arch.columns) if self.depthwise else taps

    def _row_sub_banks(self, arch: Arch) -> int:
        bank_channels = self.block if self.depthwise else 1
        return -(-bank_channels * self.out_width // sub_bank_depth(arch))
