"""What lies between the layers of a network that a program can hold: a chain, with pools in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hwsim.between import AveragePool, Clip, MaxPool, Operator, Reshape, Value
from hwsim.errors import ProgramError
from hwsim.layer import Layer
from hwsim.machine.descriptors import SHORT_POOL_FIELDS
from hwsim.quantize import code_limits
from hwsim.reference import IntegerNetwork


@dataclass(frozen=True)
class Link:
    """What becomes of a layer's result before the next layer reads it.

    Attributes:
        pool: rows, columns, vertical_stride, horizontal_stride, top and left of a pool, if there is one; of
            an average pool also ``average``, which is 1, its multiplier and shift, and ``relu``, 1 if
            negative means become 0.
        flatten: then each value becomes a channel, in the order of channels, rows and columns.
    """

    pool: Mapping[str, int] = field(default_factory=dict)
    flatten: bool = False

    @property
    def remade(self) -> bool:
        """Whether the layer's map leaves its cores raw, since another one is made of it."""
        return bool(self.pool) or self.flatten

    @property
    def has_word(self) -> bool:
        """Whether its pool stands in a word of its own, since it has no room in a descriptor."""
        return any(value >> SHORT_POOL_FIELDS.get(name, 0) for name, value in self.pool.items())


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
    values = {name: info.value for name, info in network.maps.items()}
    values |= {value.name: value for value in flow.values}
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
        found.append(_link(layer, steps, values))
    return found


def _link(layer: Layer, between: Sequence[Operator], values: Mapping[str, Value]) -> Link:
    shapes = {name: value.shape for name, value in values.items()}
    steps = [step for step in between if not _changes_nothing(step, values)]
    pools = [step for step in steps if isinstance(step, MaxPool | AveragePool)]
    reshapes = [step for step in steps if isinstance(step, Reshape)]
    for step in steps:
        if step not in (*pools, *reshapes):
            raise _no_program(layer, f"{step.kind} follows it")
    if max(len(pools), len(reshapes)) > 1 or (pools and steps[0] is not pools[0]):
        raise _no_program(layer, "more than a pool and a flattening follows it")
    for step in reshapes:
        read, made = shapes[step.inputs[0]], shapes[step.output]
        if step.axes != (0, 1, 2) or made[1:] != (1, 1):
            raise _no_program(layer, f"its values are laid out anew, {read} as {made}")
    pool: dict[str, int] = {}
    if pools:
        window = pools[0]
        read, made = shapes[window.inputs[0]], shapes[window.output]
        if made[1:] != tuple(
            (read[axis + 1] + 2 * window.padding[axis] - window.kernel[axis]) // window.stride[axis] + 1
            for axis in (0, 1)
        ):
            raise _no_program(layer, "windows of its pool go further beyond one edge than the other")
        pool = {
            "rows": window.kernel[0],
            "columns": window.kernel[1],
            "vertical_stride": window.stride[0],
            "horizontal_stride": window.stride[1],
            "top": window.padding[0],
            "left": window.padding[1],
        }
        if isinstance(window, AveragePool):
            pool |= _mean(layer, window, values[window.output])
    return Link(pool, any(shapes[step.inputs[0]] != shapes[step.output] for step in reshapes))


def _changes_nothing(step: Operator, values: Mapping[str, Value]) -> bool:
    """Whether it is a clamp of what lies within it, as a ReLU6 of codes of which the largest is 6 or less."""
    if not isinstance(step, Clip):
        return False
    low, high = values[step.inputs[0]].limits
    return step.low <= low and high <= step.high


def _mean(layer: Layer, window: AveragePool, made: Value) -> dict[str, int]:
    """What a pool has beside its window, if it takes means."""
    multipliers = {multiplier for _, multiplier in window.multipliers}
    if len(multipliers) > 1:
        raise _no_program(layer, "windows of its average pool see different numbers of places")
    low, high = code_limits(made.bits, made.signed)
    if window.high != high or window.low not in (low, 0) or min(multipliers) < 0:
        raise _no_program(layer, f"its means are clamped to {window.low} .. {window.high}, or change sign")
    return {
        "average": 1,
        "multiplier": multipliers.pop(),
        "shift": window.shift,
        "relu": int(made.signed and window.low == 0),
    }


def _no_program(layer: Layer, why: str) -> ProgramError:
    return ProgramError(
        f"layer {layer.name}: {why}; a program holds a chain of layers, with pools and flattening between"
    )
