"""How the maps of a planned network come of each other, for its integers: from a graph to a flow.

Planned before anything is calibrated: which value an operator makes and which code each wants. A value wants
the code of the map that it is, or that all that read it want; else it is calibrated itself. What a quantized
model codes keeps its integers, less their zero point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf, prod

import numpy as np

from hwsim.capture.flow_plan import FlowEnd, FlowNode, FlowPlan, FlowResult, FlowStep, ReadMap, SeenValue
from hwsim.capture.flow_steps import Made, Steps, in_order, is_whole
from hwsim.capture.graph import Graph, Lattice, Operator
from hwsim.capture.lattice import Own, own_code
from hwsim.capture.views import View
from hwsim.quantize import code_limits

FOUND_ANEW = "a further result of an operator, such as a scale that is found anew for each picture"


def between(
    graph: Graph,
    views: Mapping[str, View],
    lattices: Mapping[str, Lattice],
    absorbed: set[str],
    layers: Sequence[FlowResult],
    maps: Sequence[ReadMap],
) -> FlowPlan:
    """Plan what lies between maps.

    Args:
        graph: of the run.
        views: every value as a part of its root.
        lattices: of the values that are quantized.
        absorbed: values that became a part of a layer.
        layers: those of the trace.
        maps: those of the trace.
    """
    return _Between(graph, views, lattices, absorbed, layers, maps).planned()


class _Between:
    def __init__(
        self,
        graph: Graph,
        views: Mapping[str, View],
        lattices: Mapping[str, Lattice],
        absorbed: set[str],
        layers: Sequence[FlowResult],
        maps: Sequence[ReadMap],
    ) -> None:
        self.graph, self.views, self.lattices, self.absorbed = graph, views, lattices, absorbed
        self.layers = {made.raw.root: made for made in layers}
        self.wanted: dict[str, list[ReadMap]] = {}
        for wanted in maps:
            self.wanted.setdefault(wanted.view.root, []).append(wanted)
        self.readers = _readers(graph, views)
        self.steps = Steps(graph, self.readers)
        self.seen: dict[str, SeenValue] = {}
        self.why: dict[str, str] = {graph.image: "the picture itself"}
        self.behind_layer: dict[str, bool] = {graph.image: False}
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
            if isinstance(made, SeenValue):
                self.seen[root] = made
            elif root == self.views[root].root:
                self.why[root] = made
            if root == self.views[root].root:
                self._give(root)
        ends = self._ends()
        steps = self._needed([*self.maps.values(), *(end.node for end in ends)])
        _want(steps)
        clamped = _clamped(steps, self.results)
        return FlowPlan(
            tuple(steps), self.maps, self.results, tuple(self.inputs), self.captured, clamped, tuple(ends)
        )

    def _make(self, operator: Operator) -> Made:
        """What an operator makes: a value seen as a node, or why integers do not make it."""
        if operator.kind == "view":
            return self._view(operator)
        if operator.kind == "mac":
            layer = self.layers.get(operator.output)
            made: Made = "a layer that is left out" if layer is None else self._result(layer)
        else:
            sources = [self.seen.get(value) for value in operator.inputs]
            for value, source in zip(operator.inputs, sources, strict=True):
                if source is None:
                    return self._reason(value)
            known = [source for source in sources if source is not None]
            if operator.output in self.absorbed:
                return known[0]
            again = operator.kind == "quantize"
            made = self._again(operator, known[0]) if again else self.steps.of(operator, known)
        if operator.lattice is None or isinstance(made, str):
            return made
        only = operator.kind != "quantize" or self.readers[operator.inputs[0]] == 1
        return self.steps.quantized(operator.lattice, made, only)

    def _again(self, operator: Operator, known: SeenValue) -> Made:
        """What is to be quantized, or is quantized and taken for real numbers."""
        before, after = self.lattices.get(operator.inputs[0]), operator.lattice
        if after is None:
            return "integers whose scale is not one constant"
        if after.real and before is not None and (before.scale, before.zero) != (after.scale, after.zero):
            return "integers read with another scale than they are made with"
        return known

    def _view(self, operator: Operator) -> Made:
        view = self.views[operator.output]
        if view.root == operator.output:
            return "an order of its own"
        source = self.seen.get(view.root)
        if source is None:
            return self._reason(view.root)
        places = self.steps.places(source, view.root)
        order = view.of_array(places)
        return SeenValue(source.node, None if in_order(order, source.node) else order)

    def _result(self, made: FlowResult) -> SeenValue:
        node = FlowNode(made.layer.out_shape, made.code, layer=made.layer.name)
        if made.own is not None:
            node.lattice = _of_drain(made.own, made.layer.relu)
        self.results[made.layer.name] = node
        size = prod(node.shape)
        order = np.empty(size, np.int64)
        order[made.raw.of_array(np.arange(size)).reshape(-1)] = np.arange(size)
        order = order.reshape(self.graph.shapes[made.raw.root])
        seen = node
        if made.layer.relu and made.ceiling < inf:
            seen = self.steps.add("clip", [node], node.shape, low=0, high=made.ceiling)
            seen.code = made.code
        return SeenValue(seen, None if in_order(order, node) else order)

    def _reason(self, value: str) -> str:
        root = self.views[value].root
        return self.why.get(root) or self.why.get(value) or FOUND_ANEW

    def _give(self, root: str) -> None:
        """The maps that are found in a value: made of its node, or given."""
        for wanted in self.wanted.get(root, ()):
            seen = None if wanted.elsewhere else self.seen.get(root)
            if seen is None or not self.behind_layer[root]:
                if not self.behind_layer[root]:
                    self.inputs.append(wanted.name)
                elif wanted.elsewhere:
                    self.captured[wanted.name] = "integers read with another scale than they are made with"
                else:
                    self.captured[wanted.name] = self._reason(root)
                self._know(wanted, root)
                continue
            order = wanted.view.of_array(self.steps.places(seen, root))
            node = self.steps.moved(seen.node, order)
            if any(map(any, wanted.margins)):
                sizes = [sum(around) + n for around, n in zip(wanted.margins, node.shape[1:], strict=True)]
                before = (0, wanted.margins[0][0], wanted.margins[1][0])
                padded = (node.shape[0], sizes[0], sizes[1])
                node = self.steps.add("move", [node], padded, order=np.array(before))
            if (
                node.map is not None
                or (node.layer and node.code != ("map", wanted.name))
                or (node.lattice and (wanted.own is None or wanted.own.scale != node.lattice.scale))
            ):
                node = self.steps.add("clip", [node], node.shape)
            node.map, node.code = wanted.name, ("map", wanted.name)
            node.lattice = None if wanted.own is None else _of_drain(wanted.own)
            self.maps[wanted.name] = node

    def _know(self, wanted: ReadMap, root: str) -> None:
        """What else reads the value of a map that is given has the map, if it is all of the value."""
        size = prod(self.graph.shapes[root])
        whole = prod(wanted.view.shape) == size and not any(map(any, wanted.margins))
        if wanted.elsewhere or not whole or root in self.seen:
            return
        order = np.empty(size, np.int64)
        order[wanted.view.of_array(np.arange(size)).reshape(-1)] = np.arange(size)
        channels, height, width = wanted.view.shape
        node = FlowNode((channels, height, width), ("map", wanted.name), root, wanted.name)
        if wanted.own is not None:
            node.lattice = _of_drain(wanted.own)
        order = order.reshape(self.graph.shapes[root])
        self.seen[root] = SeenValue(node, None if in_order(order, node) else order)

    def _ends(self) -> list[FlowEnd]:
        """What the network ends in, as far as integers go: nothing that is read or made of it leads to a
        layer, or goes on in integers."""
        onward: set[str] = set()  # values that lead to a layer
        for operator in reversed(self.graph.operators):
            if operator.kind in ("mac", "unsupported") or operator.output in onward:
                onward.update(operator.inputs)
        read = {value for each in self.graph.operators if each.output in self.seen for value in each.inputs}
        ends: list[FlowEnd] = []
        for value in self.seen:
            root = self.views[value].root
            if value not in onward | read and self.behind_layer[value] and root in self.seen:
                seen, lattice = self.seen[root], self.lattices.get(root)
                own = None if lattice is None or lattice.real else own_code(lattice)
                if is_whole(seen) and all(end.node is not seen.node for end in ends):
                    ends.append(FlowEnd(seen.node, root, self.steps.places(seen, root), own))
        return ends

    def _needed(self, wanted: Sequence[FlowNode]) -> list[FlowStep]:
        needed = {id(node) for node in wanted}
        steps = []
        for step in reversed(self.steps.made):
            if id(step.output) in needed:
                needed |= {id(node) for node in step.inputs}
                steps.append(step)
        return steps[::-1]


def _want(steps: Sequence[FlowStep]) -> None:
    """Give every value a code."""
    readers = _reading(steps)
    for step in reversed(steps):
        if step.output.code is None:
            codes = {  # of two clamps behind each other, the first one makes what the second one needs
                reader.output.code if reader.keeps or step.what == reader.what == "clip" else None
                for reader in readers.get(id(step.output), ())
            }
            if len(codes) == 1:
                step.output.code = codes.pop()
    for step in steps:
        if step.output.code is None and step.keeps and len(step.inputs) == 1:
            step.output.code = step.inputs[0].code
        elif step.output.code is None and step.output.root is not None:
            step.output.code = ("value", step.output.root)
        elif step.output.code is None and step.what == "clip":  # a part of what it reads
            step.output.code = step.inputs[0].code


def _clamped(steps: Sequence[FlowStep], results: Mapping[str, FlowNode]) -> dict[str, tuple[float, float]]:
    """The bounds of results that one clamp reads and nothing else, or clamps behind each other."""
    readers = _reading(steps)
    found: dict[str, tuple[float, float]] = {}
    for name, node in results.items():
        while (of := readers.get(id(node), [])) and len(of) == 1 and of[0].what == "clip" and not node.map:
            low, high = found.get(name, (-inf, inf))
            found[name] = max(low, of[0].low), min(high, of[0].high)
            node = of[0].output
    return found


def _reading(steps: Sequence[FlowStep]) -> dict[int, list[FlowStep]]:
    """The steps that read each node, by its identity."""
    readers: dict[int, list[FlowStep]] = {}
    for step in steps:
        for node in step.inputs:
            readers.setdefault(id(node), []).append(step)
    return readers


def _readers(graph: Graph, views: Mapping[str, View]) -> dict[str, int]:
    """Of each value, how many operators read it, or its numbers in another order."""
    read: Counter[str] = Counter()
    for operator in graph.operators:
        if views[operator.output].root == operator.output:
            read.update(views[value].root for value in operator.inputs)
    return {value: read[view.root] for value, view in views.items()}


def _of_drain(own: Own, relu: bool = False) -> Lattice:
    """The integers that a code of a quantized model may have."""
    low, high = code_limits(own.bits, own.signed)
    return Lattice(own.scale, 0, 0 if relu else low, high, real=True)
