"""Uniform quantization of maps and weights, and the integer arithmetic of a layer's drain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MULTIPLIER_MAX = (1 << 16) - 1
SHIFT_MAX = 47


def code_limit(bits: int, signed: bool) -> int:
    """Largest integer of a map: 2^bits - 1, or 2^(bits - 1) - 1 if signed (the range is symmetric).

    Raises:
        ValueError: bits is not 1 (signed: 2) .. 16.
    """
    if not 1 + signed <= bits <= 16:
        raise ValueError(f"bits must be 1 (signed: 2) .. 16, not {bits}")
    return (1 << (bits - signed)) - 1


@dataclass(frozen=True, eq=False)
class Requantize:
    """What a layer's drain does to its accumulators, integer-exact.

    Attributes:
        bias: int32 (M,), added to the accumulator.
        multiplier: int32 (M,), 0 .. 2^16 - 1.
        shift: 1 .. 47.
        relu: whether negative results become 0.
        bits, signed, order: of the map that is made, as in :class:`hwsim.trace.MapInfo`.

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
        code_limit(self.bits, self.signed)

    def apply(self, accumulators: np.ndarray) -> np.ndarray:
        """Codes of the output map, uint16, from accumulators of shape (M, ...).

        a = wrap32(acc + bias); v = (a * multiplier + 2^(shift - 1)) >> shift; ReLU; clamp;
        H.264 mapping if signed.
        """
        from hwsim.codec.mapping import to_unsigned

        along = (-1, *(1,) * (np.ndim(accumulators) - 1))
        biased = wrap32(np.asarray(accumulators, np.int64) + self.bias.reshape(along))
        product = biased.astype(np.int64) * self.multiplier.reshape(along)
        value = (product + (1 << (self.shift - 1))) >> self.shift
        limit = code_limit(self.bits, self.signed)
        value = np.clip(value, -limit if self.signed and not self.relu else 0, limit)
        return to_unsigned(value).astype(np.uint16) if self.signed else value.astype(np.uint16)


def wrap32(values: np.ndarray) -> np.ndarray:
    """The low 32 bits as two's complement, int32: what a 32-bit accumulator holds."""
    return np.asarray(values, np.int64).astype(np.int32)
