"""How the maps of a planned network come of each other, for its integers: from a graph to a flow.

Planned before anything is calibrated: which value an operator makes and which code each wants. A value wants
the code of the map that it is, or that all that read it want; else it is calibrated itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, prod

import numpy as np

from hwsim.capture.graph import Graph, Operator
from hwsim.capture.meanings import Bounded, Meaning, Pooling, Reduced, Resized, Summed
from hwsim.capture.views import View
from hwsim.layer import Layer

Shape = tuple[int, int, int]
Key = tuple[str, str]


@dataclass(eq=False)
class FlowNode:
    """A value in the making.

    Attributes:
        shape: (C, H, W).
        code: which calibrated code it has: ``("map", name)``, ``("result", layer)`` or ``("value", root)``.
        root: the value of the run that it is, whose range may be calibrated.
        map: name of the map that it is.
    """

    shape: Shape
    code: Key | None = None
    root: str | None = None
    map: str | None = None
    layer: str | None = None


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


@dataclass(frozen=True, eq=False)
class FlowPlan:
    """What lies between the maps of a plan.

    Attributes:
        steps: each behind those that make what it reads; only what leads to a map, or to what the network
            ends in.
        maps: by name, those that integers make.
        results: by layer.
        inputs, captured: maps that are given, the latter with the reason.
    """

    steps: tuple[FlowStep, ...]
    maps: Mapping[str, FlowNode]
    results: Mapping[str, FlowNode]
    inputs: tuple[str, ...]
    captured: Mapping[str, str]

    @property
    def calibrated(self) -> dict[Key, str]:
        """The values of the run whose range is to be calibrated, by the key of their code."""
        nodes = [step.output for step in self.steps]
        return {node.code: node.code[1] for node in nodes if node.code and node.code[0] == "value"}


@dataclass
class _Seen:
    """A value of the run: the node that it is, and which of its integers stand where (None: all in order)."""

    node: FlowNode
    order: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ReadMap:
    """A map that a layer reads: where it is found, as :class:`hwsim.capture.places.Place`."""

    name: str
    view: View
    margins: tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, eq=False)
class FlowResult:
    """A layer's result: ``raw`` is it among the values of the run, ``code`` what its drain makes."""

    layer: Layer
    raw: View
    code: Key
    ceiling: float


def between(
    graph: Graph,
    views: Mapping[str, View],
    absorbed: set[str],
    layers: Sequence[FlowResult],
    maps: Sequence[ReadMap],
) -> FlowPlan:
    """Plan what lies between maps.

    Args:
        graph: of the run.
        views: every value as a part of its root.
        absorbed: values that became a part of a layer.
        layers: those of the trace.
        maps: those of the trace.
    """
    return _Between(graph, views, absorbed, layers, maps).planned()


