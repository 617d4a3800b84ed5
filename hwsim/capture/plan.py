"""From the graph of a run to the layers and maps of a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from hwsim.capture.addends import Addends, addends
from hwsim.capture.flow import between
from hwsim.capture.flow_plan import FlowPlan, FlowResult, ReadMap
from hwsim.capture.fold import Follower
from hwsim.capture.graph import Graph, Lattice, Mac, Operator, unique
from hwsim.capture.lattice import Own, lattices, never_negative, own_code
from hwsim.capture.makers import makers
from hwsim.capture.places import Place, PlacedLayer, placed_convolution, placed_linear
from hwsim.capture.views import View
from hwsim.errors import CaptureError
from hwsim.layer import Layer
from hwsim.trace.provenance import LeftOut


@dataclass(frozen=True)
class PlannedMap:
    """An activation map.

    Attributes:
        name: of the map.
        place: among the values of the run.
        own: how a quantized model codes it; None if a calibration is to find that.
    """

    name: str
    place: Place
    own: Own | None = None

    @property
    def value(self) -> str:
        """The value of the run that it is a part of."""
        return self.place.view.root

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.place.shape

    @property
    def wanted(self) -> tuple[str, ...]:
        """The values of the run that it takes to know it."""
        zero = None if self.own is None else self.own.zero
        return (self.value, zero) if isinstance(zero, str) else (self.value,)

    def real(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The map in real numbers, (C, H, W), from the values of a run."""
        found = values[self.value]
        return self.place.of(found if self.own is None else self.own.real(found, values))


