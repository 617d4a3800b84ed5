"""Where layers find their maps and leave their results among the values of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from hwsim.capture.graph import Mac, Operator
from hwsim.capture.views import View, vectors
from hwsim.layer import Pair

Shape = tuple[int, int, int]
Margins = tuple[Pair, Pair]
NO_MARGINS: Margins = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Place:
    """A map: a part of a value, in the order in which layers read it.

    Attributes:
        view: of shape (C, H, W).
        margins: zeros around height and width that belong to the map, since no tap could meet them with it.
    """

    view: View
    margins: Margins = NO_MARGINS

    @property
    def shape(self) -> Shape:
        """(C, H, W)."""
        channels, *sizes = self.view.shape
        height, width = (sum(around) + size for around, size in zip(self.margins, sizes, strict=True))
        return channels, height, width

    def of(self, values: np.ndarray) -> np.ndarray:
        """The map, from the array of its root."""
        found = self.view.of_array(values)
        return found if self.margins == NO_MARGINS else np.pad(found, ((0, 0), *self.margins))


@dataclass(frozen=True, eq=False)
class PlacedLayer:
    """A layer among the values of a run.

    Attributes:
        place: the map that it reads.
        mac: the layer, its weights in the order of that map.
        raw: what it makes, as (M, Ho, Wo).
        padding: (top, left), zeros of a pad before it among them.
        reordered: the weights stand in another order than in the operator.
    """

    place: Place
    mac: Mac
    raw: View
    padding: Pair
    reordered: bool = False


def placed_linear(mac: Mac, operator: Operator, view: View, result: View) -> PlacedLayer:
    """A linear layer over the vectors of a value.

    Raises:
        ValueError: its vectors lie along no axis of its map.
    """
    source, made = view.through(operator.steps), result.through(operator.made_steps)
    if source is None or made is None:
        raise ValueError("a product along an axis that is none of its map")
    seen, rows, (sizes, order) = vectors(source)
    filters = len(mac.weights)
    parts = made.reshape((*sizes, filters))
    raw = parts and parts.permute((len(sizes), *order)).reshape((filters, *seen.shape[1:]))
    if raw is None:
        raise ValueError(f"a linear layer whose result is of shape {result.shape}")
    reordered = not np.array_equal(rows, np.arange(len(rows)))
    if reordered:
        mac = replace(mac, weights=mac.weights[:, rows])
    return PlacedLayer(Place(seen.merged()), mac, raw, (0, 0), reordered)


def placed_convolution(
    mac: Mac, view: View, result: View, pad: tuple[Operator, tuple[int, ...], View] | None
) -> PlacedLayer:
    """A convolution of a value.

    Args:
        mac: the layer.
        view, result: what it reads and makes.
        pad: if the root of ``view`` is another value with zeros around: that operator, the root's shape, and
            the value without zeros.

    Raises:
        ValueError: there is more than one picture.
    """
    padding, raw = mac.padding, picture(result)
    if mac.transposed:
        return PlacedLayer(Place(picture(view)), mac, raw, padding)
    inner = pad and _unpadded(view, *pad)
    if inner:
        view, (top, left) = inner
        padding = (padding[0] + top, padding[1] + left)
    seen = picture(view)
    margins = _surplus(mac, padding, seen.shape, raw.shape)
    return PlacedLayer(
        Place(seen, margins), mac, raw, (padding[0] - margins[0][0], padding[1] - margins[1][0])
    )


def picture(view: View) -> View:
    """The value that a convolution reads or makes as (C, H, W); one of one dimension lies along x.

    Raises:
        ValueError: the value has more than one picture.
    """
    shape = view.shape
    if len(shape) not in (3, 4) or shape[0] != 1:
        raise ValueError(f"a convolution over a map of shape {shape}; a batch of 1 picture is captured")
    seen = view.reshape((shape[1], *(1, *shape[2:])[-2:]))
    assert seen is not None
    return seen.merged()


def _unpadded(view: View, pad: Operator, shape: tuple[int, ...], inner: View) -> tuple[View, Pair] | None:
    """What a convolution reads of a padded value, without the zeros around: it, and those at the top and
    left.

    None if the convolution sees the value in another way than with its axes in some order, or if there are
    zeros along the channels.
    """
    root = View.of(view.root, shape)
    order: list[int] = []
    sizes, before = [], []
    for number, axis in enumerate(view.axes()):
        if len(axis) > 1 or any(factor not in root.factors for factor in axis):
            return None
        around = [pad.pads[factor.axis] for factor in axis]
        if number < 2 and any(map(any, around)):
            return None
        order += [factor.axis for factor in axis]
        sizes.append(prod(inner.shape[factor.axis] for factor in axis))
        before.append(around[0][0] if around else 0)
    ones = [axis for axis in range(len(shape)) if axis not in order]
    seen = inner.permute((*ones, *order)).reshape(sizes)
    top, left = (0, *before[2:])[-2:]
    return None if seen is None or view.offset else (seen, (top, left))


def _surplus(mac: Mac, padding: Pair, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Margins:
    """Zeros that are more than a kernel takes: no tap meets them together with the map."""
    around = []
    for axis in (0, 1):
        reach = (mac.weights.shape[2 + axis] - 1) * mac.dilation[axis]
        before = max(0, padding[axis] - reach)
        last = (out_shape[1 + axis] - 1) * mac.stride[axis] - (padding[axis] - before)
        around.append((before, max(0, last + 1 - before - in_shape[1 + axis])))
    return around[0], around[1]
