"""SEG as its definition says it, on strings of '0' and '1': slow, short, and sharing no code with seg.py."""

from __future__ import annotations

from collections.abc import Iterable


def exp_golomb(n: int, order: int) -> str:
    """EG_order(n): with y = n + 2^order in L binary digits, L - 1 - order zeros, then y."""
    digits = f"{n + 2**order:b}"
    return "0" * (len(digits) - 1 - order) + digits


def seg(value: int, order: int) -> str:
    """SEG_order(value), 0 <= value."""
    if order == 0:
        return exp_golomb(value, 0)
    return "1" if value == 0 else "0" + exp_golomb(value - 1, order)


def encode(values: Iterable[int], order: int) -> str:
    """The codes of all values, one after the other."""
    return "".join(seg(value, order) for value in values)


def decode(bits: str, count: int, order: int) -> list[int]:
    """The first ``count`` values of a string of codes.

    Raises:
        ValueError: the string ends before.
    """
    values = []
    at = 0
    for _ in range(count):
        if order > 0 and bits[at : at + 1] == "1":
            values.append(0)
            at += 1
            continue
        start = at if order == 0 else at + 1
        one = bits.index("1", start)
        end = one + (one - start) + order + 1
        if end > len(bits):
            raise ValueError(f"the code at {at} is cut off")
        n = int(bits[one:end], 2) - 2**order
        values.append(n if order == 0 else n + 1)
        at = end
    return values


def to_bytes(bits: str) -> bytes:
    """Fill bytes from the most significant end; the last one is filled up with zeros."""
    return bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))


def to_bits(data: bytes) -> str:
    """The bits of bytes, most significant first."""
    return "".join(f"{byte:08b}" for byte in data)
