"""What behind a layer becomes a part of it: factors and offsets of its channels, and its ReLU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, prod

import numpy as np

from hwsim.capture.graph import Graph, Lattice, Operator
from hwsim.capture.views import View
from hwsim.errors import CaptureError

PASSED = ("view", "pick", "relu", "quantize")  # a ReLU before or behind these is the same


@dataclass(frozen=True, eq=False)
class Folded:
    """What is folded into a layer.

    Attributes:
        factor, offset: float64 (M,), of what is folded.
        result: the value behind all that.
    """

    factor: np.ndarray
    offset: np.ndarray
    result: str


class Follower:
    """Looks at what follows the layers of a graph.

    Attributes:
        absorbed: outputs of what became a part of a layer.
    """

    def __init__(self, graph: Graph, lattices: Mapping[str, Lattice]) -> None:
        self.absorbed: set[str] = set()
        self._shapes, self._lattices = graph.shapes, lattices
        self._readers: dict[str, list[Operator]] = {}
        for operator in graph.operators:
            for value in operator.inputs:
                self._readers.setdefault(value, []).append(operator)

    def fold(self, raw: View, value: str) -> Folded:
        """Factors and offsets for each channel that all of a result passes.

        Args:
            raw: what a layer makes, as (M, Ho, Wo).
            value: the same as it stands in the run.

        Raises:
            CaptureError: a factor is not finite.
        """
        factor, offset = np.ones(raw.shape[0]), np.zeros(raw.shape[0])
        seen, result = View.of(value, self._shapes[value]), value
        while (follower := self._only_reader(value)) is not None:
            if follower.kind == "view":
                onward = seen.through(follower.steps)
                if onward is None or prod(onward.shape) != prod(raw.shape):
                    break
                seen, value = onward, follower.output
                continue
            if follower.kind != "scale" or follower.lattice is not None or self._is_gate(follower):
                break  # integers of a quantized model are rounded before and behind
            by, more = (_of_channels(part, seen, raw) for part in (follower.factor, follower.offset))
            if by is None or more is None or self._shapes[follower.output] != seen.shape:
                break
            if not (np.isfinite(by).all() and np.isfinite(more).all()):
                raise CaptureError(
                    f"what follows {result} is no finite factor or offset (divided by 0?): check the model"
                )
            factor, offset = factor * by, offset * by + more
            value = result = follower.output
            self.absorbed.add(value)
        return Folded(factor, offset, result)

    def relu(self, value: str) -> float | None:
        """The ceiling of the ReLU that all of a result passes; None without one.

        Integers whose least one stands for 0 clamp as a ReLU does: quantizers take the ReLU away.
        """
        while not self._clamps(value):
            follower = self._only_reader(value)
            if follower is None or follower.kind not in PASSED:
                return None
            if follower.kind == "relu":
                if self._is_gate(follower):
                    return None
                self.absorbed.add(follower.output)
                return follower.ceiling
            value = follower.output
        return inf

    def quantized(self, value: str) -> str | None:
        """The first value behind a result whose numbers are quantized; None if something else comes first."""
        while value not in self._lattices:
            follower = self._only_reader(value)
            if follower is None or follower.kind not in PASSED:
                return None
            value = follower.output
        return value

    def _clamps(self, value: str) -> bool:
        lattice = self._lattices.get(value)
        return lattice is not None and lattice.zero == lattice.low

    def _is_gate(self, operator: Operator) -> bool:
        """Whether a hard sigmoid begins here, clip(x + 3, 0, 6) / 6: no ReLU of the layer before it."""
        behind = self._only_reader(operator.output)
        if operator.kind == "scale":
            return behind is not None and behind.kind == "relu" and self._is_gate(behind)
        if operator.ceiling == inf or behind is None or behind.kind != "scale" or behind.factor.size != 1:
            return False
        return bool(np.isclose(behind.factor.item() * operator.ceiling, 1) and not behind.offset.any())

    def _only_reader(self, value: str) -> Operator | None:
        readers = self._readers.get(value, ())
        return readers[0] if len(readers) == 1 else None


def _of_channels(constant: np.ndarray, seen: View, raw: View) -> np.ndarray | None:
    """A constant beside a layer's result as one number for each of its channels; None if it is none.

    Args:
        constant: as it is broadcast to the result.
        seen: the result as it is then.
        raw: the result as (M, Ho, Wo), of the same root.
    """
    filters, size = raw.shape[0], prod(raw.shape)
    if constant.size == 1:
        return np.full(filters, constant.item())
    channels = np.empty(size, np.intp)
    channels[raw.of_array(np.arange(size)).reshape(filters, -1)] = np.arange(filters)[:, None]
    met = seen.of_array(channels)
    try:
        beside = np.broadcast_to(constant, met.shape)
    except ValueError:
        return None
    found = np.zeros(filters)
    found[met] = beside
    return found if np.array_equal(found[met], beside) else None