class _Between:
    def __init__(
        self,
        graph: Graph,
        views: Mapping[str, View],
        absorbed: set[str],
        layers: Sequence[FlowResult],
        maps: Sequence[ReadMap],
    ) -> None:
        self.graph, self.views, self.absorbed = graph, views, absorbed
        self.layers = {made.raw.root: made for made in layers}
        self.wanted: dict[str, list[ReadMap]] = {}
        for wanted in maps:
            self.wanted.setdefault(wanted.view.root, []).append(wanted)
        self.readers: dict[str, int] = {}
        for operator in graph.operators:
            for value in operator.inputs:
                self.readers[value] = self.readers.get(value, 0) + 1
        self.seen: dict[str, _Seen] = {}
        self.why: dict[str, str] = {graph.image: "the picture itself"}
        self.behind_layer: dict[str, bool] = {graph.image: False}
        self.steps: list[FlowStep] = []
        self.maps: dict[str, FlowNode] = {}
        self.results: dict[str, FlowNode] = {}
        self.inputs: list[str] = []
        self.captured: dict[str, str] = {}

    def planned(self) -> FlowPlan:
        self._give(self.graph.image)
        for operator in self.graph.operators:
            root = operator.output
            self.behind_layer[root] = operator.kind in ("mac", "unsupported") or any(
                self.behind_layer.get(value, True) for value in operator.inputs
            )
            made = self._make(operator)
            if isinstance(made, _Seen):
                self.seen[root] = made
            elif root == self.views[root].root:
                self.why[root] = made
            if root == self.views[root].root:
                self._give(root)
        steps = self._needed([*self.maps.values(), *self._ends()])
        self._want(steps)
        return FlowPlan(tuple(steps), self.maps, self.results, tuple(self.inputs), self.captured)

    # What each operator makes: a value seen as a node, or why integers do not make it.

    def _make(self, operator: Operator) -> _Seen | str:
        if operator.kind == "view":
            return self._view(operator)
        if operator.kind == "mac":
            made = self.layers.get(operator.output)
            return "a layer that is left out" if made is None else self._result(made)
        sources = [self._source(value) for value in operator.inputs]
        for value, source in zip(operator.inputs, sources, strict=True):
            if source is None:
                return self._reason(value)
        known = [source for source in sources if source is not None]
        if operator.output in self.absorbed or operator.lattice is not None:
            if operator.lattice is not None and operator.output not in self.absorbed:
                return "integers of a quantized model"
            return known[0]
        how: dict[str, Callable[[Operator, list[_Seen]], _Seen | str]] = {
            "relu": self._relu,
            "scale": self._scale,
            "concat": self._concat,
            "pad": self._pad,
        }
        if operator.kind in how:
            return how[operator.kind](operator, known)
        meaning = operator.meaning
        if isinstance(meaning, Pooling):
            return self._on_grid(operator, known[0], "window", meaning)
        if isinstance(meaning, Resized):
            return self._on_grid(operator, known[0], "resize", meaning)
        if isinstance(meaning, Reduced):
            return self._reduce(operator, known[0], meaning)
        if isinstance(meaning, Bounded):
            return self._clamp(operator, known[0], meaning.low, meaning.high)
        if isinstance(meaning, Summed) and len(known) == 2:
            return self._sum(operator, known, meaning)
        return operator.what or operator.kind

    def _view(self, operator: Operator) -> _Seen | str:
        view = self.views[operator.output]
        if view.root == operator.output:
            return "an order of its own"
        source = self.seen.get(view.root)
        if source is None:
            return self._reason(view.root)
        places = self._places(source, view.root)
        order = view.of_array(places)
        return _Seen(source.node, None if _in_order(order, source.node) else order)

    def _result(self, made: FlowResult) -> _Seen:
        node = FlowNode(made.layer.out_shape, made.code, layer=made.layer.name)
        self.results[made.layer.name] = node
        size = prod(node.shape)
        order = np.empty(size, np.int64)
        order[made.raw.of_array(np.arange(size)).reshape(-1)] = np.arange(size)
        order = order.reshape(self.graph.shapes[made.raw.root])
        seen = node
        if made.layer.relu and made.ceiling < inf:
            seen = FlowNode(node.shape, made.code)
            self.steps.append(FlowStep("clip", [node], seen, low=0, high=made.ceiling))
        return _Seen(seen, None if _in_order(order, node) else order)

    def _relu(self, operator: Operator, known: list[_Seen]) -> _Seen | str:
        return self._clamp(operator, known[0], 0, operator.ceiling)

    def _clamp(self, operator: Operator, known: _Seen, low: float, high: float) -> _Seen:
        """Bounds of what makes a value, if that rounds and nothing else reads it; else a clip."""
        source = self._whole(known)
        maker = next((step for step in self.steps if step.output is source.node), None)
        fused = (
            maker is not None
            and not maker.keeps
            and maker.what != "clip"
            and self.readers[operator.inputs[0]] == 1
            and source.node.map is None
            and (maker.low, maker.high) == (-inf, inf)
        )
        if fused and maker is not None:
            maker.low, maker.high = low, high
            source.node.root = operator.output
            return source
        node = FlowNode(source.node.shape, root=operator.output)
        self.steps.append(FlowStep("clip", [source.node], node, low=low, high=high))
        return _Seen(node, source.order)

    def _pad(self, operator: Operator, known: list[_Seen]) -> _Seen | str:
        """Zeros around (1, C, H, W)."""
        read, shape = operator.inputs[0], self.graph.shapes[operator.output]
        if len(shape) != 4 or shape[0] != 1:
            return operator.what
        source = self._moved(known[0].node, self._places(known[0], read).reshape(self.graph.shapes[read][1:]))
        before = [pads[0] for pads in operator.pads[1:]]
        node = FlowNode((shape[1], shape[2], shape[3]), root=operator.output)
        self.steps.append(FlowStep("move", [source], node, order=np.array(before)))
        return _Seen(node)

    def _scale(self, operator: Operator, known: list[_Seen]) -> _Seen | str:
        source, shape = self._whole(known[0]), self.graph.shapes[operator.output]
        if self.graph.shapes[operator.inputs[0]] != shape:
            return operator.what or "a factor that is spread out"
        parts = []
        for part in (operator.factor, operator.offset):
            along = np.empty(prod(shape))
            along[self._flat(source, shape)] = np.broadcast_to(part, shape).reshape(-1)
            rows = along.reshape(source.node.shape[0], -1)
            if not np.isfinite(rows).all() or np.ptp(rows, axis=1).any():
                return f"{operator.what or 'scale'}: factors that are not those of channels"
            parts.append(rows[:, 0])
        node = FlowNode(source.node.shape, root=operator.output)
        step = FlowStep("scale", [source.node], node, factor=parts[0], offset=parts[1])
        self.steps.append(step)
        return _Seen(node, source.order)

    def _sum(self, operator: Operator, known: list[_Seen], meaning: Summed) -> _Seen | str:
        shape = self.graph.shapes[operator.output]
        if any(self.graph.shapes[value] != shape for value in operator.inputs):
            return f"{operator.what}: a value that is spread out"
        first, second = self._whole(known[0]), self._whole(known[1])
        places = self._flat(first, shape), self._flat(second, shape)
        order = np.empty_like(places[0])
        order[places[0]] = places[1]
        other = self._moved(second.node, order.reshape(first.node.shape))
        node = FlowNode(first.node.shape, root=operator.output)
        self.steps.append(FlowStep("sum", [first.node, other], node, meaning))
        return _Seen(node, first.order)

    def _on_grid(self, operator: Operator, known: _Seen, what: str, meaning: Meaning) -> _Seen | str:
        """A step that reads and makes (1, C, H, W)."""
        shapes = self.graph.shapes[operator.inputs[0]], self.graph.shapes[operator.output]
        if any(len(shape) != 4 or shape[0] != 1 for shape in shapes):
            return operator.what
        source = self._moved(known.node, self._places(known, operator.inputs[0]).reshape(shapes[0][1:]))
        node = FlowNode((shapes[1][1], shapes[1][2], shapes[1][3]), root=operator.output)
        self.steps.append(FlowStep(what, [source], node, meaning))
        return _Seen(node)

    def _reduce(self, operator: Operator, known: _Seen, meaning: Reduced) -> _Seen | str:
        shape = self.graph.shapes[operator.inputs[0]]
        axes = tuple(sorted(axis % len(shape) for axis in meaning.axes))
        kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
        if len(axes) not in (1, 2) or 0 in axes:
            return operator.what
        places = self._places(known, operator.inputs[0]).transpose((*kept, *axes))
        sizes = (1, *(shape[axis] for axis in axes))[-2:]
        source = self._moved(known.node, places.reshape(-1, *sizes))
        node = FlowNode((prod(shape[axis] for axis in kept), 1, 1), root=operator.output)
        kernel = (sizes[0], sizes[1])
        self.steps.append(FlowStep("window", [source], node, Pooling(meaning.how, kernel, kernel)))
        return _Seen(node)

    def _concat(self, operator: Operator, known: list[_Seen]) -> _Seen | str:
        shapes = [self.graph.shapes[value] for value in operator.inputs]
        made = self.graph.shapes[operator.output]
        axes = [
            axis
            for axis in range(len(made))
            if all(len(shape) == len(made) for shape in shapes)
            and sum(shape[axis] for shape in shapes) == made[axis]
            and all(s[:axis] + s[axis + 1 :] == made[:axis] + made[axis + 1 :] for s in shapes)
        ]
        if shapes == [made]:
            return known[0]
        if len(axes) != 1 or len(known) < 2:
            return f"{operator.what}: parts that are not all made of the picture"
        axis = axes[0]
        first = np.moveaxis(self._places(known[0], operator.inputs[0]), axis, 0)
        rest = sorted(range(1, first.ndim), key=lambda n: -_stride(first, n))
        turn = (axis, *(n - 1 if n <= axis else n for n in rest))
        sizes = [size for size in (made[n] for n in turn[1:]) if size > 1]
        fold = (prod(sizes[:-1]), sizes[-1]) if len(sizes) != 1 else (1, sizes[0])
        fold = fold if sizes else (1, 1)
        parts = [
            self._moved(each.node, self._places(each, value).transpose(turn).reshape(-1, *fold))
            for each, value in zip(known, operator.inputs, strict=True)
        ]
        node = FlowNode((made[axis], *fold), root=operator.output)
        self.steps.append(FlowStep("concatenate", parts, node))
        order = np.arange(prod(made)).reshape([made[n] for n in turn]).transpose(np.argsort(turn))
        return _Seen(node, None if _in_order(order, node) else order)

    # Where values are.

    def _source(self, value: str) -> _Seen | None:
        return self.seen.get(value)

    def _reason(self, value: str) -> str:
        return self.why.get(self.views[value].root) or self.why.get(value) or "an order of its own"

    def _places(self, seen: _Seen, value: str) -> np.ndarray:
        """Which integer of its node each element of a value is."""
        shape = self.graph.shapes[value]
        return np.arange(prod(shape)).reshape(shape) if seen.order is None else seen.order.reshape(shape)

    def _flat(self, seen: _Seen, shape: Sequence[int]) -> np.ndarray:
        return np.arange(prod(shape)) if seen.order is None else seen.order.reshape(-1)

    def _whole(self, seen: _Seen) -> _Seen:
        """The value with a node that holds it and nothing else."""
        if seen.order is None:
            return seen
        size = prod(seen.node.shape)
        if seen.order.size == size and (np.bincount(seen.order.reshape(-1), minlength=size) == 1).all():
            return seen
        shape = tuple(seen.order.shape)
        inner = shape[1:] if shape[0] == 1 else shape
        folded = (*inner, 1, 1)[:3] if len(inner) < 4 else (prod(inner[:-2]), *inner[-2:])
        return _Seen(self._moved(seen.node, seen.order.reshape(folded)))

    def _moved(self, node: FlowNode, order: np.ndarray) -> FlowNode:
        """The integers of a node in another order, or shape."""
        shape: Shape = (order.shape[0], order.shape[1], order.shape[2])
        if shape == node.shape and _in_order(order, node):
            return node
        made = FlowNode(shape)
        self.steps.append(FlowStep("move", [node], made, order=order))
        return made

    # Maps.

    def _give(self, root: str) -> None:
        """The maps that are found in a value: made of its node, or given."""
        for wanted in self.wanted.get(root, ()):
            seen = self.seen.get(root)
            if seen is None or not self.behind_layer[root]:
                if self.behind_layer[root]:
                    self.captured[wanted.name] = self._reason(root)
                else:
                    self.inputs.append(wanted.name)
                self._know(wanted, root)
                continue
            order = wanted.view.of_array(self._places(seen, root))
            node = self._moved(seen.node, order)
            if any(map(any, wanted.margins)):
                sizes = [sum(around) + n for around, n in zip(wanted.margins, node.shape[1:], strict=True)]
                padded = FlowNode((node.shape[0], sizes[0], sizes[1]))
                before = (0, wanted.margins[0][0], wanted.margins[1][0])
                self.steps.append(FlowStep("move", [node], padded, order=np.array(before)))
                node = padded
            if node.map is not None or (node.layer and node.code != ("map", wanted.name)):
                same = FlowNode(node.shape)
                self.steps.append(FlowStep("clip", [node], same))
                node = same
            node.map, node.code = wanted.name, ("map", wanted.name)
            self.maps[wanted.name] = node

    def _know(self, wanted: ReadMap, root: str) -> None:
        """What else reads the value of a map that is given has the map, if it is all of the value."""
        size = prod(self.graph.shapes[root])
        if any(map(any, wanted.margins)) or prod(wanted.view.shape) != size or root in self.seen:
            return
        order = np.empty(size, np.int64)
        order[wanted.view.of_array(np.arange(size)).reshape(-1)] = np.arange(size)
        channels, height, width = wanted.view.shape
        node = FlowNode((channels, height, width), ("map", wanted.name), root, wanted.name)
        order = order.reshape(self.graph.shapes[root])
        self.seen[root] = _Seen(node, None if _in_order(order, node) else order)

    def _ends(self) -> list[FlowNode]:
        """What the network ends in, as far as integers go: nothing that is read or made of it leads to a
        layer, or goes on in integers."""
        onward: set[str] = set()  # values that lead to a layer
        for operator in reversed(self.graph.operators):
            if operator.kind in ("mac", "unsupported") or operator.output in onward:
                onward.update(operator.inputs)
        read = {value for each in self.graph.operators if each.output in self.seen for value in each.inputs}
        ends = [value for value in self.seen if value not in onward | read and self.behind_layer[value]]
        return [self.seen[value].node for value in ends]

    def _needed(self, wanted: Sequence[FlowNode]) -> list[FlowStep]:
        needed = {id(node) for node in wanted}
        steps = []
        for step in reversed(self.steps):
            if id(step.output) in needed:
                needed |= {id(node) for node in step.inputs}
                steps.append(step)
        return steps[::-1]

    def _want(self, steps: list[FlowStep]) -> None:
        readers: dict[int, list[FlowStep]] = {}
        for step in steps:
            for node in step.inputs:
                readers.setdefault(id(node), []).append(step)
        for step in reversed(steps):
            if step.output.code is None:
                codes = {
                    reader.output.code if reader.keeps else None
                    for reader in readers.get(id(step.output), ())
                }
                if len(codes) == 1:
                    step.output.code = codes.pop()
        for step in steps:
            if step.output.code is None and step.keeps and len(step.inputs) == 1:
                step.output.code = step.inputs[0].code
            elif step.output.code is None and step.output.root is not None:
                step.output.code = ("value", step.output.root)


def _in_order(order: np.ndarray, node: FlowNode) -> bool:
    size = prod(node.shape)
    return order.size == size and bool((order.reshape(-1) == np.arange(size)).all())


def _stride(places: np.ndarray, axis: int) -> int:
    if places.shape[axis] == 1:
        return 0
    flat = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
    return abs(int(flat[1, 0] - flat[0, 0]))
