"""One order for the operators of a network, whoever wrote them down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwsim.capture.graph import Operator


def in_order(operators: Sequence[Operator], outputs: Iterable[str]) -> tuple[Operator, ...]:
    """The operators as a walk from the outputs back to the picture meets them, those that are needed first.

    Exporters and optimizers put branches in different orders, and which maps are on chip depends on it. A
    walk takes operands as they stand, those of a sum the deepest first (an optimizer may have turned them
    round): the order in which most networks are written and run.

    Args:
        operators: each behind those that make what it reads.
        outputs: of the network.
    """
    makers = {operator.output: operator for operator in operators}
    depth = _depths(operators)
    done: set[str] = set()
    ordered: list[Operator] = []
    sinks = [makers[value] for value in outputs if value in makers]
    waiting = [(operator, False) for operator in reversed((*sinks, *operators))]
    while waiting:
        operator, ready = waiting.pop()
        if operator.output in done:
            continue
        if ready:
            done.add(operator.output)
            ordered.append(operator)
            continue
        waiting.append((operator, True))
        inputs = [value for value in operator.inputs if value in makers and value not in done]
        if operator.kind == "add":
            inputs.sort(key=lambda value: depth[value], reverse=True)
        waiting += [(makers[value], False) for value in reversed(inputs)]
    return tuple(ordered)


def _depths(operators: Sequence[Operator]) -> dict[str, tuple[int, int]]:
    """Of every value, the layers behind it on the longest way to the picture, and the weights of those."""
    depths: dict[str, tuple[int, int]] = {}
    for operator in operators:
        layers, weights = max((depths.get(value, (0, 0)) for value in operator.inputs), default=(0, 0))
        if operator.kind in ("mac", "unsupported"):
            layers += 1
            weights += operator.mac.weights.size if operator.mac is not None else 0
        depths[operator.output] = (layers, weights)
    return depths
