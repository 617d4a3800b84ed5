"""How far the maps that integers make are from those that were captured: the float network's, quantized."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from hwsim.errors import TraceError
from hwsim.quantize import integers
from hwsim.reference import run_network
from hwsim.trace import StoredTrace


@dataclass(frozen=True)
class Difference:
    """Of one map, over some pictures.

    Attributes:
        map: its name, or that of what the network ends in.
        origin: ``input``, ``captured`` (neither of which can differ), or ``integers``.
        values: how many were compared.
        differ: how many are not the same.
        largest: difference, in steps of the map's scale.
        mean: of the differences' magnitudes.
        reach: largest captured magnitude, in steps.
    """

    map: str
    origin: str
    values: int
    differ: int
    largest: int
    mean: float
    reach: int


def differences(
    trace: StoredTrace, images: Iterable[int], advance: Callable[[], None] = lambda: None
) -> list[Difference]:
    """Compute pictures of a trace in integers, from input to end, and compare map by map.

    Args:
        trace: with a flow.
        images: numbers of pictures, 1 or more.
        advance: called after each picture.

    Raises:
        TraceError: the trace does not say what lies between its maps, or is damaged.
    """
    flow = trace.flow
    kinds = {name: info.value for name, info in trace.maps.items()} | trace.ends
    found: dict[str, list[tuple[int, int, int, int, int]]] = {name: [] for name in kinds}
    for image in images:
        made = run_network(trace, image)
        for name, info in kinds.items():
            codes = trace.end(name, image) if name in trace.ends else trace.map(name, image)
            captured = integers(codes, info.signed)
            apart = np.abs(integers(made[name], info.signed) - captured)
            found[name].append(
                (
                    apart.size,
                    int(np.count_nonzero(apart)),
                    int(apart.max()),
                    int(apart.sum()),
                    int(np.abs(captured).max()),
                )
            )
        advance()
    if flow is None or not all(found.values()):
        raise TraceError(f"{trace.title}: no picture to compare")
    origins = dict.fromkeys(flow.inputs, "input") | dict.fromkeys(flow.captured, "captured")
    rows = []
    for name, each in found.items():
        values, differ, largest, total, reach = zip(*each, strict=True)
        rows.append(
            Difference(
                name,
                origins.get(name, "integers"),
                sum(values),
                sum(differ),
                max(largest),
                sum(total) / sum(values),
                max(reach),
            )
        )
    return rows
