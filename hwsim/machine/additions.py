"""What is added to the result of a layer: where it lies, and what of it crosses the DRAM channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hwsim.machine.storage import Segments


def output_name(layer: str) -> str:
    """What the result of a layer is called where it goes to DRAM and is no map."""
    return f"{layer} (output)"


@dataclass(frozen=True, eq=False)
class Added:
    """A map, or a result that is none, that is added to the result of a layer.

    Attributes:
        name: of the map, or :func:`output_name` of the layer whose result it is.
        of_layer: that layer; None if it is a map.
        map: all of it.
        fetched: bool (H,), rows of it that come from DRAM; the others are on chip.
        index_size: bytes of its index over the channel, if any of it is fetched.
    """

    name: str
    of_layer: str | None
    map: Segments
    fetched: np.ndarray
    index_size: int

    def blocks(self, made: Iterable[range], channels: int) -> np.ndarray:
        """The channel blocks of it that are added to some channels of a layer's result, bool (blocks,).

        All of them, if it has other channels than the result.

        Args:
            made: the channels.
            channels: of the result.
        """
        ends = self.map.ends
        if int(ends[-1]) != channels:
            return np.ones(len(ends), bool)
        starts = np.concatenate([[0], ends[:-1]])
        wanted = [(starts < part.stop) & (ends > part.start) for part in made]
        return np.any(wanted, axis=0)

    def segments(self, blocks: np.ndarray) -> np.ndarray:
        """Numbers of the segments of some channel blocks that come from DRAM, row by row, int64."""
        return np.flatnonzero(np.outer(self.fetched, blocks))
