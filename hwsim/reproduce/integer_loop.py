"""A network in integers that answers pictures, without a trace of them: docs/integers.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwsim.between import Flow
from hwsim.capture.calibration import Calibration
from hwsim.capture.graph import RunningNetwork
from hwsim.capture.plan import Plan
from hwsim.errors import CaptureError
from hwsim.layer import Layer
from hwsim.quantize import Requantize, quantize_map, wrap32
from hwsim.reference import accumulate, run_network
from hwsim.trace import MapInfo


@dataclass(frozen=True, eq=False)
class IntegerLoop:
    """A calibrated network, computed in integers alone from the codes of a picture.

    Attributes:
        network: that quantizes the picture: its input maps may be padded or cut.
        planned: of the network.
        calibration: of that plan.

    Raises:
        CaptureError: integers do not make all of its maps, or it ends in anything but one layer of a number
            a class.
    """

    network: RunningNetwork
    planned: Plan
    calibration: Calibration

    def __post_init__(self) -> None:
        for name, reason in self.flow.captured.items():
            raise CaptureError(
                f"{self.title}: integers do not make map {name} ({reason}), so that its answers are measured "
                "in floats alone: leave --integers out"
            )
        ends = self._ends()
        if len(ends) != 1 or ends[0].out_shape[1:] != (1, 1):
            shapes = ", ".join(f"{layer.name}, which makes {layer.out_shape}" for layer in ends)
            raise CaptureError(
                f"{self.title}: in integers it ends in {shapes}: only one layer that makes a number a class "
                "answers a picture, leave --integers out"
            )

    @property
    def title(self) -> str:
        """For messages."""
        return self.network.name

    @property
    def layers(self) -> tuple[Layer, ...]:
        """In order of execution."""
        return tuple(known.layer for known in self.planned.layers)

    @property
    def maps(self) -> Mapping[str, MapInfo]:
        """What the layers read."""
        return self.calibration.maps

    @property
    def flow(self) -> Flow:
        """What makes the maps."""
        return self.calibration.flow

    def map(self, name: str, image: int) -> np.ndarray:
        """None is kept."""
        raise CaptureError(f"{self.title}: no map {name} of picture {image} is kept")

    def weights(self, layer: Layer) -> np.ndarray:
        """Integers of a layer."""
        return self.calibration.layers[layer.name].weights

    def requantize(self, layer: Layer) -> Requantize:
        """What a layer's drain does."""
        return self.calibration.layers[layer.name].requantize

    def logits(self, picture: np.ndarray) -> np.ndarray:
        """Integers, int64 (classes,), the largest for the answer.

        These are the last layer's 32-bit sums with their biases, times the multipliers of the channels,
        before the drain rounds: few bits would make equal answers of different ones.
        """
        inputs = [known for known in self.planned.maps if known.name in self.flow.inputs]
        values = self.network.run(picture, {value for known in inputs for value in known.wanted})
        given = {}
        for known in inputs:
            info = self.maps[known.name]
            given[known.name] = quantize_map(known.real(values), info.scale, info.bits, info.signed)
        (last,) = self._ends()
        read, drain = self.maps[last.input], self.requantize(last)
        codes = run_network(self, given)[last.input]
        sums = accumulate(last, codes, self.weights(last), read.signed).ravel().astype(np.int64)
        return wrap32(sums + drain.bias).astype(np.int64) * drain.multiplier

    def logits_of(self, pictures: np.ndarray) -> np.ndarray:
        """The same of several pictures, (N, classes)."""
        return np.stack([self.logits(picture) for picture in pictures])

    def _ends(self) -> list[Layer]:
        """The layers whose results no layer reads, nor what is made of them."""
        made_of = {operator.output: operator.inputs for operator in self.flow.operators}
        onward, new = set(), {layer.input for layer in self.layers}
        while new:
            onward |= new
            new = {name for output in new for name in made_of.get(output, ())} - onward
        return [layer for layer in self.layers if self.flow.results[layer.name] not in onward]
