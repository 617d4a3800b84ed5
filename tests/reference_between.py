"""What operators between maps make, one integer at a time, from docs/integers.md alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

Pixel = Callable[[int, int, int], int]  # the integer at (channel, row, column)


def scaled(total: int, operator: Any) -> int:
    """floor(total / 2^shift + 1/2), within low .. high."""
    return clamped((2 * total + 2**operator.shift) // 2 ** (operator.shift + 1), operator)


def clamped(value: int, operator: Any) -> int:
    return min(max(value, operator.low), operator.high)


def pixel(
    operator: Any, inputs: list[tuple[tuple[int, int, int], Pixel]], made: tuple[int, int, int]
) -> Pixel:
    """The integer that an operator makes at a place, from the shapes and integers that it reads."""
    (channels, height, width), read = inputs[0]

    def window(y: int, x: int) -> tuple[list[tuple[int, int]], int]:
        """The places in the map that a window sees, and how many of its places are in map or padding."""
        top, left, bottom, right = operator.padding
        places = [
            (y * operator.stride[0] - top + i, x * operator.stride[1] - left + j)
            for i in range(operator.kernel[0])
            for j in range(operator.kernel[1])
        ]
        seen = [(i, j) for i, j in places if 0 <= i < height and 0 <= j < width]
        padded = [(i, j) for i, j in places if -top <= i < height + bottom and -left <= j < width + right]
        return seen, len(padded)

    def average(c: int, y: int, x: int) -> int:
        seen, padded = window(y, x)
        count = padded if operator.count_padding else len(seen)
        multiplier = next(m for positions, m in operator.multipliers if positions == count)
        return scaled(sum(read(c, i, j) for i, j in seen) * multiplier, operator)

    def rescaled(c: int, y: int, x: int) -> int:
        at = c if len(operator.multipliers) > 1 else 0
        return scaled(read(c, y, x) * operator.multipliers[at] + operator.offsets[at], operator)

    def joined(c: int, y: int, x: int) -> int:
        for (parts, _, _), part in inputs:
            if c < parts:
                return part(c, y, x)
            c -= parts
        raise AssertionError("more channels than the parts have")

    def reshaped(c: int, y: int, x: int) -> int:
        place = (c * made[1] + y) * made[2] + x
        sizes = [(channels, height, width)[axis] for axis in operator.axes]
        indices = [0, 0, 0]
        for axis, size in zip(reversed(operator.axes), reversed(sizes), strict=True):
            indices[axis] = place % size
            place //= size
        return read(*indices)

    def padded(c: int, y: int, x: int) -> int:
        at = [place - before for place, before in zip((c, y, x), operator.before, strict=True)]
        inside = all(0 <= place < size for place, size in zip(at, (channels, height, width), strict=True))
        return read(*at) if inside else 0

    def resized(c: int, y: int, x: int) -> int:
        total = 0
        for (i, weight_y), (j, weight_x) in product(around(operator.rows[y]), around(operator.columns[x])):
            if weight_y and weight_x:
                total += weight_y * weight_x * read(c, i, j)
        return (2 * total + 65536) // 131072

    def strided(c: int, y: int, x: int) -> int:
        place, at = (c * made[1] + y) * made[2] + x, operator.start
        for size, stride in zip(reversed(operator.sizes), reversed(operator.strides), strict=True):
            at += place % size * stride
            place //= size
        return read(at // (height * width), at // width % height, at % width)

    def around(place: int) -> list[tuple[int, int]]:
        return [(place // 256, 256 - place % 256), (place // 256 + 1, place % 256)]

    kinds: Mapping[str, Pixel] = {
        "max_pool": lambda c, y, x: max(read(c, i, j) for i, j in window(y, x)[0]),
        "average_pool": average,
        "add": lambda c, y, x: scaled(
            sum(part(c, y, x) * m for (_, part), m in zip(inputs, operator.multipliers, strict=True)),
            operator,
        ),
        "rescale": rescaled,
        "clip": lambda c, y, x: clamped(read(c, y, x), operator),
        "concatenate": joined,
        "channels": lambda c, y, x: read(operator.channels[c], y, x),
        "reshape": reshaped,
        "crop": lambda c, y, x: read(
            c, operator.start[0] + y * operator.step[0], operator.start[1] + x * operator.step[1]
        ),
        "pad": padded,
        "resize": resized,
        "strided": strided,
    }
    return kinds[operator.kind]
