"""What of a network is rounded as it runs: its maps to their codes, its weights to 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwsim.capture.calibration import Calibration
from hwsim.capture.graph import Graph, Operator
from hwsim.capture.map_code import MapCode
from hwsim.capture.plan import Plan, PlannedLayer
from hwsim.errors import CaptureError


@dataclass(frozen=True, eq=False)
class RoundedMac:
    """What a MAC operator computes in place of its own, in real numbers.

    Attributes:
        weights: float32 (M, C, Kh, Kw), integers times the scale of their channel.
        bias: float32 (M,), integers times the unit of the accumulator.
        result: name of the value that it makes, with what is folded into it.
    """

    weights: np.ndarray
    bias: np.ndarray
    result: str


@dataclass(frozen=True, eq=False)
class Rounding:
    """A quantized network, as changes to the one in floats.

    Attributes:
        codes: how values are rounded, by name: every map that a layer reads, and every result that a drain
            writes before an addition or an average.
        macs: by the name of the value that the operator makes.
    """

    codes: Mapping[str, MapCode]
    macs: Mapping[str, RoundedMac]


def rounding_of(graph: Graph, planned: Plan, calibration: Calibration) -> Rounding:
    """The changes that a calibration means.

    Results that no layer reads, the logits, stay as they are: the machine has their sums in 32 bits, and few
    bits would make equal answers of different ones.

    Args:
        graph: of the network.
        planned: of that graph, nothing left out.
        calibration: of that plan.

    Raises:
        CaptureError: the network has a layer that a loop in floats does not compute anew.
    """
    codes = {}
    for known in planned.maps:
        info = calibration.maps[known.name]
        codes[known.value] = MapCode(info.bits, info.signed, info.scale)
    macs = {}
    operators = [operator for operator in graph.operators if operator.kind == "mac"]
    for operator, place in zip(operators, planned.layers, strict=True):
        _check(operator, place)
        layer = calibration.layers[place.layer.name]
        drain, scales = layer.requantize, layer.scales
        if not place.direct and place.layer.output is not None:
            codes.setdefault(place.result, MapCode(drain.bits, drain.signed, layer.out_scale))
        unit = scales * calibration.maps[place.layer.input].scale
        macs[operator.output] = RoundedMac(
            (layer.weights * scales[:, None, None, None]).astype(np.float32),
            (drain.bias * unit).astype(np.float32),
            place.result,
        )
    return Rounding(codes, macs)


def _check(operator: Operator, place: PlannedLayer) -> None:
    """Whether a loop can put other weights into an operator as it stands."""
    mac = operator.mac
    assert mac is not None
    plain = not (mac.transposed or operator.steps or operator.made_steps or operator.reads)
    if not plain or place.reordered:
        raise CaptureError(
            f"layer {place.layer.name}: accuracy is measured of plain convolutions and linear layers, "
            "not of transposed ones, of integers, or of vectors along another axis than the last"
        )
