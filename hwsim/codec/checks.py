"""What every coder checks of its input, with one wording."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from hwsim.errors import CodecError, shown

MAX_BITS = 16
MAX_ORDER = 15


def as_codes(values: Any, bits: int = MAX_BITS) -> np.ndarray:
    """Flatten integers 0 .. 2^``bits`` - 1 to an aligned uint16 array, C order.

    Raises:
        CodecError: no integers, or one out of range; names the first bad value and its position.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise CodecError("values must be an array of integers, not rows of different lengths") from None
    if array.dtype.kind not in "iu":
        if array.size:
            raise CodecError(f"values must be integers, not {array.dtype}: quantize them first")
        array = array.astype(np.uint16)
    largest = (1 << bits) - 1
    narrow = array.dtype.kind == "u" and array.dtype.itemsize * 8 <= bits
    if array.size and not narrow and (array.min() < 0 or array.max() > largest):
        flat = array.ravel()
        at = int(np.flatnonzero((flat < 0) | (flat > largest))[0])
        raise CodecError(f"value {flat[at]} at position {at} is outside 0..{largest}")
    return np.require(array, np.uint16, ["C", "A"]).reshape(-1)


def as_bytes(data: Any) -> np.ndarray:
    """A flat uint8 view of bytes-like data or of a uint8 array.

    Raises:
        CodecError: something else.
    """
    try:
        array = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError):
        raise CodecError(f"data must be bytes or a uint8 array, not {type(data).__name__}") from None
    if array.dtype != np.uint8:
        raise CodecError(f"data must be bytes or a uint8 array, not an array of {array.dtype}")
    return np.require(array, np.uint8, ["C"]).reshape(-1)


def as_order(order: Any) -> int:
    """An order k, 0 .. 15.

    Raises:
        CodecError: something else.
    """
    return as_integer(order, "order", 0, MAX_ORDER)


def as_count(count: Any, available: int) -> int:
    """How many values to decode from data that cannot hold more than ``available`` of them.

    Raises:
        CodecError: no such number, or more than the data can hold.
    """
    number = as_integer(count, "count", 0, None)
    if number > available:
        raise CodecError(
            f"truncated data: {number} values are promised, there is room for {available} at most"
        )
    return number


def as_integer(value: Any, name: str, low: int, high: int | None) -> int:
    """An integer ``low`` .. ``high`` (no bound if None).

    Raises:
        CodecError: something else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise CodecError(f"{name} must be an integer, not {shown(value)}")
    if number < low or (high is not None and number > high):
        raise CodecError(f"{name} must be {low}..{'' if high is None else high}, not {shown(number)}")
    return number


def as_kind(dtype: Any) -> np.dtype | None:
    """What NumPy makes of a description of a dtype; None if nothing. (It evaluates some texts as Python.)"""
    try:
        return np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        return None


def largest_of(dtype: Any, bits: int = MAX_BITS) -> tuple[np.dtype, int]:
    """The dtype to decode into, and the largest value that may come: what it and ``bits`` can hold.

    Raises:
        CodecError: not an integer dtype.
    """
    kind = as_kind(dtype)
    if kind is None or kind.kind not in "iu":
        raise CodecError(f"dtype must be an integer type, not {shown(dtype)}")
    return kind, min((1 << bits) - 1, int(np.iinfo(kind).max))


def check_range(fields: np.ndarray, smallest: int, largest: int, bit_of: Callable[[int], int]) -> None:
    """See that decoded fields, the i-th of which lies at ``bit_of(i)``, are in their range.

    Raises:
        CodecError: one is not; names its bit.
    """
    bad = (fields < smallest) | (fields > largest)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise CodecError(f"{fields[at]} at bit {bit_of(at)} is outside {smallest}..{largest}")
