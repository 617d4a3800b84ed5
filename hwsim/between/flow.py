"""How the maps of a network come of each other, through its layers and what lies between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Discriminator

from hwsim.between.arithmetic import Add, Clip, Rescale
from hwsim.between.movement import Channels, Concatenate, Crop, Pad, Reshape, Strided
from hwsim.between.operator import Value
from hwsim.between.pools import AveragePool, MaxPool
from hwsim.between.resize import Resize
from hwsim.layer import Layer

Operator = (
    MaxPool
    | AveragePool
    | Add
    | Rescale
    | Clip
    | Concatenate
    | Channels
    | Reshape
    | Crop
    | Pad
    | Strided
    | Resize
)


@dataclass(frozen=True)
class Flow:
    """What makes every map of a network.

    A map is an input, or one layer's result, or made by one operator, or captured.

    Attributes:
        inputs: the maps that are quantized from the picture.
        results: by layer, the value or map that its drain makes.
        values: what is made between and is no map.
        operators: in no particular order.
        captured: the maps that integers do not make, and why.
    """

    inputs: tuple[str, ...]
    results: dict[str, str] = field(default_factory=dict)
    values: tuple[Value, ...] = ()
    operators: tuple[Annotated[Operator, Discriminator("kind")], ...] = ()
    captured: dict[str, str] = field(default_factory=dict)

    def check(self, layers: Sequence[Layer], maps: Iterable[Value]) -> None:
        """Whether it is the flow of these layers and maps.

        Args:
            layers: of the network.
            maps: what the layers read, as values.

        Raises:
            ValueError: it is not.
        """
        maps = tuple(maps)
        known = {value.name: value for value in (*maps, *self.values)}
        if len(known) < len(maps) + len(self.values):
            raise ValueError("two values or maps have one name")
        if set(self.results) != {layer.name for layer in layers}:
            raise ValueError("the results are not those of the layers")
        makers = Counter([*self.inputs, *self.captured, *self.results.values()])
        makers.update(operator.output for operator in self.operators)
        for name, times in makers.items():
            if name not in known:
                raise ValueError(f"{name} is made, and is neither a map nor a value")
            if times > 1:
                raise ValueError(f"{name} is made {times} times")
        for name in known:
            if name not in makers:
                raise ValueError(f"nothing makes {name}")
        for name in (*self.inputs, *self.captured):
            if name not in {value.name for value in maps}:
                raise ValueError(f"{name} is given, and is no map")
        for layer in layers:
            if known[self.results[layer.name]].shape != layer.out_shape:
                raise ValueError(f"layer {layer.name} makes {layer.out_shape}, its result has another shape")
        for operator in self.operators:
            for name in operator.inputs:
                if name not in known:
                    raise ValueError(f"{operator.output} is made of {name}, which is neither map nor value")
            operator.check([known[name] for name in operator.inputs], known[operator.output])
        steps = len(list(self.steps(layers)))
        if steps < len(self.results) + len(self.operators):
            raise ValueError("a map or value is made of itself")

    def steps(self, layers: Sequence[Layer]) -> Iterator[Layer | Operator]:
        """The layers and the operators, each after what makes what it reads."""
        made = {*self.inputs, *self.captured}
        left: list[tuple[Layer | Operator, tuple[str, ...], str]] = [
            *((layer, (layer.input,), self.results[layer.name]) for layer in layers),
            *((operator, operator.inputs, operator.output) for operator in self.operators),
        ]
        waiting: dict[str, list[int]] = {}
        missing = []
        for number, (_, inputs, _) in enumerate(left):
            missing.append(len(set(inputs) - made))
            for name in set(inputs) - made:
                waiting.setdefault(name, []).append(number)
        ready = [number for number in reversed(range(len(left))) if not missing[number]]
        while ready:
            step, _, output = left[ready.pop()]
            yield step
            for number in waiting.pop(output, ()):
                missing[number] -= 1
                if not missing[number]:
                    ready.append(number)

    def readers(self, layers: Sequence[Layer]) -> Counter[str]:
        """How many layers and operators read each map and value; what ends the network is not there."""
        read = Counter(layer.input for layer in layers)
        for operator in self.operators:
            read.update(set(operator.inputs))
        return read
