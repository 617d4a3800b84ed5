"""Uniform quantization of maps and weights, and the integer arithmetic of a layer's drain.

A real value is an integer times a scale; zero stays zero. Rounding is to the nearest integer, half to even
(numpy's ``rint``); only the drain's shift rounds half up, as the machine does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hwsim.codec.mapping import to_signed, to_unsigned

MULTIPLIER_BITS = 16
MULTIPLIER_MAX = (1 << MULTIPLIER_BITS) - 1
SHIFT_MAX = 47


def code_limit(bits: int, signed: bool) -> int:
    """Largest integer of a map: 2^bits - 1, or 2^(bits - 1) - 1 if signed (the range is symmetric).

    Raises:
        ValueError: bits is not 1 (signed: 2) .. 16.
    """
    if not 1 + signed <= bits <= 16:
        raise ValueError(f"bits must be 1 (signed: 2) .. 16, not {bits}")
    return (1 << (bits - signed)) - 1


def code_limits(bits: int, signed: bool) -> tuple[int, int]:
    """Least and largest integer of a map; errors as for :func:`code_limit`."""
    largest = code_limit(bits, signed)
    return (-largest if signed else 0), largest


def drain_bounds(bits: int, signed: bool, relu: bool, clamps: tuple[int, int] | None) -> tuple[int, int]:
    """Least and largest integer that a drain makes: ``clamps``, else those of its code, from 0 on if ReLU.

    Raises:
        ValueError: as :func:`code_limit`; the clamps are the wrong way round, or beyond that code.
    """
    low, high = code_limits(bits, signed)
    low = 0 if relu else low
    if clamps is None:
        return low, high
    if not low <= clamps[0] <= clamps[1] <= high:
        raise ValueError(f"clamps must be two integers within {low} .. {high}, the lower one first")
    return clamps


@dataclass(frozen=True, eq=False)
class Requantize:
    """What a layer's drain does to its accumulators, integer-exact.

    Attributes:
        bias: int32 (M,), added to the accumulator.
        multiplier: int32 (M,), 0 .. 2^16 - 1.
        shift: 1 .. 47.
        relu: whether negative results become 0.
        bits, signed, order: of the map that is made, as in :class:`hwsim.trace.MapInfo`.
        clamps: least and largest integer of the result, if they are not those of its code; so the drain does
            what a ReLU6 does, or the ends of an int8 whose zero point is not 0.

    Raises:
        ValueError: a value is out of range.
    """

    bias: np.ndarray
    multiplier: np.ndarray
    shift: int
    relu: bool
    bits: int
    signed: bool
    order: int
    clamps: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("bias", -(1 << 31), (1 << 31) - 1),
            ("multiplier", 0, MULTIPLIER_MAX),
        ):
            values = np.asarray(getattr(self, name))
            if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "ui":
                raise ValueError(f"{name} must be integers of shape (M,)")
            if values.min() < low or values.max() > high:
                raise ValueError(f"{name} must be within {low} .. {high}")
            object.__setattr__(self, name, values.astype(np.int32))
        if self.bias.shape != self.multiplier.shape:
            raise ValueError("bias and multiplier must have one value for each output channel")
        if not 1 <= self.shift <= SHIFT_MAX or not 0 <= self.order <= 15:
            raise ValueError(f"shift must be 1 .. {SHIFT_MAX} and order 0 .. 15")
        drain_bounds(self.bits, self.signed, self.relu, self.clamps)

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and largest integer of the result."""
        return drain_bounds(self.bits, self.signed, self.relu, self.clamps)

    def apply(self, accumulators: np.ndarray) -> np.ndarray:
        """Codes of the output map, uint16, from accumulators of shape (M, ...).

        a = wrap32(acc + bias); v = (a * multiplier + 2^(shift - 1)) >> shift; clamped to
        :attr:`bounds`; H.264 mapping if signed.
        """
        along = (-1, *(1,) * (np.ndim(accumulators) - 1))
        biased = wrap32(np.asarray(accumulators, np.int64) + self.bias.reshape(along))
        product = biased.astype(np.int64) * self.multiplier.reshape(along)
        value = (product + (1 << (self.shift - 1))) >> self.shift
        value = np.clip(value, *self.bounds)
        return to_unsigned(value).astype(np.uint16) if self.signed else value.astype(np.uint16)


def wrap32(values: np.ndarray) -> np.ndarray:
    """The low 32 bits as two's complement, int32: what a 32-bit accumulator holds."""
    return np.asarray(values, np.int64).astype(np.int32)


def quantize_map(real: np.ndarray, scale: float, bits: int, signed: bool = False) -> np.ndarray:
    """Codes of a map, uint16, of the same shape: rounded (half to even), clamped, mapped if signed.

    Raises:
        ValueError: a value is not finite, or scale or bits are out of range.
    """
    limit = code_limit(bits, signed)
    _check_scale(scale)
    integers = np.rint(_finite(real) / scale).clip(-limit if signed else 0, limit).astype(np.int64)
    return (to_unsigned(integers) if signed else integers).astype(np.uint16)


