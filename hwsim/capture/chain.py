"""A chain of MAC layers in integers: quantize a trained network, run it, write it as a trace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from hwsim.between import Flow, MaxPool, Operator, Reshape, Value
from hwsim.codec.seg import best_order
from hwsim.layer import Layer
from hwsim.quantize import (
    Requantize,
    calibrate,
    integers,
    quantize_map,
    quantize_weights_per_channel,
    requantize_for,
)
from hwsim.reference import run_layer
from hwsim.trace import MapInfo, TraceWriter

WEIGHT_BITS = 8


@dataclass(frozen=True, eq=False)
class Chain:
    """Each layer reads what the one before made; the last one makes the logits.

    Attributes:
        layers: in order. A map between two of them has its reader's shape: pooled, and flattened in C order.
        pool: max-pooling (size and stride) behind the layers it names. It compares codes: they rise with
            the real values, since a drain with ReLU is monotonic.
        maps: of every layer's input, by name.
        weights, weight_scales: by layer; int16 of ``layer.weight_shape``, float64 (M,).
        requantize: by layer.
        logits_scale: real logit = integer * scale.
    """

    layers: tuple[Layer, ...]
    pool: Mapping[str, int]
    maps: Mapping[str, MapInfo]
    weights: Mapping[str, np.ndarray]
    weight_scales: Mapping[str, np.ndarray]
    requantize: Mapping[str, Requantize]
    logits_scale: float

    def run(self, image: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """One picture, real (C, H, W), in integer arithmetic throughout.

        Returns:
            The codes of every map, uint16 (C, H, W) by name, and the logits' integers, int64 (classes,).
        """
        first = self.maps[self.layers[0].input]
        codes, maps = quantize_map(image, first.scale, first.bits, first.signed), {}
        for layer in self.layers:
            maps[layer.input] = codes = codes.reshape(layer.in_shape)
            signed = self.maps[layer.input].signed
            codes = run_layer(layer, codes, self.weights[layer.name], self.requantize[layer.name], signed)
            if layer.name in self.pool:
                codes = max_pool(codes, self.pool[layer.name])
        return maps, integers(codes.ravel(), self.requantize[self.layers[-1].name].signed)

    def flow(self) -> Flow:
        """What makes every map: drains, pools, and a flattening before the first linear layer."""
        results: dict[str, str] = {}
        values: list[Value] = []
        operators: list[Operator] = []
        for layer in self.layers:
            made = self.maps.get(layer.output or "")
            drain, scale = self.requantize[layer.name], made.scale if made else self.logits_scale
            shapes, steps = (
                {f"{layer.name}.result": layer.out_shape},
                list[Callable[[tuple[str, ...], str], Operator]](),
            )
            channels, height, width = layer.out_shape
            if size := self.pool.get(layer.name):
                shapes[f"{layer.name}.pooled"] = (channels, height // size, width // size)
                steps.append(partial(MaxPool, kernel=(size, size), stride=(size, size), padding=(0, 0, 0, 0)))
            if made and list(shapes.values())[-1] != made.shape:
                shapes[f"{layer.name}.flat"] = made.shape
                steps.append(Reshape)
            names = list(shapes)
            if made:
                names[-1] = made.name
            results[layer.name] = names[0]
            operators += [step((names[n],), names[n + 1]) for n, step in enumerate(steps)]
            values += [
                Value(name, shapes[name], drain.bits, drain.signed, scale) for name in names if name in shapes
            ]
        return Flow((self.layers[0].input,), results, tuple(values), tuple(operators))

    def with_orders(self, images: Iterable[np.ndarray]) -> Chain:
        """The same network with, for every map, the order of SEG that is best for these pictures together."""
        runs = [self.run(image)[0] for image in images]
        orders = {name: best_order(np.stack([maps[name] for maps in runs])) for name in self.maps}
        made = {layer.name: layer.output for layer in self.layers if layer.output is not None}
        return replace(
            self,
            maps={name: replace(info, order=orders[name]) for name, info in self.maps.items()},
            requantize={
                name: replace(drain, order=orders[made[name]]) if name in made else drain
                for name, drain in self.requantize.items()
            },
        )


def quantize_chain(
    layers: Sequence[Layer],
    pool: Mapping[str, int],
    parameters: Mapping[str, np.ndarray],
    samples: Mapping[str, np.ndarray],
    logits: np.ndarray,
    bits: int = 16,
) -> Chain:
    """A trained network in integers: unsigned maps of ``bits``, 8-bit weights with a scale a channel.

    Args:
        layers, pool: as in :class:`Chain`.
        parameters: ``<layer>.weight`` and ``<layer>.bias``, real.
        samples: real values of every map on calibration pictures, (N, C, H, W); their largest is the
            largest code.
        logits: real (N, classes), of the same pictures.
    """
    maps = {
        layer.input: MapInfo(
            layer.input, layer.in_shape, bits, 0, False, calibrate([samples[layer.input]], bits)
        )
        for layer in layers
    }
    logits_scale = calibrate([logits], bits, signed=True)
    weights, scales, drains = {}, {}, {}
    for layer in layers:
        weights[layer.name], scales[layer.name] = quantize_weights_per_channel(
            parameters[f"{layer.name}.weight"], WEIGHT_BITS
        )
        drains[layer.name] = requantize_for(
            scales[layer.name],
            maps[layer.input].scale,
            logits_scale if layer.output is None else maps[layer.output].scale,
            parameters[f"{layer.name}.bias"],
            relu=layer.relu,
            bits=bits,
            signed=layer.output is None,
        )
    return Chain(tuple(layers), pool, maps, weights, scales, drains, logits_scale)


def write_chain(
    place: str | os.PathLike[str],
    chain: Chain,
    images: Sequence[np.ndarray],
    calibration: Sequence[np.ndarray] = (),
    **header: Any,
) -> None:
    """Run pictures through a chain and store all that is needed to run any of its layers again.

    Args:
        place: folder or ``.zip`` file; a trace that is there is replaced.
        images: to be run.
        calibration: pictures whose non-zeros a mapping may know.
        header: ``network``, ``variant``, ``provenance`` and ``metrics`` of the trace.

    Raises:
        TraceError: the place cannot be written.
    """
    with TraceWriter(
        place,
        synthetic=False,
        layers=chain.layers,
        maps=chain.maps,
        images=len(images),
        weight_bits=WEIGHT_BITS,
        flow=chain.flow(),
        overwrite=True,
        **header,
    ) as writer:
        runs = [chain.run(image)[0] for image in calibration]
        for name in chain.maps if runs else ():
            counts = sum(np.count_nonzero(maps[name], axis=2) for maps in runs)
            writer.write_row_counts(name, np.asarray(counts), len(runs))
        for layer in chain.layers:
            writer.write_weights(layer, chain.weights[layer.name], chain.weight_scales[layer.name])
            writer.write_requantize(layer, chain.requantize[layer.name])
        for number, image in enumerate(images):
            for name, codes in chain.run(image)[0].items():
                writer.write_map(name, number, codes)


def max_pool(codes: np.ndarray, size: int) -> np.ndarray:
    """Max-pooling of (C, H, W) with a window and stride of ``size``, which divides H and W."""
    channels, height, width = codes.shape
    return codes.reshape(channels, height // size, size, width // size, size).max(axis=(2, 4))
