"""The integers of quantized models: which values have them, and the codes that they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hwsim.capture.graph import Graph, Lattice, Operator

MOST_BITS = 16


@dataclass(frozen=True)
class Own:
    """How a quantized model codes a map: a code stands for the integer less its zero point.

    Attributes:
        scale: real value of an integer step.
        zero: the zero point, or the name of the value that holds it; None if the map's values are real
            already.
        bits, signed: of the code: unsigned if the zero point is the least integer, else with one bit more.
    """

    scale: float
    zero: int | str | None
    bits: int
    signed: bool

    def real(self, found: np.ndarray, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Real numbers, float64, from the array of the map's value and those of the run."""
        if self.zero is None:
            return found
        zero = values[self.zero].item() if isinstance(self.zero, str) else self.zero
        return (found.astype(np.float64) - zero) * self.scale


def own_code(lattice: Lattice, never_negative: bool = False) -> Own | None:
    """The code of a map of such values; None if it takes more than 16 bits.

    Args:
        lattice: of its values.
        never_negative: whether no value is below 0, so that a zero point found for each picture is the least
            integer.
    """
    bits = (lattice.high - lattice.low).bit_length()
    signed = not never_negative if isinstance(lattice.zero, str) else lattice.zero != lattice.low
    zero = None if lattice.real else lattice.zero
    return Own(lattice.scale, zero, bits + signed, signed) if bits + signed <= MOST_BITS else None


def lattices(graph: Graph) -> dict[str, Lattice]:
    """Of every value that is quantized, or keeps the numbers of one that is."""
    found = {} if graph.lattice is None else {graph.image: graph.lattice}
    for operator in graph.operators:
        kept = operator.lattice or _kept(operator, found)
        if kept is not None:
            found[operator.output] = kept
    return found


def _kept(operator: Operator, found: Mapping[str, Lattice]) -> Lattice | None:
    sources = [found.get(value) for value in operator.inputs]
    first = sources[0] if sources else None
    if first is None or any(source != first for source in sources):
        return None
    if operator.kind in ("view", "pick", "concat") or (operator.kind == "pad" and first.real):
        return first
    if operator.kind == "relu" and first.real and isinstance(first.zero, int) and operator.ceiling == np.inf:
        return replace(first, low=max(first.low, first.zero))
    return None


def never_negative(graph: Graph) -> set[str]:
    """Values that are 0 or more, whatever the picture."""
    found: set[str] = set()
    for operator in graph.operators:
        known = bool(operator.inputs) and all(value in found for value in operator.inputs)
        if operator.kind == "relu" or (
            known and operator.kind in ("view", "pick", "concat", "pad", "quantize")
        ):
            found.add(operator.output)
    return found
