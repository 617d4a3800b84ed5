"""A network's geometry, and what its layers are put together from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from hwsim.errors import NetworkError
from hwsim.layer import Layer, check_added

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Network:
    """The MAC layers of a network.

    Attributes:
        name: of the network.
        layers: in order of execution.
        source: where the geometry comes from.
        notes: what of the source was not taken as it stands, a line each.

    Raises:
        NetworkError: no layer, two layers of the same name, or two that see one map in different shapes.
    """

    name: str
    layers: tuple[Layer, ...]
    source: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.layers:
            raise NetworkError(f"network {self.name} has no layer")
        seen: set[str] = set()
        shapes: dict[str, Shape] = {}
        for layer in self.layers:
            if layer.name in seen:
                raise NetworkError(f"network {self.name} has two layers named {layer.name}; rename one")
            if shapes.setdefault(layer.input, layer.in_shape) != layer.in_shape:
                raise NetworkError(f"layer {layer.name} reads map {layer.input} in another shape than before")
            seen.add(layer.name)
        try:
            check_added(self.layers)
        except ValueError as error:
            raise NetworkError(f"network {self.name}: {error}") from None
        for layer in self.layers:
            for added in layer.adds:
                if added not in shapes:
                    raise NetworkError(
                        f"network {self.name}: {layer.name} adds {added}, which no layer reads"
                    )

    @property
    def maps(self) -> dict[str, Shape]:
        """(C, H, W) of every activation map, in the order in which they are first read."""
        return {layer.input: layer.in_shape for layer in self.layers}

    @property
    def weights(self) -> int:
        """Weights of all layers, without biases and batch normalization."""
        return sum(prod(layer.weight_shape) for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds as papers count them: output pixels x weights, taps in the padding included."""
        return sum(layer.published_macs for layer in self.layers)


@dataclass(frozen=True)
class Tensor:
    """What stands between two layers while a network is put together.

    Attributes:
        name: of the activation map that it is, or becomes after pooling, addition or concatenation.
        shape: (C, H, W).
    """

    name: str
    shape: Shape


class Builder:
    """Appends layers one by one; every method returns the tensor that its layer makes."""

    def __init__(self, shape: Shape) -> None:
        self.image = Tensor("image", shape)
        self._layers: list[Layer] = []

    def conv(
        self,
        name: str,
        x: Tensor,
        filters: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] | Literal["same"] = 0,
        *,
        depthwise: bool = False,
        relu: bool = True,
        output: str | None = None,
        adds: Sequence[Tensor] = (),
        adds_results: Sequence[str] = (),
    ) -> Tensor:
        """A convolution.

        Args:
            name: of the layer.
            x: what it reads.
            filters: output channels.
            kernel: (Kh, Kw), or one number for both.
            stride: in both directions.
            padding: (top and bottom, left and right), one number for both, or ``"same"``: TensorFlow's
                SAME, ceil(size / stride) outputs and the odd row or column of padding behind.
            depthwise: one filter a channel.
            relu: whether a ReLU follows directly.
            output: name of the map that this layer makes or has a part in; ``name`` if not given.
            adds, adds_results: maps, and layers whose results, that are added to this layer's own.
        """
        tall, wide = _pair(kernel)
        vertical, horizontal = (None, None) if padding == "same" else _pair(padding)
        rows, top = _windows(x.shape[1], tall, stride, vertical)
        columns, left = _windows(x.shape[2], wide, stride, horizontal)
        made = Tensor(output or name, (filters, rows, columns))
        self._layers.append(
            Layer(
                name,
                "depthwise" if depthwise else "conv",
                x.name,
                x.shape,
                made.shape,
                (tall, wide),
                (stride, stride),
                (top, left),
                relu,
                made.name,
                adds=tuple(each.name for each in adds),
                adds_results=tuple(adds_results),
            )
        )
        return made

    def linear(self, name: str, x: Tensor, outputs: int, relu: bool = False) -> Tensor:
        """A linear layer over a map of 1x1."""
        made = Tensor(name, (outputs, 1, 1))
        self._layers.append(Layer(name, "linear", x.name, x.shape, made.shape, relu=relu, output=name))
        return made

    def network(self, name: str, source: str) -> Network:
        """All layers so far; an output that no layer reads loses its name."""
        read = {layer.input for layer in self._layers}
        return Network(
            name,
            tuple(la if la.output in read else replace(la, output=None) for la in self._layers),
            source,
        )


def pooled(x: Tensor, kernel: int, stride: int, padding: int = 0, name: str | None = None) -> Tensor:
    """Maximum or average pooling; the map keeps its name unless layers read it unpooled, too."""
    channels, height, width = x.shape
    rows, _ = _windows(height, kernel, stride, padding)
    columns, _ = _windows(width, kernel, stride, padding)
    return Tensor(name or x.name, (channels, rows, columns))


def averaged(x: Tensor) -> Tensor:
    """Global average pooling."""
    return Tensor(x.name, (x.shape[0], 1, 1))


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Concatenation along the channels; all parts bear the name of the whole."""
    name, (_, height, width) = parts[0].name, parts[0].shape
    return Tensor(name, (sum(part.shape[0] for part in parts), height, width))


def unique(name: str, taken: Collection[str]) -> str:
    """``name``, or ``name.2``, ``name.3``, ... if it is taken."""
    number, chosen = 1, name
    while chosen in taken:
        number += 1
        chosen = f"{name}.{number}"
    return chosen


def some(names: Sequence[str]) -> str:
    """The first of many names, and how many there are."""
    return ", ".join(names[:6]) + (f" ... ({len(names)})" if len(names) > 6 else "")


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _windows(length: int, kernel: int, stride: int, padding: int | None) -> tuple[int, int]:
    """Outputs along an axis, and the padding before it; ``None`` is SAME, for both ends together."""
    if padding is not None:
        return (length + 2 * padding - kernel) // stride + 1, padding
    outputs = -(-length // stride)
    return outputs, max((outputs - 1) * stride + kernel - length, 0) // 2
