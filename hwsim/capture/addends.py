"""What is added to the result of a layer: maps, which are read once more, and results that are no maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from hwsim.capture.graph import Graph
from hwsim.capture.makers import FOLLOWED, Makers

Map = TypeVar("Map")


@dataclass
class Addends(Generic[Map]):
    """What is added to a layer's result.

    Attributes:
        maps: that layers read, too.
        results: numbers of the layers whose results, or sums, are no maps.
    """

    maps: list[Map] = field(default_factory=list)
    results: list[int] = field(default_factory=list)


def addends(
    graph: Graph, layers: Mapping[str, int], made: Mapping[str, Makers], maps: Mapping[str, Map]
) -> dict[int, Addends[Map]]:
    """What is added to the results of layers, by the number of the layer.

    A sum, or another function of several values, is completed by the last of the layers that make it. What it
    has of others must have been kept: as the map that it is or comes of, or as the result of its layer.

    Args:
        graph: of the run.
        layers: number of the layer that makes a value as its own result.
        made: the makers of every value.
        maps: by the value of the run that a map is, or is a part of.
    """
    by_output = {operator.output: operator for operator in graph.operators}

    def kept(value: str) -> Iterator[tuple[bool, Map | int]]:
        """Where a value is found later: (True, a map) or (False, the number of a layer)."""
        operator = by_output.get(value)
        if value in maps:
            yield True, maps[value]
        elif value in layers:
            yield False, layers[value]
        elif operator is not None and operator.kind == "add" and len(made.get(value, {})) == 1:
            yield False, next(iter(made[value]))
        elif operator is not None and operator.kind in FOLLOWED:
            for source in operator.inputs:
                yield from kept(source)

    found: dict[int, Addends[Map]] = {}
    for operator in graph.operators:
        makers = made.get(operator.output, {})
        if operator.kind != "add" or len(makers) != 1:
            continue
        (last,) = makers
        for value in operator.inputs:
            if graph.shapes[value] != graph.shapes[operator.output] or set(made.get(value, {})) == {last}:
                continue
            for is_map, what in kept(value):
                mine = found.setdefault(last, Addends())
                where: list = mine.maps if is_map else mine.results
                if what not in where and (is_map or what != last):
                    where.append(what)
    return found
