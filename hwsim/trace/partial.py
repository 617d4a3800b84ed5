"""A trace without some of its layers, as if its capture had left them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hwsim.layer import Layer
from hwsim.quantize import Requantize
from hwsim.trace.header import MapInfo
from hwsim.trace.protocol import Trace
from hwsim.trace.provenance import LEFT_OUT, LeftOut, as_json, left_out


@dataclass(frozen=True)
class PartialTrace:
    """A :class:`Trace` less some layers; its provenance says which, so that every total does.

    Attributes:
        whole: the trace.
        without: what it is to lack, by the names of its layers.
    """

    whole: Trace
    without: tuple[LeftOut, ...]

    @property
    def title(self) -> str:
        return self.whole.title

    @property
    def network(self) -> str:
        return self.whole.network

    @property
    def variant(self) -> str:
        return self.whole.variant

    @property
    def synthetic(self) -> bool:
        return self.whole.synthetic

    @property
    def metrics(self) -> Mapping[str, Any]:
        return self.whole.metrics

    @property
    def images(self) -> int:
        return self.whole.images

    @property
    def flow(self) -> None:
        """No network is run of which layers are missing."""
        return None

    @property
    def weight_bits(self) -> int:
        return self.whole.weight_bits

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        lost = (*left_out(self.whole.provenance), *self.without)
        return {**self.whole.provenance, LEFT_OUT: as_json(lost)}

    @cached_property
    def layers(self) -> Sequence[Layer]:
        lost = {entry.layer for entry in self.without}
        return [layer for layer in self.whole.layers if layer.name not in lost]

    @cached_property
    def maps(self) -> Mapping[str, MapInfo]:
        """Those that the layers read."""
        read = {layer.input for layer in self.layers}
        return {name: info for name, info in self.whole.maps.items() if name in read}

    def map(self, name: str, image: int, /) -> np.ndarray:
        return self.whole.map(name, image)

    @property
    def calibration_pictures(self) -> int:
        return self.whole.calibration_pictures

    def row_counts(self, name: str, /) -> np.ndarray | None:
        return self.whole.row_counts(name)

    def weights(self, layer: Layer, /) -> np.ndarray:
        return self.whole.weights(layer)

    def weight_scale(self, layer: Layer, /) -> float | np.ndarray:
        return self.whole.weight_scale(layer)

    def requantize(self, layer: Layer, /) -> Requantize:
        return self.whole.requantize(layer)
