"""What a layer computes, in integers: the result that the machine must reproduce bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from hwsim.between import Flow, Value
from hwsim.codec.mapping import to_unsigned
from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.quantize import Requantize, integers, wrap32


def accumulate(layer: Layer, codes: np.ndarray, weights: np.ndarray, signed: bool = False) -> np.ndarray:
    """Sums of products of a layer, before the drain: int32 (M, Ho, Wo), wrapped to 32 bits.

    Args:
        layer: the geometry.
        codes: the input map, unsigned (C, H, W).
        weights: integers of shape ``layer.weight_shape``, at most 16 bits.
        signed: whether the codes went through the H.264 mapping.

    Raises:
        ValueError: the arrays do not fit the layer.
    """
    if codes.shape != layer.in_shape or weights.shape != layer.weight_shape:
        raise ValueError(
            f"layer {layer.name} takes a map of {layer.in_shape} and weights of {layer.weight_shape}, "
            f"not {codes.shape} and {weights.shape}"
        )
    values = integers(codes, signed).astype(_exact(layer))
    taps = weights.astype(values.dtype).reshape(layer.groups, layer.filters, -1, *layer.kernel)
    grouped = values.reshape(layer.groups, -1, *layer.in_shape[1:])
    sums = np.zeros((layer.groups, layer.filters, *layer.out_shape[1:]), np.int64)
    for ky, kx in np.ndindex(layer.kernel):
        (y, r), (x, q) = _met(layer, 0, ky), _met(layer, 1, kx)
        met, made = grouped[:, :, y, x], sums[:, :, r, q]
        products = taps[..., ky, kx] @ met.reshape(*met.shape[:2], -1)
        made += products.reshape(made.shape).astype(np.int64)
    return wrap32(sums.reshape(layer.out_shape))


def run_layer(
    layer: Layer, codes: np.ndarray, weights: np.ndarray, requantize: Requantize, signed: bool = False
) -> np.ndarray:
    """Codes that a layer's drain writes: uint16 (M, Ho, Wo), before any pooling or addition.

    Args and errors as for :func:`accumulate`; ``requantize`` says what the drain does.
    """
    return requantize.apply(accumulate(layer, codes, weights, signed))


class MapOf(Protocol):
    """What is known of a map, as of :class:`hwsim.trace.MapInfo`."""

    @property
    def value(self) -> Value:
        """The map as a value of the network in integers."""
        ...


class IntegerNetwork(Protocol):
    """What :class:`hwsim.trace.StoredTrace` has of a network in integers, and of pictures."""

    @property
    def title(self) -> str:
        """For messages."""
        ...

    @property
    def layers(self) -> Sequence[Layer]:
        """In order of execution."""
        ...

    @property
    def maps(self) -> Mapping[str, MapOf]:
        """What the layers read, by name."""
        ...

    @property
    def flow(self) -> Flow | None:
        """What makes the maps."""
        ...

    def map(self, name: str, image: int) -> np.ndarray:
        """Codes of a map of a picture."""
        ...

    def weights(self, layer: Layer) -> np.ndarray:
        """Weights of a layer."""
        ...

    def requantize(self, layer: Layer) -> Requantize:
        """What a layer's drain does."""
        ...


def run_network(network: IntegerNetwork, image: int | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A whole network in integers, from a picture's input maps: docs/integers.md.

    Args:
        network: a trace of schema 2, which says what makes its maps.
        image: the number of a picture of the trace; or codes of the maps that are given, by name: the inputs,
            and those that integers do not make.

    Returns:
        By name, the codes (uint16, (C, H, W)) of every map, those that are given among them, and of the
        values that nothing reads: what the network ends in.

    Raises:
        TraceError: the trace does not say what makes its maps, or a map that must be given is not.
    """
    flow = network.flow
    if flow is None:
        raise TraceError(
            f"{network.title} does not say what lies between its maps: capture the network again"
        )
    kinds = {name: info.value for name, info in network.maps.items()}
    kinds |= {value.name: value for value in flow.values}
    made: dict[str, np.ndarray] = {}
    for name in (*flow.inputs, *flow.captured):
        if isinstance(image, int):
            codes = network.map(name, image)
        elif name in image and np.shape(image[name]) == kinds[name].shape:
            codes = image[name]
        else:
            raise TraceError(f"{network.title}: map {name} of shape {kinds[name].shape} must be given")
        made[name] = integers(codes, kinds[name].signed)
    left, kept = flow.readers(network.layers), {}
    for step in flow.steps(network.layers):
        if isinstance(step, Layer):
            read: tuple[str, ...] = (step.input,)
            output, kind = flow.results[step.name], kinds[step.input]
            codes = _codes(made[step.input], kind.signed)
            codes = run_layer(step, codes, network.weights(step), network.requantize(step), kind.signed)
            made[output] = integers(codes, kinds[output].signed)
        else:
            read, output = tuple(dict.fromkeys(step.inputs)), step.output
            made[output] = step.run([made[name] for name in step.inputs], kinds[output])
        for name in read:
            left[name] -= 1
        for name in (*read, output):  # what is not read again is a map or an end, and kept as codes, or gone
            if name in made and left[name] <= 0:
                values = made.pop(name)
                if name in network.maps or name == output:
                    kept[name] = _codes(values, kinds[name].signed)
    return kept


def _codes(values: np.ndarray, signed: bool) -> np.ndarray:
    return to_unsigned(values) if signed else values.astype(np.uint16)


def _exact(layer: Layer) -> type[np.float64] | type[np.int64]:
    """Floats where they are exact, since BLAS multiplies them fast: sums of C products of 16 x 16 bits."""
    return np.float64 if layer.weight_shape[1] <= 1 << 21 else np.int64


def _met(layer: Layer, axis: int, tap: int) -> tuple[slice, slice]:
    """The positions of the map that a tap multiplies, and the outputs that it adds them to, along an axis."""
    stride, offset = layer.stride[axis], layer.padding[axis] - tap * layer.dilation[axis]
    size, outputs = layer.in_shape[axis + 1], layer.out_shape[axis + 1]
    # A convolution's output n meets position n stride - offset; a transposed one has it the other way round.
    ends = (size, outputs) if layer.transposed else (outputs, size)
    first = max(0, -(-offset // stride))
    last = max(first, min(ends[0], (ends[1] - 1 + offset) // stride + 1))
    start = first * stride - offset
    single, strided = slice(first, last), slice(start, start + (last - first) * stride, stride)
    return (single, strided) if layer.transposed else (strided, single)
