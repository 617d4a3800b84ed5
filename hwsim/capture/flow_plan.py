"""What lies between the maps of a planned network, before anything is calibrated: values, steps, the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

import numpy as np

from hwsim.capture.graph import Lattice
from hwsim.capture.lattice import Own
from hwsim.capture.map_code import MapCode
from hwsim.capture.meanings import Meaning, Pooling, Resized
from hwsim.capture.views import View
from hwsim.layer import Layer

Shape = tuple[int, int, int]
Key = tuple[str, str]
"""Of a code that is calibrated: ``("map", name)``, ``("result", layer)`` or ``("value", root)``."""


@dataclass(eq=False)
class FlowNode:
    """A value in the making.

    Attributes:
        shape: (C, H, W).
        code: which calibrated code it has, or the one that a quantized model gives it.
        root: the value of the run that it is, whose range may be calibrated.
        map: name of the map that it is.
        layer: whose result it is.
        lattice: the integers that it has, if a quantized model gives them; their zero point is 0.
    """

    shape: Shape
    code: Key | MapCode | None = None
    root: str | None = None
    map: str | None = None
    layer: str | None = None
    lattice: Lattice | None = None


@dataclass(eq=False)
class FlowStep:
    """An operator in the making; ``what`` says which, in real numbers.

    Attributes:
        what: ``window``, ``sum``, ``scale``, ``clip``, ``concatenate``, ``move`` or ``resize``.
        low, high: real bounds of what it makes.
        factor, offset: of a ``scale``: for each channel, or one.
        order: of a ``move``: numbers of the integers read, as (C, H, W).
    """

    what: str
    inputs: list[FlowNode]
    output: FlowNode
    meaning: Meaning | None = None
    low: float = -inf
    high: float = inf
    factor: np.ndarray = field(default_factory=lambda: np.ones(1))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(1))
    order: np.ndarray | None = None

    @property
    def keeps(self) -> bool:
        """Whether what it makes has the scale of what it reads."""
        return self.what in ("concatenate", "move", "resize") or (
            isinstance(self.meaning, Pooling) and self.meaning.how == "max"
        )

    @property
    def picks(self) -> bool:
        """Whether every integer that it makes is one of those that it reads, or 0."""
        return self.keeps and not (isinstance(self.meaning, Resized) and self.meaning.blends)


@dataclass(frozen=True, eq=False)
class FlowEnd:
    """What a network ends in.

    Attributes:
        node: its integers.
        value: of the run.
        order: which of its integers stand where in the value.
        own: how a quantized model codes the value.
    """

    node: FlowNode
    value: str
    order: np.ndarray
    own: Own | None

    def real(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """It in real numbers, as the node has it, (C, H, W), from the values of a run."""
        found = values[self.value]
        made = np.empty(self.order.size)
        made[self.order.reshape(-1)] = (found if self.own is None else self.own.real(found, values)).reshape(
            -1
        )
        return made.reshape(self.node.shape)


@dataclass(frozen=True, eq=False)
class FlowPlan:
    """What lies between the maps of a plan.

    Attributes:
        steps: each behind those that make what it reads; only what leads to a map, or to what the network
            ends in.
        maps: by name, those that integers make.
        results: by layer.
        inputs, captured: maps that are given, the latter with the reason.
        clamped: by layer, the real bounds of a result that nothing reads but a clamp.
        ends: what the network ends in.
    """

    steps: tuple[FlowStep, ...]
    maps: Mapping[str, FlowNode]
    results: Mapping[str, FlowNode]
    inputs: tuple[str, ...]
    captured: Mapping[str, str]
    clamped: Mapping[str, tuple[float, float]]
    ends: tuple[FlowEnd, ...]

    @property
    def calibrated(self) -> dict[Key, str]:
        """The values of the run whose range is to be calibrated, by the key of their code."""
        codes = [step.output.code for step in self.steps]
        return {code: code[1] for code in codes if isinstance(code, tuple) and code[0] == "value"}


@dataclass
class SeenValue:
    """A value of the run: the node that it is, and which of its integers stand where (None: all in order)."""

    node: FlowNode
    order: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ReadMap:
    """A map that a layer reads: where it is found, as :class:`hwsim.capture.places.Place`.

    Attributes:
        own: how a quantized model codes it.
        elsewhere: whether the layer takes its integers for other real numbers than what made them did.
    """

    name: str
    view: View
    margins: tuple[tuple[int, int], tuple[int, int]]
    own: Own | None = None
    elsewhere: bool = False


@dataclass(frozen=True, eq=False)
class FlowResult:
    """A layer's result.

    Attributes:
        raw: it, among the values of the run.
        code: what its drain makes.
        own: that code, if a quantized model has it.
    """

    layer: Layer
    raw: View
    code: Key
    ceiling: float
    own: Own | None = None
