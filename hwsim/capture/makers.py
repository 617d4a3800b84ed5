"""Which layers make each value of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hwsim.capture.graph import Graph, Lattice, Operator

KEEPS = ("view", "pad", "pick", "concat")  # codes stay what they are
FOLLOWED = (*KEEPS, "scale", "relu", "quantize", "blend", "add")

Makers = Mapping[int, bool]
"""The layers, by number, that make a value, and whether each one's codes enter it unchanged."""


def makers(
    graph: Graph,
    layers: Mapping[str, int],
    absorbed: Collection[str],
    lattices: Mapping[str, Lattice],
) -> dict[str, Makers]:
    """The makers of every value.

    A sum, and any other function of several values, is made by the layer that completes it, unless all come
    of the same ones, as in SiLU. An operand that is spread out over the result, such as the gates of squeeze
    and excitation, has no part in it.

    Args:
        graph: of the run.
        layers: number of the layer that makes a value as its own result.
        absorbed: outputs of what is folded into layers, and of the ReLUs of their drains.
        lattices: of the values that are quantized.
    """
    found: dict[str, Makers] = {}
    for operator in graph.operators:
        if operator.output in layers:
            found[operator.output] = {layers[operator.output]: True}
        elif operator.kind in FOLLOWED:
            found[operator.output] = _of(operator, graph, found, absorbed, lattices)
    return found


def _of(
    operator: Operator,
    graph: Graph,
    found: Mapping[str, Makers],
    absorbed: Collection[str],
    lattices: Mapping[str, Lattice],
) -> Makers:
    sources = [found.get(value, {}) for value in operator.inputs]
    if operator.kind == "add":
        shape = graph.shapes[operator.output]
        whole = [
            makers
            for value, makers in zip(operator.inputs, sources, strict=True)
            if makers and graph.shapes[value] == shape
        ]
        sets = {frozenset(makers) for makers in whole or sources if makers}
        numbers = {number for makers in sets for number in makers}
        return dict.fromkeys(numbers if len(sets) < 2 else [max(numbers)], False)
    keeps = operator.kind in KEEPS or operator.output in absorbed
    if operator.kind == "concat":  # parts of another scale are put into the map's
        keeps = len({lattices.get(value) for value in operator.inputs}) < 2
    if operator.kind == "quantize":
        before, after = lattices.get(operator.inputs[0]), lattices.get(operator.output)
        keeps = after is not None and (before is None or _alike(before, after))
    made: dict[int, bool] = {}
    for source in sources:
        for number, direct in source.items():
            made[number] = made.get(number, True) and direct and keeps
    return made


def _alike(one: Lattice, other: Lattice) -> bool:
    return (one.scale, one.zero) == (other.scale, other.zero)
