"""A planned flow in integers, once every code is calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, prod
from typing import NamedTuple

import numpy as np

from hwsim.between import (
    Add,
    AveragePool,
    Channels,
    Clip,
    Concatenate,
    Crop,
    Flow,
    MaxPool,
    Operator,
    Pad,
    Rescale,
    Reshape,
    Resize,
    Strided,
    Value,
)
from hwsim.capture.flow_plan import FlowEnd, FlowNode, FlowPlan, FlowStep, Key
from hwsim.capture.map_code import MapCode
from hwsim.capture.meanings import Pooling, Resized, Summed
from hwsim.errors import CaptureError
from hwsim.quantize import multipliers_for


class Coded(NamedTuple):
    """A planned flow in integers.

    Attributes:
        flow: it.
        ends: what the network ends in, by its name there.
        clamps: by layer, the integers between which its result is clamped and that no operator clamps.
    """

    flow: Flow
    ends: dict[str, FlowEnd]
    clamps: dict[str, tuple[int, int]]


def flow_of(planned: FlowPlan, codes: Mapping[Key, MapCode]) -> Coded:
    """The flow of a plan in integers.

    Args:
        planned: what lies between the maps.
        codes: by key; of maps, of results that are no map's, and of values.

    Raises:
        CaptureError: two scales are too far apart.
    """
    try:
        coder = _Coder(planned, codes)
        flow = coder.flow()
        return Coded(flow, coder.ends(flow), coder.clamps)
    except ValueError as error:
        raise CaptureError(f"between the maps: {error}") from None


class _Coder:
    def __init__(self, planned: FlowPlan, codes: Mapping[Key, MapCode]) -> None:
        self.planned, self.codes = planned, codes
        self.values: dict[str, Value] = {}
        self.of: dict[int, Value] = {}
        self.operators: list[Operator] = []
        self.numbers: dict[str, int] = {}
        self.rescaled: dict[tuple[str, MapCode], Value] = {}
        self.clamps: dict[str, tuple[int, int]] = {}

    def flow(self) -> Flow:
        results = {}
        done: set[int] = set()
        for name, node in self.planned.results.items():
            seen, bounds = node, None
            while (step := self._drained(seen)) is not None:
                low, high = self._bounds(step, self._probe(step.output))
                bounds = (low, high) if bounds is None else (max(low, bounds[0]), min(high, bounds[1]))
                done.add(id(step))
                seen = step.output
            made = self._value(seen, f"{name}.result")
            self.of[id(node)] = made
            results[name] = made.name
            if bounds is not None:
                self.clamps[name] = bounds
        for step in self.planned.steps:
            if id(step) in done:
                continue
            for node in step.inputs:
                if id(node) not in self.of:  # a map that is given
                    self._value(node, "")
            getattr(self, f"_{step.what}")(step)
        return Flow(
            self.planned.inputs,
            results,
            tuple(value for name, value in self.values.items() if name not in self._maps()),
            tuple(self.operators),
            dict(self.planned.captured),
        )

    def _drained(self, node: FlowNode) -> FlowStep | None:
        """The clamp that a drain makes of its result, since nothing else reads it, in the same code."""
        readers = [step for step in self.planned.steps if any(each is node for each in step.inputs)]
        if len(readers) != 1 or readers[0].what != "clip" or node.map is not None:
            return None
        codes = [replace(self._code(each), order=0) for each in (node, readers[0].output)]
        return readers[0] if codes[0] == codes[1] else None

    def ends(self, flow: Flow) -> dict[str, FlowEnd]:
        """Those that are no maps and that nothing reads, by the names of their values."""
        named = {self.of[id(end.node)].name: end for end in self.planned.ends if id(end.node) in self.of}
        read = {name for operator in flow.operators for name in operator.inputs} | self._maps()
        return {name: end for name, end in named.items() if name not in read}

    def _maps(self) -> set[str]:
        return {*self.planned.maps, *self.planned.inputs, *self.planned.captured}

    def _value(self, node: FlowNode, name: str) -> Value:
        code = self._code(node)
        made = Value(node.map or name, node.shape, code.bits, code.signed, code.scale)
        self.of[id(node)] = self.values[made.name] = made
        return made

    def _code(self, node: FlowNode) -> MapCode:
        assert node.code is not None
        return node.code if isinstance(node.code, MapCode) else self.codes[node.code]

    def _named(self, what: str) -> str:
        self.numbers[what] = self.numbers.get(what, 0) + 1
        return f"{what}.{self.numbers[what]}"

    def _made(self, step: FlowStep, what: str) -> Value:
        return self._value(step.output, step.output.map or self._named(what))

    def _as(self, node: FlowNode, output: Value) -> Value:
        """A value as one with the code of what is made of it."""
        value = self.of[id(node)]
        low, high = output.limits
        if value.scale == output.scale and low <= value.limits[0] and value.limits[1] <= high:
            return value
        code = MapCode(output.bits, output.signed, output.scale)
        key = (value.name, code)
        if key not in self.rescaled:
            made = Value(self._named("rescale"), value.shape, code.bits, code.signed, code.scale)
            self.values[made.name] = self.rescaled[key] = made
            self._rescale(value, made, np.ones(1), np.zeros(1), made.limits)
        return self.rescaled[key]

    def _rescale(
        self, value: Value, made: Value, factor: np.ndarray, offset: np.ndarray, bounds: tuple[int, int]
    ) -> None:
        if len(factor) > 1 and np.ptp(factor) == 0 and np.ptp(offset) == 0:
            factor, offset = factor[:1], offset[:1]
        multipliers, shift = multipliers_for(factor * value.scale / made.scale)
        offsets = np.rint(offset / made.scale * 2.0**shift)
        while np.abs(offsets).max() >= 2.0**47 and shift > 1:
            shift -= 1
            multipliers = np.rint(factor * value.scale / made.scale * 2.0**shift).astype(np.int64)
            offsets = np.rint(offset / made.scale * 2.0**shift)
        self.operators.append(
            Rescale(
                (value.name,),
                made.name,
                *bounds,
                shift,
                tuple(multipliers.tolist()),
                tuple(int(each) for each in offsets),
            )
        )

    def _bounds(self, step: FlowStep, output: Value) -> tuple[int, int]:
        least, largest = output.limits
        low = least if step.low == -inf else max(least, round(step.low / output.scale))
        high = largest if step.high == inf else min(largest, round(step.high / output.scale))
        return low, max(low, high)

    def _probe(self, node: FlowNode) -> Value:
        """A value of a node's code that is none of the flow."""
        code = self._code(node)
        return Value("probe", node.shape, code.bits, code.signed, code.scale)

    def _clip(self, step: FlowStep) -> None:
        value, code = self.of[id(step.inputs[0])], self._code(step.output)
        bounds = self._bounds(step, self._probe(step.output))
        same = (value.bits, value.signed, value.scale) == (code.bits, code.signed, code.scale)
        if same and bounds == value.limits and step.output.map is None:
            self.of[id(step.output)] = value
            return
        made = self._made(step, "clip")
        if value.scale == made.scale:
            self.operators.append(Clip((value.name,), made.name, *bounds))
        else:
            self._rescale(value, made, np.ones(1), np.zeros(1), bounds)

    def _scale(self, step: FlowStep) -> None:
        made = self._made(step, "scale")
        value = self.of[id(step.inputs[0])]
        self._rescale(value, made, step.factor, step.offset, self._bounds(step, made))

    def _sum(self, step: FlowStep) -> None:
        made = self._made(step, "add")
        first, second = (self.of[id(node)] for node in step.inputs)
        assert isinstance(step.meaning, Summed)
        ratios = np.array(step.meaning.factors) * [first.scale, second.scale] / made.scale
        (one, other), shift = multipliers_for(ratios)
        low, high = self._bounds(step, made)
        self.operators.append(
            Add((first.name, second.name), made.name, low, high, shift, (int(one), int(other)))
        )

    def _window(self, step: FlowStep) -> None:
        window, node = step.meaning, step.inputs[0]
        assert isinstance(window, Pooling)
        if window.how == "max":
            made = self._made(step, "max_pool")
            source = self._as(node, made)
            self.operators.append(
                MaxPool((source.name,), made.name, window.kernel, window.stride, window.padding)
            )
            return
        made, value = self._made(step, "average_pool"), self.of[id(node)]
        low, high = self._bounds(step, made)
        pool = AveragePool(
            (value.name,),
            made.name,
            low,
            high,
            1,
            window.kernel,
            window.stride,
            window.padding,
            window.count_padding,
            (),
        )
        counts = np.unique(pool.counts(value.shape, made.shape))
        multipliers, shift = multipliers_for(value.scale / (counts * made.scale))
        table = tuple(zip(counts.tolist(), multipliers.tolist(), strict=True))
        self.operators.append(
            AveragePool(
                pool.inputs,
                pool.output,
                low,
                high,
                shift,
                pool.kernel,
                pool.stride,
                pool.padding,
                pool.count_padding,
                table,
            )
        )

    def _resize(self, step: FlowStep) -> None:
        made = self._made(step, "resize")
        source = self._as(step.inputs[0], made)
        assert isinstance(step.meaning, Resized)
        self.operators.append(Resize((source.name,), made.name, step.meaning.rows, step.meaning.columns))

    def _concatenate(self, step: FlowStep) -> None:
        made = self._made(step, "concatenate")
        parts = [self._as(node, made) for node in step.inputs]
        self.operators.append(Concatenate(tuple(part.name for part in parts), made.name))

    def _move(self, step: FlowStep) -> None:
        made = self._made(step, "move")
        source = self._as(step.inputs[0], made)
        assert step.order is not None
        if step.order.ndim == 1:
            channels, rows, columns = step.order.tolist()
            self.operators.append(Pad((source.name,), made.name, (channels, rows, columns)))
        else:
            self.operators.append(moved(source, made, step.order))


