"""What a trace is to everything that reads one: stored, synthetic, or made up in memory by a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from hwsim.between import Flow
from hwsim.layer import Layer
from hwsim.quantize import Requantize
from hwsim.trace.header import MapInfo


class Trace(Protocol):
    """Activation maps of a network's MAC layers, and what else is known of it.

    :func:`hwsim.open_trace` and :func:`hwsim.synthetic.synthetic_trace` give one. The fields that are not
    described here are those of :class:`hwsim.trace.header.Header`.
    """

    @property
    def title(self) -> str:
        """What it is called where something is said of it: a path, a URL, or words."""
        ...

    @property
    def network(self) -> str: ...

    @property
    def variant(self) -> str: ...

    @property
    def synthetic(self) -> bool: ...

    @property
    def provenance(self) -> Mapping[str, Any]: ...

    @property
    def metrics(self) -> Mapping[str, Any]: ...

    @property
    def images(self) -> int: ...

    @property
    def weight_bits(self) -> int: ...

    @property
    def layers(self) -> Sequence[Layer]: ...

    @property
    def maps(self) -> Mapping[str, MapInfo]:
        """By name; a map is listed once, whatever the number of layers that read it."""
        ...

    @property
    def flow(self) -> Flow | None:
        """What makes the maps; None if that was not recorded."""
        ...

    def map(self, name: str, image: int, /) -> np.ndarray:
        """Codes of a map of an image, uint16 (C, H, W).

        Raises:
            TraceError: no such map or image, or its data is missing or damaged.
        """
        ...

    @property
    def calibration_pictures(self) -> int:
        """How many pictures the row counts are of; 0 if it has none."""
        ...

    def row_counts(self, name: str, /) -> np.ndarray | None:
        """How many values of each row of a map are not zero on the calibration pictures, int64 (C, H).

        They are counted over :attr:`calibration_pictures` together, for who must not look at the picture that
        is run. None if the trace has none: it is of schema 1.

        Raises:
            TraceError: no such map, or its counts are missing or damaged.
        """
        ...

    def weights(self, layer: Layer, /) -> np.ndarray:
        """Weights of a layer, int16 of shape ``layer.weight_shape``.

        Raises:
            TraceError: no such layer, the trace has no weights, or they are damaged.
        """
        ...

    def weight_scale(self, layer: Layer, /) -> float | np.ndarray:
        """Real weight = integer * scale: one number, or float64 (M,), one for each output channel.

        Raises:
            TraceError: no such layer, or the trace has no weights.
        """
        ...

    def requantize(self, layer: Layer, /) -> Requantize:
        """What the layer's drain does.

        Raises:
            TraceError: no such layer, the trace does not have it, or it is damaged.
        """
        ...
