"""A network that does not run twice on the same picture, as long as there is room for what it made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from hwsim.capture.graph import Graph, RunningNetwork

ROOM = 512 << 20  # bytes


class Remembered:
    """Calibrates a network at many widths for little more than one: its values do not depend on the width.

    Args:
        network: what runs.
        pictures: whose values are kept; the same arrays must be asked for again.
        room: bytes for all values together; a picture whose values do not fit runs every time.
    """

    def __init__(self, network: RunningNetwork, pictures: Sequence[np.ndarray], room: int = ROOM) -> None:
        self._network, self._pictures, self._room = network, pictures, room
        self._kept: dict[int, dict[str, np.ndarray]] = {}

    @property
    def name(self) -> str:
        """Of the network."""
        return self._network.name

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Of the network."""
        return self._network.provenance

    def graph(self, image: np.ndarray) -> Graph:
        """Of the network."""
        return self._network.graph(image)

    def run(self, image: np.ndarray, wanted: Collection[str]) -> dict[str, np.ndarray]:
        """The values of these names, as the network gives them; not to be changed."""
        number = next((n for n, picture in enumerate(self._pictures) if picture is image), None)
        known = {} if number is None else self._kept.get(number, {})
        if known.keys() >= set(wanted):
            return {name: known[name] for name in wanted}
        values = self._network.run(image, wanted)
        size = sum(value.nbytes for value in values.values())
        if number is not None and size <= self._room:
            self._room -= size
            self._kept[number] = {**known, **values}
        return values