def dequantize(codes: np.ndarray, scale: float, signed: bool = False) -> np.ndarray:
    """Real values, float64, of a map's codes; the inverse of :func:`quantize_map` up to its rounding."""
    return integers(codes, signed) * scale


def integers(codes: np.ndarray, signed: bool) -> np.ndarray:
    """The integers that codes stand for, int64."""
    return np.asarray(to_signed(codes) if signed else codes).astype(np.int64)


def calibrate(
    samples: Iterable[np.ndarray], bits: int, signed: bool = False, percentile: float = 100.0
) -> float:
    """Scale of a map from samples of its real values, one array at a time.

    The largest integer stands for the largest magnitude; with ``percentile`` below 100, for the largest of
    the samples' percentiles of magnitude, so that rare outliers are clamped. All zeros give a scale of 1.

    Raises:
        ValueError: a value is not finite, there is no sample, or bits or percentile are out of range.
    """
    limit = code_limit(bits, signed)
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be above 0 and at most 100, not {percentile}")
    peaks = [float(np.percentile(np.abs(_finite(sample)), percentile)) for sample in samples]
    if not peaks:
        raise ValueError("calibration needs a sample or more")
    return max(peaks) / limit or 1.0


def quantize_weights(real: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float]:
    """Symmetric weights with one scale: int16 within -(2^(bits-1) - 1) .. 2^(bits-1) - 1, and the scale.

    Raises:
        ValueError: a weight is not finite, or bits is not 2 .. 16.
    """
    weights, scales = _quantize_rows(np.asarray(real).reshape(1, -1), bits)
    return weights.reshape(np.shape(real)), float(scales[0])


def quantize_weights_per_channel(real: np.ndarray, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`quantize_weights`, with a scale for each output channel (axis 0), float64 (M,)."""
    weights, scales = _quantize_rows(np.asarray(real).reshape(len(real), -1), bits)
    return weights.reshape(np.shape(real)), scales


def _quantize_rows(rows: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    limit = code_limit(bits, signed=True)
    scales = np.abs(_finite(rows)).max(axis=1) / limit
    scales[scales == 0] = 1.0
    weights = np.rint(rows / scales[:, None]).clip(-limit, limit)
    return weights.astype(np.int16), scales


def requantize_for(
    weight_scale: float | np.ndarray,
    in_scale: float,
    out_scale: float,
    bias: np.ndarray,
    *,
    relu: bool,
    bits: int,
    signed: bool = False,
    order: int = 0,
    clamps: tuple[int, int] | None = None,
) -> Requantize:
    """The drain that makes codes of (accumulator * in_scale * weight_scale + bias) / out_scale.

    The largest multiplier takes 16 bits, so its ratio is exact to 2^-16; the others share its shift.

    Args:
        weight_scale: of the layer, or of each output channel (M,).
        in_scale, out_scale: of the map that is read and of the one that is made.
        bias: real, (M,).
        relu, bits, signed, order, clamps: as in :class:`Requantize`.

    Raises:
        ValueError: a scale is not finite and above 0, the ratio of scales or a bias is out of range.
    """
    bias = _finite(bias)
    unit = np.broadcast_to(np.asarray(weight_scale, np.float64) * in_scale, bias.shape)
    for scale in (in_scale, out_scale, float(unit.min()), float(unit.max())):
        _check_scale(scale)
    multiplier, shift = multipliers_for(unit / out_scale)
    integer_bias = np.rint(bias / unit)
    worst = int(np.abs(integer_bias).argmax())
    if abs(integer_bias[worst]) >= 1 << 31:
        raise ValueError(f"the bias of channel {worst} does not fit 32 bits: raise the scale of the map read")
    return Requantize(integer_bias.astype(np.int64), multiplier, shift, relu, bits, signed, order, clamps)


def multipliers_for(ratios: np.ndarray) -> tuple[np.ndarray, int]:
    """Ratios of scales as multipliers, int64, and the shift that they share: the largest takes 16 bits.

    Raises:
        ValueError: a ratio is too large.
    """
    for shift in range(SHIFT_MAX, 0, -1):
        multipliers = np.rint(np.asarray(ratios, np.float64) * 2.0**shift)
        if np.abs(multipliers).max() <= MULTIPLIER_MAX:
            return multipliers.astype(np.int64), shift
    most = float(np.abs(ratios).max())
    raise ValueError(f"the ratio of scales {most:g} is too large: raise the scale of the map made")


def _finite(real: np.ndarray) -> np.ndarray:
    real = np.asarray(real, np.float64)
    if not np.isfinite(real).all():
        raise ValueError("values must be finite: there is a NaN or an infinity among them")
    return real


def _check_scale(scale: float) -> None:
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"a scale must be finite and above 0, not {scale}")
