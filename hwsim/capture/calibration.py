"""Scales, code orders and drains of a planned network, from pictures that are not measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, frexp, inf, ldexp

import numpy as np

from hwsim.capture.graph import RunningNetwork
from hwsim.capture.plan import Plan, PlannedLayer
from hwsim.codec.seg import code_lengths
from hwsim.errors import CaptureError
from hwsim.quantize import (
    Requantize,
    calibrate,
    quantize_map,
    quantize_weights_per_channel,
    requantize_for,
)
from hwsim.trace import MapInfo

ORDERS = 16
WEIGHT_BITS = 8
SCALE_DIGITS = 12  # binary, of a map's scale: at most 0.05 % of the range is given away
LARGEST_SUM = 1 << 30  # of an accumulator on calibration pictures: others may reach twice as far
SMALLEST_SCALE = 2.0**-8  # of a channel's weights, of the layer's largest: drains share a shift of 16 bits


@dataclass(frozen=True)
class Code:
    """How real values become codes: see :class:`hwsim.trace.MapInfo`."""

    bits: int
    signed: bool
    scale: float
    order: int = 0

    def of(self, real: np.ndarray) -> np.ndarray:
        """Codes of real values, uint16."""
        return quantize_map(real, self.scale, self.bits, self.signed)


@dataclass(frozen=True, eq=False)
class CalibratedLayer:
    """A layer in integers.

    Attributes:
        weights, scales: int16 of ``layer.weight_shape``; float64 (M,).
        requantize: what its drain does.
        out_scale: real result = integer that the drain makes * out_scale.
    """

    weights: np.ndarray
    scales: np.ndarray
    requantize: Requantize
    out_scale: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """A network in integers.

    Attributes:
        maps: what a trace says of them, in the order of the plan.
        layers: by name.
    """

    maps: dict[str, MapInfo]
    layers: dict[str, CalibratedLayer]


class _Range:
    """What is known of a tensor's values so far."""

    def __init__(self, percentile: float) -> None:
        self.percentile = percentile
        self.peaks: list[float] = []
        self.negative = False

    def add(self, real: np.ndarray) -> None:
        magnitudes = np.abs(real)
        peak = magnitudes.max() if self.percentile == 100 else np.percentile(magnitudes, self.percentile)
        self.peaks.append(float(peak))
        self.negative |= bool((real < 0).any())

    def code(self, bits: int) -> Code:
        signed = self.negative
        if signed and bits == 1:
            raise CaptureError("a map has negative values, which take 2 bits or more: give more --bits")
        return Code(bits, signed, _rounded_up(calibrate([np.array(self.peaks)], bits, signed)))


def calibrate_network(
    network: RunningNetwork,
    plan: Plan,
    pictures: Iterable[np.ndarray],
    bits: int = 16,
    percentile: float = 100.0,
    advance: Callable[[], None] = lambda: None,
) -> Calibration:
    """Run the pictures twice: for the largest values, then for the histograms of the codes.

    The largest code of a map stands for its largest magnitude, or for the largest of the pictures'
    percentiles of it (or a little more, since scales have few digits). A map is signed if it has a negative
    value. The order of SEG is the exact optimum of the histogram of all pictures together. Drains make the
    codes of the layer's output map where nothing but pooling is between; else they have a scale of their own,
    from the layer's own results.

    Args:
        network: what runs.
        plan: of its graph.
        pictures: iterated twice; float32 (C, H, W).
        bits: of the maps, 1 .. 16.
        percentile: of a picture's magnitudes; 100 is the maximum.
        advance: called after every run.

    Raises:
        CaptureError: values are not finite, a scale does not fit a drain, or there is no picture.
    """
    tensors = _tensors(plan)
    ranges = {name: _Range(percentile) for name in tensors}
    reach = {planned.layer.name: np.zeros(planned.layer.out_shape[0]) for planned in plan.layers}
    wanted = {value for value, _ in tensors.values()} | {planned.result for planned in plan.layers}
    for image in pictures:
        values = network.run(image, wanted)
        for name, (value, ceiling) in tensors.items():
            ranges[name].add(_behind_relu(_finite(values[value], name[1]), ceiling))
        for planned in plan.layers:
            result = np.abs(values[planned.result]).reshape(planned.layer.out_shape).max(axis=(1, 2))
            reach[planned.layer.name] = np.maximum(reach[planned.layer.name], result)
        advance()
    if not all(known.peaks for known in ranges.values()):
        raise CaptureError("calibration needs 1 picture or more: see --calibrate")
    codes = {name: known.code(bits) for name, known in ranges.items()}
    histograms = {name: np.zeros(1 << bits, np.int64) for name in tensors}
    for image in pictures:
        values = network.run(image, {value for value, _ in tensors.values()})
        for name, (value, ceiling) in tensors.items():
            met = codes[name].of(_behind_relu(values[value], ceiling))
            histograms[name] += np.bincount(met.ravel(), minlength=1 << bits)
        advance()
    for name, code in codes.items():
        codes[name] = Code(bits, code.signed, code.scale, best_order_of(histograms[name]))
    maps = {}
    for planned_map in plan.maps:
        code = codes["map", planned_map.name]
        maps[planned_map.name] = MapInfo(
            planned_map.name, planned_map.shape, bits, code.order, code.signed, code.scale
        )
    layers = {
        planned.layer.name: _in_integers(
            planned, maps[planned.layer.input].scale, _drain_code(planned, codes), reach[planned.layer.name]
        )
        for planned in plan.layers
    }
    return Calibration(maps, layers)


