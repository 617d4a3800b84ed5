"""Scales, code orders and drains of a planned network, from pictures that are not measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, frexp, inf, ldexp
from operator import itemgetter

import numpy as np

from hwsim.between import Flow
from hwsim.capture.flow_codes import flow_of
from hwsim.capture.flow_plan import FlowEnd
from hwsim.capture.graph import RunningNetwork
from hwsim.capture.lattice import Own
from hwsim.capture.map_code import MapCode
from hwsim.capture.plan import Plan, PlannedLayer
from hwsim.codec.seg_lengths import best_order_of
from hwsim.errors import CaptureError
from hwsim.quantize import (
    Requantize,
    calibrate,
    drain_bounds,
    quantize_weights_per_channel,
    requantize_for,
)
from hwsim.trace import MapInfo

WEIGHT_BITS = 8
SCALE_DIGITS = 12  # binary, of a map's scale: at most 0.05 % of the range is given away
LARGEST_SUM = 1 << 30  # of an accumulator on calibration pictures: others may reach twice as far
SMALLEST_SCALE = 2.0**-8  # of a channel's weights, of the layer's largest: drains share a shift of 16 bits


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
        flow: what makes the maps in integers.
        ends: what the network ends in, by its name in the flow.
        row_counts: by map, the non-zeros of each row on all pictures together, int64 (C, H).
    """

    maps: dict[str, MapInfo]
    layers: dict[str, CalibratedLayer]
    flow: Flow
    ends: dict[str, FlowEnd]
    row_counts: dict[str, np.ndarray]

    @property
    def weight_bits(self) -> int:
        """Of all weights: 8, or as many as those of a quantized model take."""
        least = min(int(layer.weights.min()) for layer in self.layers.values())
        most = max(int(layer.weights.max()) for layer in self.layers.values())
        return max(WEIGHT_BITS, 1 + max(most, -least - 1).bit_length())


class _Range:
    """What is known of a tensor's values so far."""

    def __init__(self, percentile: float, headroom: float) -> None:
        self.percentile, self.headroom = percentile, headroom
        self.peaks: list[float] = []
        self.negative = False

    def add(self, real: np.ndarray) -> None:
        if self.percentile == 100:
            low, high = float(real.min()), float(real.max())
            peak = max(-low, high)
        else:
            low, peak = float(real.min()), float(np.percentile(np.abs(real), self.percentile))
        self.peaks.append(peak)
        self.negative |= low < 0

    def code(self, bits: int) -> MapCode:
        signed = self.negative
        if signed and bits == 1:
            raise CaptureError("a map has negative values, which take 2 bits or more: give more --bits")
        reach = np.array(self.peaks) * self.headroom
        return MapCode(bits, signed, _rounded_up(calibrate([reach], bits, signed)))


@dataclass(frozen=True, eq=False)
class _Tensor:
    """What needs a code: a map, or the result of a layer whose drain makes no map's codes.

    Attributes:
        wanted: values of a run that it takes.
        real: of those values, the tensor in real numbers.
        own: the code that a quantized model gives it.
    """

    wanted: tuple[str, ...]
    real: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    own: Own | None


def calibrate_network(
    network: RunningNetwork,
    plan: Plan,
    pictures: Iterable[np.ndarray],
    bits: int = 16,
    percentile: float = 100.0,
    headroom: float = 1.0,
    advance: Callable[[], None] = lambda: None,
) -> Calibration:
    """Run the pictures twice: for the largest values, then for the histograms of the codes.

    The largest code of a map stands for its largest magnitude, or for the largest of the pictures'
    percentiles of it (or a little more, since scales have few digits), times the headroom. A map is signed if
    it has a negative value. The order of SEG is the exact optimum of the histogram of all pictures together.
    Drains make the codes of the layer's output map where nothing but pooling is between; else they have a
    scale of their own, from the layer's own results. What a quantized model codes keeps its own scale and
    bits.

    Args:
        network: what runs.
        plan: of its graph.
        pictures: iterated twice; float32 (C, H, W).
        bits: of the maps, 1 .. 16.
        percentile: of a picture's magnitudes; 100 is the maximum.
        headroom: 1 or more, for pictures with larger values than these.
        advance: called after every run.

    Raises:
        CaptureError: values are not finite, a scale does not fit a drain, or there is no picture.
    """
    tensors = _tensors(plan)
    ranges = {name: _Range(percentile, headroom) for name, known in tensors.items() if known.own is None}
    reach = {planned.layer.name: np.zeros(planned.layer.out_shape[0]) for planned in plan.layers}
    wanted = {value for known in tensors.values() for value in known.wanted}
    wanted |= {planned.raw.root for planned in plan.layers}
    runs = 0
    for image in pictures:
        values = network.run(image, wanted)
        for planned in plan.layers:
            name = planned.layer.name
            result = _finite(planned.real(values), f"layer {name}").reshape(planned.layer.out_shape[0], -1)
            most = np.maximum(result.max(axis=1), -result.min(axis=1))
            reach[name] = np.maximum(reach[name], most)
        for key, range_ in ranges.items():
            range_.add(_finite(tensors[key].real(values), " ".join(key)))
        runs += 1
        advance()
    if not runs:
        raise CaptureError("calibration needs 1 picture or more: see --calibrate")
    codes = {
        key: ranges[key].code(bits) if tensor.own is None else MapCode.of_model(tensor.own)
        for key, tensor in tensors.items()
    }
    row_counts: dict[str, np.ndarray] = {}
    histograms = {key: np.zeros(1 << code.bits, np.int64) for key, code in codes.items()}
    wanted = {value for known in tensors.values() for value in known.wanted}
    for image in pictures:
        values = network.run(image, wanted)
        for key, tensor in tensors.items():
            met = codes[key].of(tensor.real(values))
            histograms[key] += np.bincount(met.ravel(), minlength=1 << codes[key].bits)
            if key[0] == "map":
                counts = np.count_nonzero(met, axis=2)
                row_counts[key[1]] = row_counts.get(key[1], np.zeros_like(counts)) + counts
        advance()
    for key, code in codes.items():
        codes[key] = replace(code, order=best_order_of(histograms[key]))
    maps = {}
    for planned_map in plan.maps:
        code = codes["map", planned_map.name]
        maps[planned_map.name] = MapInfo(
            planned_map.name, planned_map.shape, code.bits, code.order, code.signed, code.scale
        )
    coded = flow_of(plan.between, codes)
    layers = {
        planned.layer.name: _in_integers(
            planned,
            maps[planned.layer.input].scale,
            _drain_code(planned, codes),
            reach[planned.layer.name],
            coded.clamps.get(planned.layer.name),
        )
        for planned in plan.layers
    }
    return Calibration(maps, layers, coded.flow, coded.ends, row_counts)


