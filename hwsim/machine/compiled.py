"""A network as it is compiled for a machine: who does what, fixed before the first picture is seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hwsim.arch import Arch
from hwsim.errors import ProgramError
from hwsim.layer import Layer
from hwsim.machine.chain import Link, links
from hwsim.machine.mapping import Mapping, map_blocks, map_layer

if TYPE_CHECKING:
    from hwsim.trace import Trace

T = TypeVar("T")


class CompiledNetwork:
    """What programs are made of, for any machine: the segments of maps, and which core makes which pass.

    It knows the layers of a trace and the row counts of its calibration pictures, and looks at none of its
    maps. All pictures of a run share one, so that a layer is mapped once for each machine.
    """

    def __init__(self, trace: Trace) -> None:
        self.layers: Sequence[Layer] = trace.layers
        self._trace = trace
        self._known: dict[tuple[Hashable, ...], object] = {}

    def _once(self, key: tuple[Hashable, ...], compute: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]  # type: ignore[return-value]

    def forget(self) -> None:
        """Drop all mappings, so that a long sweep does not keep all that it ever made."""
        self._known = {key: known for key, known in self._known.items() if key[0] != "mapping"}

    def links(self) -> list[Link] | None:
        """What becomes of each layer's map, if the network is a chain that a machine runs whole."""
        return self._once(("links",), self._links)

    def _links(self) -> list[Link] | None:
        if self._trace.flow is None:
            return None
        try:
            return links(self._trace)
        except ProgramError:
            return None

    def blocks(self, arch: Arch) -> dict[str, int]:
        """Channels of a segment of every map.

        Raises:
            ArchError: a layer does not fit the machine.
        """
        shape = (arch.columns, arch.accumulators, arch.weight_words)
        return self._once(("blocks", *shape), lambda: map_blocks(self.layers, arch))

    def _row_counts(self, name: str) -> np.ndarray | None:
        """Those of the trace, read once."""
        return self._once(("rows", name), lambda: self._trace.row_counts(name))

    def mapping(self, layer: Layer, arch: Arch) -> Mapping:
        """How a machine shares a layer; layers of one geometry share it where every value counts."""
        block = self.blocks(arch)[layer.input]
        rows = self._row_counts(layer.input) if arch.skip_zeros else None
        alike = layer.name if rows is not None else geometry(layer)

        def make() -> Mapping:
            counts = _all_values(layer, block)
            if rows is not None:
                counts = _mean_nonzeros(rows, block, self._trace.calibration_pictures)
            return map_layer(layer, arch, counts, block)

        return self._once(("mapping", alike, block, arch.columns, arch.cores, arch.row_split), make)


def geometry(layer: Layer) -> Layer:
    """A layer without its names: equal for layers that take the same time if values do not matter."""
    return replace(
        layer, name="", input="", output=None, also=(), adds=(), adds_results=(), relu=False, clamped=False
    )


def _mean_nonzeros(rows: np.ndarray, block: int, pictures: int) -> np.ndarray:
    """Non-zeros of every segment of a picture, int64 (H, channel blocks): the mean, to the nearest."""
    segments = np.add.reduceat(rows, np.arange(0, len(rows), block)).T
    return (segments + pictures // 2) // pictures


def _all_values(layer: Layer, block: int) -> np.ndarray:
    """Values of every segment of a layer's input map, int64 (H, channel blocks)."""
    channels, height, width = layer.in_shape
    values = np.minimum(block, channels - np.arange(0, channels, block)) * width
    return np.broadcast_to(values, (height, len(values)))