def best_order_of(histogram: np.ndarray) -> int:
    """The order of SEG, 0 .. 15, in which values of a histogram take the fewest bits; the least of equals."""
    present = np.flatnonzero(histogram)
    bits = [
        int(code_lengths(order)[present].astype(np.int64) @ histogram[present]) for order in range(ORDERS)
    ]
    return int(np.argmin(bits))


def _rounded_up(scale: float) -> float:
    """Cut to few digits, so that runtimes that round floats otherwise come to the same scale."""
    mantissa, exponent = frexp(scale)
    return ldexp(ceil(ldexp(mantissa, SCALE_DIGITS)), exponent - SCALE_DIGITS)


def _tensors(plan: Plan) -> dict[tuple[str, str], tuple[str, float | None]]:
    """What needs a code: every map, and the result of every layer whose drain makes no map's codes.

    By kind and name: the value, and the ceiling of a ReLU behind it, None without one.
    """
    maps = {("map", planned.name): (planned.value, None) for planned in plan.maps}
    results = {
        ("result", planned.layer.name): (planned.result, planned.ceiling if planned.layer.relu else None)
        for planned in plan.layers
        if not planned.direct
    }
    return {**maps, **results}


def _drain_code(planned: PlannedLayer, codes: Mapping[tuple[str, str], Code]) -> Code:
    layer = planned.layer
    return codes["map", layer.output] if planned.direct and layer.output else codes["result", layer.name]


def _behind_relu(real: np.ndarray, ceiling: float | None) -> np.ndarray:
    return real if ceiling is None else np.clip(real, 0, None if ceiling == inf else ceiling)


def _finite(real: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(real).all():
        raise CaptureError(f"{name} has a NaN or an infinity among its values: check weights and pictures")
    return real


def _in_integers(planned: PlannedLayer, in_scale: float, made: Code, reach: np.ndarray) -> CalibratedLayer:
    """Weights and drain of a layer.

    A channel of weights so small that its sums would overflow the accumulator (a bias far above them), or its
    multiplier lose its digits, gets a larger scale: its weights lose digits that no code would show.

    Args:
        planned: the layer.
        in_scale: of the map it reads.
        made: the code of its drain.
        reach: largest magnitude of its results before ReLU, by channel.
    """
    layer, mac = planned.layer, planned.mac
    try:
        weights, scales = quantize_weights_per_channel(mac.weights, WEIGHT_BITS)
        scales[~mac.weights.any(axis=(1, 2, 3))] = 0  # the scale of zeros is free
        least = np.maximum(reach, np.abs(mac.bias)) / (in_scale * LARGEST_SUM)
        least = np.maximum(least, np.maximum(scales, least).max() * SMALLEST_SCALE)
        least[(least == 0) & (scales == 0)] = 1  # a layer of zeros
        raised = scales < least
        scales = np.maximum(scales, least)
        weights[raised] = np.rint(mac.weights[raised] / scales[raised, None, None, None])
        requantize = requantize_for(
            scales,
            in_scale,
            made.scale,
            mac.bias,
            relu=layer.relu,
            bits=made.bits,
            signed=made.signed,
            order=made.order,
        )
    except ValueError as error:
        raise CaptureError(f"layer {layer.name}: {error}") from None
    return CalibratedLayer(weights, scales, requantize, made.scale)