def moved(source: Value, made: Value, order: np.ndarray) -> Operator:
    """The operator that puts integers in an order: the simplest that does.

    Raises:
        ValueError: the order is none of nested loops.
    """
    read, (channels, height, width) = (source.name,), source.shape
    if order.size == prod(source.shape) and (order.reshape(-1) == np.arange(order.size)).all():
        return Reshape(read, made.name)
    if order.shape[1:] == (height, width):
        chosen = order[:, 0, 0] // (height * width)
        whole = chosen[:, None, None] * height * width + np.arange(height * width).reshape(1, height, width)
        if (whole == order).all():
            return Channels(read, made.name, tuple(chosen.tolist()))
    if order.shape[0] == channels:
        rows, columns = order[0, :, 0] // width, order[0, 0, :] % width
        steps = tuple(int(line[1] - line[0]) if len(line) > 1 else 1 for line in (rows, columns))
        expected = (np.arange(channels)[:, None, None] * height + rows[:, None]) * width + columns
        regular = all(
            (np.diff(line) == step).all() for line, step in zip((rows, columns), steps, strict=True)
        )
        if regular and min(steps) > 0 and (expected == order).all():
            return Crop(read, made.name, (int(rows[0]), int(columns[0])), (steps[0], steps[1]))
    start, sizes, strides = _loops(order.reshape(-1))
    return Strided(read, made.name, start, sizes, strides)


def _loops(order: np.ndarray) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    sizes: list[int] = []
    strides: list[int] = []
    start, left = int(order[0]), order
    while left.size > 1:
        stride = int(left[1] - left[0])
        run = 1
        while run < left.size and left[run] - left[0] == run * stride:
            run += 1
        run = next(
            n
            for n in range(run, 0, -1)
            if left.size % n == 0 and (left.reshape(-1, n) - left[::n, None] == stride * np.arange(n)).all()
        )
        if run == 1:
            raise ValueError("values in an order that loops do not make")
        sizes.insert(0, run)
        strides.insert(0, stride)
        left = left[::run]
    return start, tuple(sizes), tuple(strides)
