"""A self-contained SEG chunk, as array stores keep it.

1 byte order, 8 bytes number of values (big-endian), then the codes, padded to a byte with zero bits. Signed
values go through the H.264 mapping, in which -32768 would need 17 bits: it takes the code of 32768, which no
int16 is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.codec import seg
from hwsim.codec.checks import as_bytes, as_integer, as_kind, as_order
from hwsim.codec.mapping import to_signed, to_unsigned
from hwsim.errors import CodecError, shown

HEADER_BYTES = 9
_LEAST, _NONE = -32768, 32768  # the least int16, and the value whose code it takes
DTYPES = ("uint8", "uint16", "int8", "int16")


def as_dtype(dtype: Any) -> np.dtype:
    """An integer dtype of 8 or 16 bits.

    Raises:
        CodecError: another one.
    """
    kind = as_kind(dtype)
    if kind is None or kind.name not in DTYPES:
        raise CodecError(f"SEG stores {', '.join(DTYPES)}, not {shown(dtype)}")
    return kind


def as_optional_order(order: Any) -> int | None:
    """An order, or None.

    Raises:
        CodecError: something else.
    """
    return None if order is None else as_order(order)


def encode(array: np.ndarray, order: int | None = None) -> bytes:
    """A chunk of integers of 8 or 16 bits; without ``order`` the best one is taken.

    Raises:
        CodecError: another dtype, or a wrong order.
    """
    kind = as_dtype(array.dtype)
    codes = (
        to_unsigned(np.where(array == _LEAST, _NONE, array.astype(np.int32))) if kind.kind == "i" else array
    )
    chosen = seg.best_order(codes) if order is None else order
    data = seg.encode(codes, chosen)
    return bytes([chosen]) + array.size.to_bytes(HEADER_BYTES - 1, "big") + data.tobytes()


def decode(chunk: Any, dtype: Any, count: int | None = None) -> np.ndarray:
    """The values of a chunk, 1-D of ``dtype``; ``count`` is how many there must be, if known.

    Raises:
        CodecError: not such a chunk, damaged, or another number of values.
    """
    kind = as_dtype(dtype)
    data = as_bytes(chunk)
    if len(data) < HEADER_BYTES:
        raise CodecError(f"truncated data: a SEG chunk has {HEADER_BYTES} bytes or more, not {len(data)}")
    order, stored = int(data[0]), int.from_bytes(data[1:HEADER_BYTES].tobytes(), "big")
    if count is not None and stored != as_integer(count, "count", 0, None):
        raise CodecError(f"the SEG chunk holds {stored} values instead of {count}")
    if kind.kind == "u":
        return seg.decode(data[HEADER_BYTES:], stored, order, kind)
    values = to_signed(seg.decode(data[HEADER_BYTES:], stored, order))
    limits = np.iinfo(kind)
    if limits.min == _LEAST:
        values[values == _NONE] = _LEAST
    if values.min(initial=0) < limits.min or values.max(initial=0) > limits.max:
        raise CodecError(f"the SEG chunk holds values outside {limits.min}..{limits.max}")
    return values.astype(kind)