def _rounded_up(scale: float) -> float:
    """Cut to few digits, so that runtimes that round floats otherwise come to the same scale."""
    mantissa, exponent = frexp(scale)
    return ldexp(ceil(ldexp(mantissa, SCALE_DIGITS)), exponent - SCALE_DIGITS)


def _tensors(plan: Plan) -> dict[tuple[str, str], _Tensor]:
    """What needs a code, by kind and name: every map, and the results that no drain codes for a map."""
    maps = {
        ("map", planned.name): _Tensor(planned.wanted, planned.real, planned.own) for planned in plan.maps
    }
    results = {
        ("result", planned.layer.name): _Tensor(
            (planned.raw.root,),
            partial(_behind_clamps, planned, plan.between.clamped.get(planned.layer.name, (-inf, inf))),
            planned.own,
        )
        for planned in plan.layers
        if not planned.direct
    }
    between = {key: _Tensor((root,), itemgetter(root), None) for key, root in plan.between.calibrated.items()}
    return {**maps, **results, **between}


def _drain_code(planned: PlannedLayer, codes: Mapping[tuple[str, str], MapCode]) -> MapCode:
    layer = planned.layer
    return codes["map", layer.output] if planned.direct and layer.output else codes["result", layer.name]


def _behind_clamps(
    planned: PlannedLayer, bounds: tuple[float, float], values: Mapping[str, np.ndarray]
) -> np.ndarray:
    """What a result becomes before anything else reads it: a drain need not code what is clamped then."""
    low, high = bounds
    if planned.layer.relu:
        low, high = max(low, 0), min(high, planned.ceiling)
    return planned.real(values).clip(low, high)


def _finite(real: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(real).all():
        raise CaptureError(f"{name} has a NaN or an infinity among its values: check weights and pictures")
    return real


def _weights(real: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers of 8 bits, and a scale for each output channel.

    A channel of weights so small that its sums would overflow the accumulator (a bias far above them), or its
    multiplier lose its digits, gets a larger scale: its weights lose digits that no code would show.

    Args:
        real: (M, C, Kh, Kw).
        sums: largest magnitude of each channel's sums and bias, in steps of the map.
    """
    weights, scales = quantize_weights_per_channel(real, WEIGHT_BITS)
    scales[~real.any(axis=(1, 2, 3))] = 0  # the scale of zeros is free
    least = sums / LARGEST_SUM
    least = np.maximum(least, np.maximum(scales, least).max() * SMALLEST_SCALE)
    least[(least == 0) & (scales == 0)] = 1  # a layer of zeros
    raised = scales < least
    scales = np.maximum(scales, least)
    weights[raised] = np.rint(real[raised] / scales[raised, None, None, None])
    return weights, scales


def _in_integers(
    planned: PlannedLayer,
    in_scale: float,
    made: MapCode,
    reach: np.ndarray,
    clamps: tuple[int, int] | None,
) -> CalibratedLayer:
    """Weights and drain of a layer; a quantized model's weights keep their integers.

    Args:
        planned: the layer.
        in_scale: of the map it reads.
        made: the code of its drain.
        reach: largest magnitude of its results before ReLU, by channel.
        clamps: integers between which its results are clamped behind its ReLU, if they are.
    """
    layer, mac = planned.layer, planned.mac
    relu = layer.relu
    if clamps is not None:
        low, high = clamps
        relu = relu and high >= 0
        low = max(low, 0) if relu else high if layer.relu else low
        clamps = None if (low, high) == drain_bounds(made.bits, made.signed, relu, None) else (low, high)
    try:
        if mac.scales is None:
            weights, scales = _weights(mac.weights, np.maximum(reach, np.abs(mac.bias)) / in_scale)
        else:
            weights, scales = (
                np.rint(mac.weights / mac.scales[:, None, None, None]).astype(np.int16),
                mac.scales,
            )
        requantize = requantize_for(
            scales,
            in_scale,
            made.scale,
            mac.bias,
            relu=relu,
            bits=made.bits,
            signed=made.signed,
            order=made.order,
            clamps=clamps,
        )
    except ValueError as error:
        raise CaptureError(f"layer {layer.name}: {error}") from None
    return CalibratedLayer(weights, scales, requantize, made.scale)