@dataclass(frozen=True, eq=False)
class PlannedLayer:
    """A MAC layer with what is folded into it.

    Attributes:
        layer: its geometry.
        plain: weights and bias, as the operator has them.
        raw: what the operator makes, as (M, Ho, Wo): batch normalization is still to come.
        factor, offset: float64 (M,), of what is folded.
        result: the value behind the layer and what is folded into it, before any ReLU.
        ceiling: largest value behind its ReLU.
        direct: its drain makes the codes of its output map: nothing but ReLU, maximum pooling, another order
            and concatenation is between.
        integers: of ``raw``, if its values are integers of a quantized model.
        own: how a quantized model codes the result.
        reordered: the weights, or the result, stand in another order than in the network.
    """

    layer: Layer
    plain: Mac
    raw: View
    factor: np.ndarray
    offset: np.ndarray
    result: str
    ceiling: float
    direct: bool
    integers: Own | None
    own: Own | None
    reordered: bool

    @property
    def code(self) -> tuple[str, str]:
        """Which code its drain makes: a map's, or its own."""
        direct = self.direct and self.layer.output is not None
        return ("map", str(self.layer.output)) if direct else ("result", self.layer.name)

    @property
    def mac(self) -> Mac:
        """Weights and bias with batch normalization folded; made anew each time, since floats take room."""
        return self.plain.scaled(self.factor, self.offset)

    def real(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The results before any ReLU, (M, Ho, Wo), from the values of a run."""
        found = values[self.raw.root]
        found = self.raw.of_array(found if self.integers is None else self.integers.real(found, values))
        if self.result == self.raw.root:
            return found
        return found * self.factor[:, None, None] + self.offset[:, None, None]


@dataclass(frozen=True, eq=False)
class Plan:
    """What of a network is captured.

    Attributes:
        layers: in the order of the graph.
        maps: in the order in which they are first read.
        left_out: what has MACs but cannot be captured.
        between: what lies between the maps.
    """

    layers: tuple[PlannedLayer, ...]
    maps: tuple[PlannedMap, ...]
    left_out: tuple[LeftOut, ...]
    between: FlowPlan

    @property
    def share(self) -> float | None:
        """Of the network's MACs, as published, that are captured; None if those left out are not known."""
        return _share([known.layer for known in self.layers], self.left_out)


def plan(graph: Graph, skip_unsupported: bool = False) -> Plan:
    """Find the layers of a graph, fold what can be folded, and follow maps from maker to readers.

    A map is listed once, whatever the number of layers that read it. A sum, and any other function of several
    values, is made by the layer that completes it; each layer before a concatenation makes its part of it.

    Raises:
        CaptureError: no MAC layer, or some that are unsupported and not to be skipped.
    """
    return _Planner(graph).plan(skip_unsupported)


@dataclass(frozen=True, eq=False)
class _Draft:
    """A layer whose maps have no names yet: its operator, the map that it reads, and what is known of it."""

    operator: Operator
    place: Place
    known: PlannedLayer


class _Planner:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.makers = {operator.output: operator for operator in graph.operators}
        self.views = _views(graph)
        self.lattices, self.never_negative = lattices(graph), never_negative(graph)
        self.follower = Follower(graph, self.lattices)

    def plan(self, skip: bool) -> Plan:
        drafts, left_out = self._drafts()
        _check([draft.known.layer for draft in drafts], left_out, skip)
        places = list(dict.fromkeys(draft.place for draft in drafts))
        numbers = {draft.operator.output: number for number, draft in enumerate(drafts)}
        made = makers(self.graph, numbers, self.follower.absorbed, self.lattices)
        of_places = {place: made.get(place.view.root, {}) for place in places}
        outputs = _outputs(of_places)
        names = self._names(places, outputs, drafts)
        added = addends(
            self.graph, numbers, made, {place.view.root: names[place] for place in reversed(places)}
        )
        layers = []
        for number, draft in enumerate(drafts):
            mine, others = outputs.get(number, []), added.get(number, Addends[str]())
            output, *also = (names[place] for place in mine) if mine else (None,)
            layer = replace(
                draft.known.layer,
                input=names[draft.place],
                output=output,
                also=tuple(also),
                adds=tuple(others.maps),
                adds_results=tuple(drafts[other].known.layer.name for other in others.results),
            )
            direct = bool(mine) and of_places[mine[0]][number]
            layers.append(replace(draft.known, layer=layer, direct=direct))
        reads = {draft.place: draft.operator.reads for draft in drafts}
        maps = [PlannedMap(names[place], place, self._own(place.view.root, reads[place])) for place in places]
        own = {("map", known.name): known.own for known in maps}
        flow = between(
            self.graph,
            self.views,
            self.lattices,
            self.follower.absorbed,
            [
                FlowResult(known.layer, known.raw, known.code, known.ceiling, own.get(known.code, known.own))
                for known in layers
            ],
            [
                ReadMap(
                    known.name,
                    known.place.view,
                    known.place.margins,
                    known.own,
                    self._elsewhere(known.place.view.root, reads[known.place]),
                )
                for known in maps
            ],
        )
        return Plan(tuple(layers), tuple(maps), tuple(left_out), flow)

    def _drafts(self) -> tuple[list[_Draft], list[LeftOut]]:
        drafts: list[_Draft] = []
        left_out: list[LeftOut] = []
        for operator in self.graph.operators:
            if operator.kind not in ("mac", "unsupported"):
                continue
            name = unique(operator.name, {d.known.layer.name for d in drafts} | {e.layer for e in left_out})
            if operator.mac is None:
                left_out.append(LeftOut(name, operator.reason, operator.macs))
                continue
            try:
                drafts.append(self._draft(name, operator, operator.mac))
            except ValueError as error:
                shapes = self.graph.shapes[operator.inputs[0]], self.graph.shapes[operator.output]
                why = str(error).removeprefix(f"layer {name}: ")
                left_out.append(LeftOut(name, why, operator.mac.macs(*shapes)))
        return drafts, left_out

    def _draft(self, name: str, operator: Operator, mac: Mac) -> _Draft:
        placed = self._placed(operator, mac)
        layer = _geometry(name, placed)
        folded = self.follower.fold(placed.raw, operator.output)
        ceiling = self.follower.relu(folded.result)
        quantized = self.follower.quantized(folded.result)
        shapes = self.graph.shapes
        known = PlannedLayer(
            layer=replace(layer, relu=ceiling is not None),
            plain=placed.mac,
            raw=placed.raw,
            factor=folded.factor,
            offset=folded.offset,
            result=folded.result,
            ceiling=inf if ceiling is None else ceiling,
            direct=False,
            integers=self._own(operator.output),
            own=None if quantized is None else self._own(quantized),
            reordered=placed.reordered or shapes[folded.result] != shapes[operator.output],
        )
        return _Draft(operator, placed.place, known)

    def _placed(self, operator: Operator, mac: Mac) -> PlacedLayer:
        view = self.views[operator.inputs[0]]
        result = View.of(operator.output, self.graph.shapes[operator.output])
        if mac.kind == "linear":
            return placed_linear(mac, operator, view, result)
        pad = self.makers.get(view.root)
        if pad is None or pad.kind != "pad":
            return placed_convolution(mac, view, result, None)
        return placed_convolution(
            mac, view, result, (pad, self.graph.shapes[pad.output], self.views[pad.inputs[0]])
        )

    def _own(self, value: str, read: Lattice | None = None) -> Own | None:
        lattice = read or self.lattices.get(value)
        return None if lattice is None else own_code(lattice, value in self.never_negative)

    def _elsewhere(self, value: str, read: Lattice | None) -> bool:
        """Whether a layer reads integers with another scale or zero point than what makes them has."""
        made = self.lattices.get(value)
        if made is None or read is None:
            return False
        return (made.scale, made.zero) != (read.scale, read.zero)

    def _names(
        self, places: Sequence[Place], outputs: Mapping[int, list[Place]], drafts: Sequence[_Draft]
    ) -> dict[Place, str]:
        """A map bears the name of the last layer whose output it is, else of the first that reads it."""
        last = {of[0]: number for number, of in sorted(outputs.items())}
        names: dict[Place, str] = {}
        for place in places:
            if place.view.root == self.graph.image:
                name = "image"
            elif place in last:
                name = drafts[last[place]].known.layer.name
            else:
                reader = next(draft for draft in drafts if draft.place == place)
                name = f"{reader.known.layer.name}.input"
            names[place] = unique(name, set(names.values()))
        return names


def _check(layers: Sequence[Layer], left_out: Sequence[LeftOut], skip: bool) -> None:
    lost = "; ".join(f"{entry.layer}: {entry.why}" for entry in left_out)
    if not layers:
        reason = f"; left out: {lost}" if lost else ""
        raise CaptureError(f"the network has no convolution or linear layer to capture{reason}")
    if left_out and not skip:
        entry = left_out[0]
        more = f", and {len(left_out) - 1} more such" if len(left_out) > 1 else ""
        captured = _share(layers, left_out)
        share = "an unknown share" if captured is None else f"{1 - captured:.1%}"
        raise CaptureError(
            f"layer {entry.layer}: {entry.why}{more}, {share} of the MACs: "
            "leave it out with --skip-unsupported"
        )


def _share(layers: Sequence[Layer], left_out: Sequence[LeftOut]) -> float | None:
    captured, lost = sum(layer.published_macs for layer in layers), 0
    for entry in left_out:
        if entry.macs is None:
            return None
        lost += entry.macs
    return captured / (captured + lost)


def _views(graph: Graph) -> dict[str, View]:
    """Every value as a part of its root; what is no view of another is its own."""
    views = {value: View.of(value, shape) for value, shape in graph.shapes.items()}
    for operator in graph.operators:
        if operator.kind == "view":
            seen = views[operator.inputs[0]].through(operator.steps)
            if seen is not None:
                views[operator.output] = seen
    return views


def _outputs(made: Mapping[Place, Mapping[int, bool]]) -> dict[int, list[Place]]:
    """The maps that each layer has a part in; first one whose codes its drain makes, if there is one."""
    outputs: dict[int, list[Place]] = {}
    for place, layers in made.items():
        for number in layers:
            outputs.setdefault(number, []).append(place)
    return {
        number: sorted(places, key=lambda place: not made[place][number])
        for number, places in outputs.items()
    }


def _geometry(name: str, placed: PlacedLayer) -> Layer:
    """A layer; ReLU and the names of its maps are not known yet.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    mac, (filters, height, width) = placed.mac, placed.raw.shape
    layer = Layer(
        name=name,
        kind=mac.kind,
        input="",
        in_shape=placed.place.shape,
        out_shape=(filters, height, width),
        kernel=(mac.weights.shape[2], mac.weights.shape[3]),
        stride=mac.stride,
        padding=placed.padding,
        groups=mac.groups,
        dilation=mac.dilation,
        transposed=mac.transposed,
    )
    if layer.weight_shape != mac.weights.shape:
        raise ValueError(f"weights of {mac.weights.shape}, where its maps ask for {layer.weight_shape}")
    return layer
