"""From the graph of a run to the layers and maps of a trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, prod

import numpy as np

from hwsim.capture.graph import Graph, Mac, Operator, unique
from hwsim.errors import CaptureError
from hwsim.layer import Layer

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class PlannedMap:
    """An activation map: which value of the run it is, in the shape in which layers read it."""

    name: str
    value: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class PlannedLayer:
    """A MAC layer with what is folded into it.

    Attributes:
        layer: its geometry.
        mac: weights and bias, batch normalization folded.
        result: the value behind the layer and what is folded into it, before any ReLU.
        ceiling: largest value behind its ReLU.
        direct: its drain makes the codes of its output map: nothing but ReLU, maximum pooling, flattening and
            concatenation is between.
    """

    layer: Layer
    mac: Mac
    result: str
    ceiling: float
    direct: bool


@dataclass(frozen=True, eq=False)
class Plan:
    """What of a network is captured.

    Attributes:
        layers: in order of execution.
        maps: in the order in which they are first read.
        left_out: what has MACs but cannot be captured: name and reason.
    """

    layers: tuple[PlannedLayer, ...]
    maps: tuple[PlannedMap, ...]
    left_out: tuple[str, ...]


def plan(graph: Graph, skip_unsupported: bool = False) -> Plan:
    """Find the layers of a graph, fold what can be folded, and follow maps from maker to readers.

    A map is listed once, whatever the number of layers that read it. A sum is made by the layer that
    completes it; each layer before a concatenation makes its part of it.

    Raises:
        CaptureError: no MAC layer, or one that is unsupported and not to be skipped.
    """
    return _Planner(graph, skip_unsupported).plan()


class _Planner:
    def __init__(self, graph: Graph, skip_unsupported: bool) -> None:
        self.graph = graph
        self.skip = skip_unsupported
        self.maker = {operator.output: operator for operator in graph.operators}
        self.readers: dict[str, list[Operator]] = {}
        for operator in graph.operators:
            for value in operator.inputs:
                self.readers.setdefault(value, []).append(operator)
        self.absorbed: set[str] = (
            set()
        )  # outputs of what is folded into layers, and of the ReLUs of their drains
        self.left_out: list[str] = []

    def plan(self) -> Plan:
        drafts: list[tuple[Operator, Layer, str, Mac, str, float]] = []
        for operator in self.graph.operators:
            if operator.kind == "unsupported":
                self._leave_out(operator.name, operator.reason)
            elif operator.kind == "mac":
                try:
                    drafts.append(self._draft(operator, {draft[1].name for draft in drafts}))
                except ValueError as error:
                    self._leave_out(operator.name, str(error).removeprefix(f"layer {operator.name}: "))
        if not drafts:
            reason = f"; left out: {'; '.join(self.left_out)}" if self.left_out else ""
            raise CaptureError(f"the network has no convolution or linear layer to capture{reason}")
        self.order = {draft[0].output: number for number, draft in enumerate(drafts)}
        read = {(value, layer.in_shape): value for _, layer, value, *_ in drafts}
        self.read = set(read.values())
        makers = {key: dict(self._makers(key[0], True)) for key in read}
        names = self._map_names(read, makers, [draft[1] for draft in drafts])
        made: dict[int, tuple[str, bool]] = {}
        for key in read:
            for number, direct in makers[key].items():
                made.setdefault(number, (names[key], direct))
        layers = []
        for number, (_, layer, value, mac, result, ceiling) in enumerate(drafts):
            output, direct = made.get(number, (None, False))
            layer = replace(layer, input=names[value, layer.in_shape], output=output)
            layers.append(PlannedLayer(layer, mac, result, ceiling, direct))
        maps = tuple(PlannedMap(names[key], *key) for key in read)
        return Plan(tuple(layers), maps, tuple(self.left_out))

    def _leave_out(self, name: str, reason: str) -> None:
        if not self.skip:
            raise CaptureError(f"layer {name}: {reason}: leave it out with --skip-unsupported")
        self.left_out.append(f"{name}: {reason}")

    def _draft(self, operator: Operator, taken: set[str]) -> tuple[Operator, Layer, str, Mac, str, float]:
        """The layer without the names of its maps, the value it reads, and what is folded into it."""
        assert operator.mac is not None
        mac, result = operator.mac, operator.output
        value, padding = self._read(operator)
        in_shape, out_shape = self._map_shape(value, mac), self._map_shape(result, mac)
        while (follower := self._only_reader(result)) and follower.kind == "scale":
            factor, offset = (
                np.broadcast_to(part, out_shape[:1]) for part in (follower.factor, follower.offset)
            )
            mac, result = mac.scaled(factor, offset), follower.output
            self.absorbed.add(result)
        ceiling = self._absorb_relu(result)
        layer = _geometry(unique(operator.name, taken), value, mac, in_shape, out_shape, padding)
        layer = replace(layer, relu=ceiling is not None)
        return operator, layer, value, mac, result, inf if ceiling is None else ceiling

    def _read(self, operator: Operator) -> tuple[str, tuple[int, int]]:
        """The map that a layer reads, and the layer's padding, zeros of a pad before it among them.

        A pad with more zeros than the kernel takes is left in the map.
        """
        mac, value = operator.mac, self._same(operator.inputs[0])
        assert mac is not None
        pad = self.maker.get(value)
        if mac.kind == "linear" or mac.transposed or pad is None or pad.kind != "pad":
            return value, mac.padding
        inner = self._same(pad.inputs[0])
        padding = (mac.padding[0] + pad.padding[0], mac.padding[1] + pad.padding[1])
        shapes = self._map_shape(inner, mac), self._map_shape(operator.output, mac)
        try:
            _geometry(operator.name, inner, mac, *shapes, padding)
        except ValueError:
            return value, mac.padding
        return inner, padding

    def _same(self, value: str) -> str:
        """The value that this one is, perhaps in another shape."""
        while (made := self.maker.get(value)) and made.kind == "same":
            value = made.inputs[0]
        return value

    def _map_shape(self, value: str, mac: Mac) -> Shape:
        """(C, H, W) of a value, flattened for a linear layer.

        Raises:
            ValueError: the value has more than one picture.
        """
        shape = self.graph.shapes[value]
        if mac.kind == "linear":
            return (prod(shape), 1, 1)
        if len(shape) not in (3, 4) or shape[0] != 1:
            raise ValueError(f"a convolution over a map of shape {shape}; a batch of 1 picture is captured")
        return (shape[1], *((1, *shape[2:])[-2:]))  # type: ignore[return-value]

    def _only_reader(self, value: str) -> Operator | None:
        readers = self.readers.get(value, ())
        return readers[0] if len(readers) == 1 else None

    def _absorb_relu(self, value: str) -> float | None:
        """The ceiling of the ReLU that all of a result passes; maximum pooling before it changes nothing."""
        while (follower := self._only_reader(value)) and follower.kind in ("same", "max_pool", "relu"):
            if follower.kind == "relu":
                self.absorbed.add(follower.output)
                return follower.ceiling
            value = follower.output
        return None

    def _makers(self, value: str, direct: bool) -> Iterator[tuple[int, bool]]:
        """The layers (by number) that make a map, and whether each one's codes enter it unchanged."""
        made = self.maker.get(value)
        if made is None:
            return
        if made.kind == "mac" and made.output in self.order:
            yield self.order[made.output], direct
        elif made.kind in ("same", "max_pool", "concat", "scale", "relu", "pad", "blend", "add"):
            keeps = made.kind in ("same", "max_pool", "concat") or value in self.absorbed
            found = [
                maker
                for source in made.inputs
                if self._same(source) not in self.read
                for maker in self._makers(source, direct and keeps)
            ]
            if made.kind == "add" and found:
                found = [max(found)]
            yield from found

    def _map_names(
        self,
        read: dict[tuple[str, Shape], str],
        makers: dict[tuple[str, Shape], dict[int, bool]],
        layers: list[Layer],
    ) -> dict[tuple[str, Shape], str]:
        """A map bears the name of the last layer that makes it; if none does, of the first that reads it."""
        names: dict[tuple[str, Shape], str] = {}
        for key in read:
            if key[0] == self.graph.image:
                name = "image"
            elif makers[key]:
                name = layers[max(makers[key])].name
            else:
                reader = next(la for la in layers if (la.input, la.in_shape) == key)
                name = f"{reader.name}.input"
            names[key] = unique(name, set(names.values()))
        return names


def _geometry(
    name: str, value: str, mac: Mac, in_shape: Shape, out_shape: Shape, padding: tuple[int, int]
) -> Layer:
    """A layer that reads a value; ReLU and the names of its maps are not known yet.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    return Layer(
        name=name,
        kind=mac.kind,
        input=value,
        in_shape=in_shape,
        out_shape=out_shape,
        kernel=mac.weights.shape[2:],
        stride=mac.stride,
        padding=padding,
        groups=mac.groups,
        dilation=mac.dilation,
        transposed=mac.transposed,
    )
