"""How the real values of a map become codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.capture.lattice import Own
from hwsim.quantize import code_limits, quantize_map


@dataclass(frozen=True)
class MapCode:
    """How real values become codes: see :class:`hwsim.trace.MapInfo`."""

    bits: int
    signed: bool
    scale: float
    order: int = 0

    @staticmethod
    def of_model(own: Own) -> MapCode:
        """The code that a quantized model has."""
        return MapCode(own.bits, own.signed, own.scale)

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the largest integer."""
        return code_limits(self.bits, self.signed)

    def of(self, real: np.ndarray) -> np.ndarray:
        """Codes of real values, uint16."""
        return quantize_map(real, self.scale, self.bits, self.signed)
