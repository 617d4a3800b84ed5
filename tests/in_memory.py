"""What traces in memory share: tests make up layers and maps, and have no weights unless they say so."""

from typing import Any

import numpy as np

from hwsim.errors import NoWeightsError
from hwsim.layer import Layer
from hwsim.quantize import Requantize


class InMemory:
    """The part of a ``hwsim.Trace`` that does not matter to a test; it adds images, layers and maps."""

    title = "memory"
    network = "random"
    variant = "test"
    synthetic = True
    weight_bits = 8
    calibration_pictures = 0
    flow: Any = None

    @property
    def provenance(self) -> dict[str, Any]:
        return {}

    @property
    def metrics(self) -> dict[str, Any]:
        return {}

    def row_counts(self, name: str) -> np.ndarray | None:
        return None

    def weights(self, layer: Layer) -> np.ndarray:
        raise NoWeightsError("memory has no weights")

    def weight_scale(self, layer: Layer) -> float | np.ndarray:
        raise NoWeightsError("memory has no weights")

    def requantize(self, layer: Layer) -> Requantize:
        raise NoWeightsError("memory has no requantization")
