"""Values that are others in another order: reshaped, transposed, cut. Nothing is computed, so nothing is
copied.

A view tells its elements by strides over its root, as numpy does, but an axis may have several of them: the
channels behind a channel shuffle are the groups of each channel of a group. So reshaping a transposed value
is a view as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal, NamedTuple

import numpy as np

Shape = tuple[int, ...]


class Step(NamedTuple):
    """What an operator does to the order of a value.

    Attributes:
        how: ``reshape`` to the sizes ``to``; ``permute`` the axes, ``to`` names the old ones; ``cut`` an
            axis: ``to`` is (axis, first, count, step); ``expand`` axes of 1 to the sizes ``to``.
    """

    how: Literal["reshape", "permute", "cut", "expand"]
    to: Shape


class Factor(NamedTuple):
    """A part of an axis: ``size`` steps of ``stride`` elements of the root, along the root's own ``axis``."""

    size: int
    stride: int
    axis: int


@dataclass(frozen=True)
class View:
    """A value, seen as elements of its root.

    Attributes:
        root: name of a value that is in memory in the order of its axes.
        shape: of this value.
        factors: of all axes in order, none of size 1; an axis is the product of some of them.
        offset: of the first element.
    """

    root: str
    shape: Shape
    factors: tuple[Factor, ...]
    offset: int = 0

    @staticmethod
    def of(root: str, shape: Sequence[int]) -> View:
        """A value as its own root."""
        strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        factors = (
            Factor(size, stride, axis) for axis, (size, stride) in enumerate(zip(shape, strides, strict=True))
        )
        return View(root, tuple(shape), tuple(factor for factor in factors if factor.size != 1))

    def axes(self) -> tuple[tuple[Factor, ...], ...]:
        """The factors of each axis."""
        left, axes = iter(self.factors), []
        for size in self.shape:
            mine: list[Factor] = []
            while prod(factor.size for factor in mine) < size:
                mine.append(next(left))
            axes.append(tuple(mine))
        return tuple(axes)

    def then(self, step: Step) -> View | None:
        """What a step makes of it; None if that is no view."""
        if 0 in self.shape:
            return None
        return {"reshape": self.reshape, "permute": self.permute, "cut": self._cut, "expand": self._expand}[
            step.how
        ](step.to)

    def through(self, steps: Sequence[Step]) -> View | None:
        """What steps make of it, one after the other; None if one of them makes no view."""
        seen: View | None = self
        for step in steps:
            seen = None if seen is None else seen.then(step)
        return seen

    def reshape(self, shape: Sequence[int]) -> View | None:
        """The same elements in other axes; None if a size of theirs is none of this value's order."""
        if prod(shape) != prod(self.shape):
            return None
        left, made = list(self.factors), []
        for size in shape:
            while size > 1:
                factor = left.pop(0)
                if size % factor.size:
                    if factor.size % size:
                        return None
                    inner = factor.size // size
                    left.insert(0, factor._replace(size=inner))
                    factor = factor._replace(size=size, stride=factor.stride * inner)
                made.append(factor)
                size //= factor.size
        return replace(self, shape=tuple(shape), factors=tuple(made))

    def permute(self, order: Sequence[int]) -> View:
        """Axes in another order."""
        axes = self.axes()
        factors = tuple(factor for axis in order for factor in axes[axis])
        return replace(self, shape=tuple(self.shape[axis] for axis in order), factors=factors)

    def merged(self) -> View:
        """The same with as few factors as can be: two views are alike if these are equal."""
        axes = [_merged(axis) for axis in self.axes()]
        return replace(self, factors=tuple(f._replace(axis=0) for axis in axes for f in axis))

    def of_array(self, values: np.ndarray) -> np.ndarray:
        """This value, from the root's array; it may share its memory."""
        flat = np.ascontiguousarray(values).reshape(-1)[self.offset :]
        sizes, strides = [f.size for f in self.factors], [f.stride * flat.itemsize for f in self.factors]
        return np.lib.stride_tricks.as_strided(flat, sizes, strides, writeable=False).reshape(self.shape)

    def _cut(self, to: Shape) -> View | None:
        axis, first, count, step = to
        axes = list(self.axes())
        inner = prod(f.size for f in axes[axis][1:])
        if count < 1 or not axes[axis]:
            return self if count == 1 else None
        outer = axes[axis][0]
        if step == 1 and not first % inner and not count % inner:
            kept = (outer._replace(size=count // inner), *axes[axis][1:])
            offset = first // inner * outer.stride
        elif len(axes[axis]) == 1:
            kept, offset = (outer._replace(size=count, stride=outer.stride * step),), first * outer.stride
        elif first // inner == (first + (count - 1) * step) // inner:
            whole = replace(self, shape=(inner,), factors=axes[axis][1:], offset=0)
            part = whole._cut((0, first % inner, count, step))
            if part is None:
                return None
            kept, offset = part.factors, first // inner * outer.stride + part.offset
        else:
            return None
        axes[axis] = tuple(factor for factor in kept if factor.size > 1)
        shape = (*self.shape[:axis], count, *self.shape[axis + 1 :])
        return View(self.root, shape, tuple(f for each in axes for f in each), self.offset + offset)

    def _expand(self, shape: Shape) -> View | None:
        padded = (1,) * (len(shape) - len(self.shape)) + self.shape
        axes = ((),) * (len(shape) - len(self.shape)) + self.axes()
        repeated = [
            (Factor(size, 0, -1),) if size != old else axis
            for size, old, axis in zip(shape, padded, axes, strict=True)
        ]
        return replace(self, shape=shape, factors=tuple(f for axis in repeated for f in axis))


def vectors(view: View) -> tuple[View, np.ndarray, tuple[Shape, tuple[int, ...]]]:
    """What a linear layer reads, a vector along the last axis, as a map (C, H, W) in the order of its root.

    Neither the order of the vectors nor that of their elements matters to the layer, so both are those in
    which the network made them: vectors cut into windows lie on the grid that they were cut from. A grid of
    one axis lies along x; one of more than two is folded to be as square as can be.

    Returns:
        The map; for each of its channels, which row of the weights meets it; and the sizes of the parts into
        which the other axes fall apart, as they are in the value, with the order in which the map has them.
    """
    *others, channels = view.axes()
    parts = [factor for axis in others for factor in axis]
    order = sorted(range(len(parts)), key=lambda n: -parts[n].stride)
    inner = sorted(range(len(channels)), key=lambda n: -channels[n].stride)
    rows = np.arange(view.shape[-1]).reshape([f.size for f in channels]).transpose(inner).reshape(-1)
    lying = [parts[n] for n in order]
    sizes = [factor.size for factor in _merged(lying)]
    height, width = _folded(sizes)
    factors = (*(channels[n] for n in inner), *lying)
    made = View(view.root, (view.shape[-1], height, width), factors, view.offset)
    return made, rows, (tuple(part.size for part in parts), tuple(order))


def _folded(sizes: Sequence[int]) -> tuple[int, int]:
    if len(sizes) < 2:
        return 1, prod(sizes)
    cuts = [(prod(sizes[:n]), prod(sizes[n:])) for n in range(1, len(sizes))]
    return min(cuts, key=lambda cut: max(cut) / min(cut))


def _merged(factors: Sequence[Factor]) -> list[Factor]:
    """Neighbours put together where they lie along one axis of the root without a gap."""
    made: list[Factor] = []
    for factor in factors:
        if made and made[-1].axis == factor.axis and made[-1].stride == factor.size * factor.stride:
            before = made.pop()
            factor = factor._replace(size=before.size * factor.size)
        made.append(factor)
    return made
