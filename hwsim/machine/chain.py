"""What lies between the layers of a network that a program can hold: a chain, with pools in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hwsim.between import MaxPool, Operator, Reshape
from hwsim.errors import ProgramError
from hwsim.layer import Layer
from hwsim.reference import IntegerNetwork


@dataclass(frozen=True)
class Link:
    """What becomes of a layer's result before the next layer reads it.

    Attributes:
        pool: rows, columns, vertical_stride, horizontal_stride, top and left of a max pool, if there is one.
        flatten: then each value becomes a channel, in the order of channels, rows and columns.
    """

    pool: Mapping[str, int] = field(default_factory=dict)
    flatten: bool = False

    @property
    def remade(self) -> bool:
        """Whether the layer's map leaves its cores raw, since another one is made of it."""
        return bool(self.pool) or self.flatten


def links(network: IntegerNetwork) -> list[Link]:
    """Of every layer, what follows it; the last one's result goes out as it is, whatever is made of it.

    Raises:
        ProgramError: the network is no such chain; says where.
    """
    flow, layers = network.flow, network.layers
    if flow is None:
        raise ProgramError(
            f"{network.title} does not say what lies between its maps: capture the network again"
        )
    if flow.inputs != (layers[0].input,) or flow.captured:
        raise ProgramError(
            f"{network.title}: a program runs from one map, that of the first layer, and makes all others"
        )
    readers: dict[str, list[Operator | Layer]] = {}
    for operator in flow.operators:
        for name in operator.inputs:
            readers.setdefault(name, []).append(operator)
    for layer in layers:
        readers.setdefault(layer.input, []).append(layer)
    shapes = {name: info.value.shape for name, info in network.maps.items()}
    shapes |= {value.name: value.shape for value in flow.values}
    found = []
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        name, steps = flow.results[layer.name], []
        if following is None:
            last = next((each for each in readers.get(name, ()) if isinstance(each, Layer)), None)
            if last is not None:
                raise _no_program(layer, f"layer {last.name} reads it, which does not follow")
            found.append(Link())
            break
        while len(readers.get(name, ())) == 1 and readers[name][0] is not following:
            (step,) = readers[name]
            if isinstance(step, Layer):
                raise _no_program(layer, f"layer {step.name} reads it, which does not follow")
            steps.append(step)
            name = step.output
        if len(readers.get(name, ())) != 1:
            raise _no_program(layer, "other layers or operators read it than the layer that follows")
        found.append(_link(layer, steps, shapes))
    return found


def _link(layer: Layer, steps: Sequence[Operator], shapes: Mapping[str, tuple[int, ...]]) -> Link:
    kinds = Counter(type(step) for step in steps)
    for step in steps:
        if not isinstance(step, MaxPool | Reshape):
            raise _no_program(layer, f"{step.kind} follows it")
    pools = [step for step in steps if isinstance(step, MaxPool)]
    reshapes = [step for step in steps if isinstance(step, Reshape)]
    if max(kinds.values(), default=0) > 1 or (pools and steps[0] is not pools[0]):
        raise _no_program(layer, "more than a max pool and a flattening follows it")
    for step in reshapes:
        values, made = shapes[step.inputs[0]], shapes[step.output]
        if step.axes != (0, 1, 2) or made[1:] != (1, 1):
            raise _no_program(layer, f"its values are laid out anew, {values} as {made}")
    pool: dict[str, int] = {}
    if pools:
        window = pools[0]
        pool = {
            "rows": window.kernel[0],
            "columns": window.kernel[1],
            "vertical_stride": window.stride[0],
            "horizontal_stride": window.stride[1],
            "top": window.padding[0],
            "left": window.padding[1],
        }
        values, made = shapes[window.inputs[0]], shapes[window.output]
        if made[1:] != tuple(
            (values[axis + 1] + 2 * window.padding[axis] - window.kernel[axis]) // window.stride[axis] + 1
            for axis in (0, 1)
        ):
            raise _no_program(layer, "windows of its max pool go further beyond one edge than the other")
    return Link(pool, any(shapes[step.inputs[0]] != shapes[step.output] for step in reshapes))


def _no_program(layer: Layer, why: str) -> ProgramError:
    return ProgramError(
        f"layer {layer.name}: {why}; a program holds a chain of layers, with max pools and flattening between"
    )
