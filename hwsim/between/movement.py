"""Operators that move integers and change none: concatenation, shuffles, shapes, crops and padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from hwsim.between.operator import Between, Pair, Shape, Value

LOOPS_MAX = 16


@dataclass(frozen=True)
class Concatenate(Between):
    """One value after the other, along the channels."""

    kind: Literal["concatenate"] = "concatenate"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        channels = sum(value.shape[0] for value in inputs)
        self.need(
            channels == output.shape[0] and all(value.shape[1:] == output.shape[1:] for value in inputs),
            "must have the channels of what it reads, and its height and width",
        )
        self.check_kept(inputs, output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        return np.concatenate(inputs)


@dataclass(frozen=True)
class Channels(Between):
    """Some channels of a value, in some order: a part of it, or all of it shuffled.

    Attributes:
        channels: of what is read, one for each channel that is made.
    """

    channels: tuple[int, ...]
    kind: Literal["channels"] = "channels"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        self.need((len(self.channels), *value.shape[1:]) == output.shape, "keeps height and width")
        self.need(
            min(self.channels) >= 0 and max(self.channels) < value.shape[0],
            f"takes channels that {value.name} does not have",
        )
        self.check_kept(inputs, output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        return inputs[0][list(self.channels)]


@dataclass(frozen=True)
class Reshape(Between):
    """The same integers in another shape.

    Attributes:
        axes: the order in which they are taken, the last axis fastest: (0, 1, 2) is channels, rows, columns.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    kind: Literal["reshape"] = "reshape"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        self.need(sorted(self.axes) == [0, 1, 2], f"must take three axes, not {self.axes}")
        self.need(prod(value.shape) == prod(output.shape), "keeps the number of values")
        self.check_kept(inputs, output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        return inputs[0].transpose(self.axes).reshape(output.shape)


@dataclass(frozen=True)
class Crop(Between):
    """Some rows and columns of a value, perhaps not all of those between.

    Attributes:
        start: (row, column) of the first.
        step: from one to the next, (vertical, horizontal).
    """

    start: Pair
    step: Pair = (1, 1)
    kind: Literal["crop"] = "crop"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        self.need(value.shape[0] == output.shape[0], "keeps the channels")
        self.need(min(self.start) >= 0 and min(self.step) > 0, "must start inside, and step forward")
        for axis in (0, 1):
            last = self.start[axis] + (output.shape[axis + 1] - 1) * self.step[axis]
            self.need(last < value.shape[axis + 1], f"takes what lies behind {value.name}")
        self.check_kept(inputs, output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        rows, columns = (
            slice(first, first + size * step, step)
            for first, step, size in zip(self.start, self.step, output.shape[1:], strict=True)
        )
        return inputs[0][:, rows, columns]


@dataclass(frozen=True)
class Pad(Between):
    """Zeros around a value.

    Attributes:
        before: channels, rows and columns of zeros before it; the shape that is made says how many behind.
    """

    before: Shape
    kind: Literal["pad"] = "pad"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        for before, size, made in zip(self.before, value.shape, output.shape, strict=True):
            self.need(0 <= before <= made - size, f"has no room for {value.name}")
        self.check_kept(inputs, output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        made = np.zeros(output.shape, np.int64)
        place = (slice(first, first + size) for first, size in zip(self.before, inputs[0].shape, strict=True))
        made[tuple(place)] = inputs[0]
        return made


@dataclass(frozen=True)
class Strided(Between):
    """Integers of a value in another order, as nested loops step through it.

    Attributes:
        start: number of the first integer, channels, rows, columns.
        sizes: how often each loop runs, the innermost last.
        strides: by how many integers each loop steps.
    """

    start: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    kind: Literal["strided"] = "strided"

    def check(self, inputs: Sequence[Value], output: Value) -> None:
        value = self.check_one_input(inputs)
        self.need(len(self.sizes) == len(self.strides) <= LOOPS_MAX, f"has more than {LOOPS_MAX} loops")
        self.need(
            min(self.sizes, default=1) > 0 and prod(self.sizes) == prod(output.shape),
            "must step through as many integers as it makes",
        )
        ends = [(size - 1) * stride for size, stride in zip(self.sizes, self.strides, strict=True)]
        first = self.start + sum(min(end, 0) for end in ends)
        last = self.start + sum(max(end, 0) for end in ends)
        self.need(first >= 0 and last < prod(value.shape), f"takes what {value.name} does not have")
        self.check_kept(inputs, output)

    def run(self, inputs: Sequence[np.ndarray], output: Value) -> np.ndarray:
        places = np.array(self.start)
        for size, stride in zip(self.sizes, self.strides, strict=True):
            places = places[..., None] + stride * np.arange(size)
        return inputs[0].reshape(-1)[places.reshape(output.shape)]
