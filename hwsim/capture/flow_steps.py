"""What the operators of a run become between maps: steps from values to values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf, prod
from typing import Any

import numpy as np

from hwsim.capture.flow_plan import FlowNode, FlowStep, SeenValue, Shape
from hwsim.capture.graph import Graph, Lattice, Operator
from hwsim.capture.lattice import own_code
from hwsim.capture.map_code import MapCode
from hwsim.capture.meanings import Bounded, Leaky, Meaning, Pooling, Reduced, Resized, Summed

Made = SeenValue | str
"""What an operator makes, or why integers do not make it."""


class Steps:
    """Steps in the making.

    Attributes:
        made: each behind those that make what it reads.

    Args:
        graph: of the run.
        readers: of each value, how many operators read it, or what it is a view of.
    """

    def __init__(self, graph: Graph, readers: Mapping[str, int]) -> None:
        self.made: list[FlowStep] = []
        self._shapes, self._readers = graph.shapes, readers

    def add(
        self, what: str, inputs: list[FlowNode], shape: Shape, root: str | None = None, **fields: Any
    ) -> FlowNode:
        """A step, and the value that it makes: in the integers of a quantized model if it keeps them."""
        step = FlowStep(what, inputs, FlowNode(shape, root=root), **fields)
        lattice = _kept(step)
        own = None if lattice is None else own_code(lattice)
        if own is not None:
            step.output.lattice, step.output.code = lattice, MapCode.of_model(own)
        self.made.append(step)
        return step.output

    def of(self, operator: Operator, known: list[SeenValue]) -> Made:
        """What an operator makes of values that are seen."""
        how: dict[str, Callable[[Operator, list[SeenValue]], Made]] = {
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
        if isinstance(meaning, Leaky):
            return self._leaky(operator, known[0], meaning)
        if isinstance(meaning, Summed) and len(known) == 2:
            return self._sum(operator, known, meaning)
        return operator.what or operator.kind

    def quantized(self, lattice: Lattice, seen: SeenValue, only: bool) -> Made:
        """A value as integers of a quantized model: rounded where it is made, if it has no code yet.

        Args:
            lattice: of those integers.
            seen: the value.
            only: whether nothing else reads it.
        """
        if isinstance(lattice.zero, str):
            return "integers whose zero point depends on the picture"
        exact = replace(
            lattice, zero=0, low=lattice.low - lattice.zero, high=lattice.high - lattice.zero, real=True
        )
        own, node = own_code(exact), seen.node
        if own is None:
            return "integers of more than 16 bits"
        code, here = MapCode.of_model(own), node.lattice
        if here and here.scale == exact.scale and exact.low <= here.low and here.high <= exact.high:
            return seen
        low, high = exact.low * exact.scale, exact.high * exact.scale
        maker = self._maker(node)
        if maker is not None and only and is_whole(seen) and node.code is None and node.map is None:
            node.code = code
            if not maker.keeps:
                node.lattice = exact
                maker.low, maker.high = max(maker.low, low), min(maker.high, high)
                return seen
            node.lattice = replace(exact, low=code.limits[0], high=code.limits[1])
            if code.limits == (exact.low, exact.high):
                return seen
        made = FlowNode(node.shape, code, lattice=exact)
        self.made.append(FlowStep("clip", [node], made, low=low, high=high))
        return SeenValue(made, seen.order)

    def _relu(self, operator: Operator, known: list[SeenValue]) -> Made:
        return self._clamp(operator, known[0], 0, operator.ceiling)

    def _clamp(self, operator: Operator, known: SeenValue, low: float, high: float) -> SeenValue:
        """Bounds of what makes a value, if that rounds and nothing else reads it; else a clip."""
        source = self._whole(known)
        maker = self._maker(source.node)
        fused = (
            maker is not None
            and not maker.keeps
            and maker.what != "clip"
            and self._readers[operator.inputs[0]] == 1
            and source.node.map is None
            and source.node.code is None
            and (maker.low, maker.high) == (-inf, inf)
        )
        if fused and maker is not None:
            maker.low, maker.high = low, high
            source.node.root = operator.output
            return source
        node = self.add("clip", [source.node], source.node.shape, operator.output, low=low, high=high)
        return SeenValue(node, source.order)

    def _leaky(self, operator: Operator, known: SeenValue, meaning: Leaky) -> SeenValue:
        """The part above 0, and the part below it times the slope."""
        source = self._whole(known)
        shape = source.node.shape
        above = self.add("clip", [source.node], shape, low=0)
        below = self.add("clip", [source.node], shape, high=0)
        node = self.add("sum", [above, below], shape, operator.output, meaning=Summed((1.0, meaning.slope)))
        return SeenValue(node, source.order)

    def _pad(self, operator: Operator, known: list[SeenValue]) -> Made:
        """Zeros around (1, C, H, W)."""
        read, shape = operator.inputs[0], self._shapes[operator.output]
        if len(shape) != 4 or shape[0] != 1:
            return operator.what
        source = self.moved(known[0].node, self.places(known[0], read).reshape(self._shapes[read][1:]))
        before = [pads[0] for pads in operator.pads[1:]]
        return SeenValue(self.add("move", [source], _picture(shape), operator.output, order=np.array(before)))

    def _scale(self, operator: Operator, known: list[SeenValue]) -> Made:
        source, shape = self._whole(known[0]), self._shapes[operator.output]
        if self._shapes[operator.inputs[0]] != shape:
            return operator.what or "a factor that is spread out"
        parts = []
        for part in (operator.factor, operator.offset):
            along = np.empty(prod(shape))
            along[self._flat(source, shape)] = np.broadcast_to(part, shape).reshape(-1)
            rows = along.reshape(source.node.shape[0], -1)
            if not np.isfinite(rows).all() or np.ptp(rows, axis=1).any():
                return f"{operator.what or 'scale'}: factors that are not those of channels"
            parts.append(rows[:, 0])
        factor, offset = parts
        node = self.add(
            "scale", [source.node], source.node.shape, operator.output, factor=factor, offset=offset
        )
        return SeenValue(node, source.order)

    def _sum(self, operator: Operator, known: list[SeenValue], meaning: Summed) -> Made:
        shape = self._shapes[operator.output]
        if any(self._shapes[value] != shape for value in operator.inputs):
            return f"{operator.what}: a value that is spread out"
        first, second = self._whole(known[0]), self._whole(known[1])
        places = self._flat(first, shape), self._flat(second, shape)
        order = np.empty_like(places[0])
        order[places[0]] = places[1]
        other = self.moved(second.node, order.reshape(first.node.shape))
        node = self.add("sum", [first.node, other], first.node.shape, operator.output, meaning=meaning)
        return SeenValue(node, first.order)

    def _on_grid(self, operator: Operator, known: SeenValue, what: str, meaning: Meaning) -> Made:
        """A step that reads and makes (1, C, H, W)."""
        shapes = self._shapes[operator.inputs[0]], self._shapes[operator.output]
        if any(len(shape) != 4 or shape[0] != 1 for shape in shapes):
            return operator.what
        source = self.moved(known.node, self.places(known, operator.inputs[0]).reshape(shapes[0][1:]))
        return SeenValue(self.add(what, [source], _picture(shapes[1]), operator.output, meaning=meaning))

    def _reduce(self, operator: Operator, known: SeenValue, meaning: Reduced) -> Made:
        shape = self._shapes[operator.inputs[0]]
        axes = tuple(sorted(axis % len(shape) for axis in meaning.axes))
        kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
        if len(axes) not in (1, 2) or 0 in axes:
            return operator.what
        places = self.places(known, operator.inputs[0]).transpose((*kept, *axes))
        sizes = (1, *(shape[axis] for axis in axes))[-2:]
        source = self.moved(known.node, places.reshape(-1, *sizes))
        kernel = (sizes[0], sizes[1])
        window = Pooling(meaning.how, kernel, kernel)
        made = (prod(shape[axis] for axis in kept), 1, 1)
        return SeenValue(self.add("window", [source], made, operator.output, meaning=window))

    def _concat(self, operator: Operator, known: list[SeenValue]) -> Made:
        shapes = [self._shapes[value] for value in operator.inputs]
        made = self._shapes[operator.output]
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
        first = np.moveaxis(self.places(known[0], operator.inputs[0]), axis, 0)
        rest = sorted(range(1, first.ndim), key=lambda n: -_stride(first, n))
        turn = (axis, *(n - 1 if n <= axis else n for n in rest))
        sizes = [size for size in (made[n] for n in turn[1:]) if size > 1]
        fold = (prod(sizes[:-1]), sizes[-1]) if len(sizes) != 1 else (1, sizes[0])
        fold = fold if sizes else (1, 1)
        parts = [
            self.moved(each.node, self.places(each, value).transpose(turn).reshape(-1, *fold))
            for each, value in zip(known, operator.inputs, strict=True)
        ]
        node = self.add("concatenate", parts, (made[axis], *fold), operator.output)
        order = np.arange(prod(made)).reshape([made[n] for n in turn]).transpose(np.argsort(turn))
        return SeenValue(node, None if in_order(order, node) else order)

    # Where values are.

    def places(self, seen: SeenValue, value: str) -> np.ndarray:
        """Which integer of its node each element of a value is."""
        shape = self._shapes[value]
        return np.arange(prod(shape)).reshape(shape) if seen.order is None else seen.order.reshape(shape)

    def moved(self, node: FlowNode, order: np.ndarray) -> FlowNode:
        """The integers of a node in another order, or shape."""
        shape: Shape = (order.shape[0], order.shape[1], order.shape[2])
        if shape == node.shape and in_order(order, node):
            return node
        return self.add("move", [node], shape, order=order)

    def _flat(self, seen: SeenValue, shape: Sequence[int]) -> np.ndarray:
        return np.arange(prod(shape)) if seen.order is None else seen.order.reshape(-1)

    def _whole(self, seen: SeenValue) -> SeenValue:
        """The value with a node that holds it and nothing else."""
        if seen.order is None or is_whole(seen):
            return seen
        shape = tuple(seen.order.shape)
        inner = shape[1:] if shape[0] == 1 else shape
        folded = (*inner, 1, 1)[:3] if len(inner) < 4 else (prod(inner[:-2]), *inner[-2:])
        return SeenValue(self.moved(seen.node, seen.order.reshape(folded)))

    def _maker(self, node: FlowNode) -> FlowStep | None:
        return next((step for step in self.made if step.output is node), None)


def in_order(order: np.ndarray, node: FlowNode) -> bool:
    """Whether an order is that in which a node has its integers."""
    size = prod(node.shape)
    return order.size == size and bool((order.reshape(-1) == np.arange(size)).all())


def is_whole(seen: SeenValue) -> bool:
    """Whether a value is all of its node, in whatever order."""
    size = prod(seen.node.shape)
    return seen.order is None or (
        seen.order.size == size and bool((np.bincount(seen.order.reshape(-1), minlength=size) == 1).all())
    )


def _kept(step: FlowStep) -> Lattice | None:
    """The integers of a quantized model that a step makes of such, where it neither rounds nor rescales."""
    lattices = [node.lattice for node in step.inputs]
    known = [lattice for lattice in lattices if lattice is not None]
    if len(known) < len(lattices) or len({lattice.scale for lattice in known}) > 1:
        return None
    if not (step.picks or step.what == "clip"):
        return None
    first = known[0]
    low, high = min(each.low for each in known), max(each.high for each in known)
    if step.what == "clip":
        low = low if step.low == -inf else max(low, round(step.low / first.scale))
        high = high if step.high == inf else min(high, round(step.high / first.scale))
        low, high = min(low, 0), max(high, low, 0)
    return replace(first, low=low, high=high)


def _picture(shape: Sequence[int]) -> Shape:
    return shape[1], shape[2], shape[3]


def _stride(places: np.ndarray, axis: int) -> int:
    if places.shape[axis] == 1:
        return 0
    flat = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
    return abs(int(flat[1, 0] - flat[0, 0]))
