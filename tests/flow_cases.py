"""Random networks in integers for tests: layers, operators between them, weights and drains, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from between_cases import KINDS, SIZES, case, formats
from hypothesis import strategies as st

from hwsim.between import Flow, Value
from hwsim.layer import Layer
from hwsim.quantize import Requantize
from hwsim.trace import MapInfo


@dataclass
class Case:
    """A network as :func:`hwsim.reference.run_network` takes it, and the codes of the maps that are given.

    Attributes:
        values: by name, of maps too.
        codes: of the maps that are given, by name.
    """

    values: dict[str, Value]
    layers: list[Layer] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    captured: dict[str, str] = field(default_factory=dict)
    all_weights: dict[str, np.ndarray] = field(default_factory=dict)
    drains: dict[str, Requantize] = field(default_factory=dict)
    codes: dict[str, np.ndarray] = field(default_factory=dict)
    title: str = "case"

    @property
    def maps(self) -> dict[str, MapInfo]:
        read = {layer.input for layer in self.layers}
        return {
            name: MapInfo(name, value.shape, value.bits, 0, value.signed, value.scale)
            for name, value in self.values.items()
            if name in read
        }

    @property
    def flow(self) -> Flow:
        between = tuple(value for name, value in self.values.items() if name not in self.maps)
        return Flow(("image",), self.results, between, tuple(self.operators), self.captured)

    def map(self, name: str, image: int) -> np.ndarray:
        assert image == 0
        return self.codes[name]

    def weights(self, layer: Layer) -> np.ndarray:
        return self.all_weights[layer.name]

    def requantize(self, layer: Layer) -> Requantize:
        return self.drains[layer.name]


@st.composite
def networks(draw: Any, kinds: tuple[str, ...] = KINDS, steps: int = 6) -> Case:
    """A network of a few layers and operators, each of which reads any value that was made before it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = draw(formats("image", draw(SIZES)))
    made = Case({"image": image})
    give(made, image, rng)
    add_layer(draw, made, image, rng)
    for number in range(draw(st.integers(0, steps))):
        value = draw(st.sampled_from(list(made.values.values())))
        if draw(st.booleans()):
            add_layer(draw, made, value, rng)
            continue
        operator, read, output = draw(case(draw(st.sampled_from(kinds)), value))
        names = [value.name]
        for other in read[1:]:  # a map that integers do not make, and the layer that it is for
            other = replace(other, name=f"given{len(made.values)}")
            made.values[other.name] = other
            made.captured[other.name] = "LayerNorm"
            give(made, other, rng)
            add_layer(draw, made, other, rng)
            names.append(other.name)
        output = replace(output, name=f"{operator.kind}{number}")
        made.values[output.name] = output
        made.operators.append(replace(operator, inputs=tuple(names), output=output.name))
    # Neither layers nor operators need be listed in the order of what they read.
    made.operators = draw(st.permutations(made.operators))
    return made


def give(made: Case, value: Value, rng: np.random.Generator) -> None:
    """Random codes of a map that is given."""
    most = (1 << value.bits) - (2 if value.signed else 0)
    made.codes[value.name] = rng.integers(0, max(most, 1), value.shape).astype(np.uint16)


def add_layer(draw: Any, made: Case, value: Value, rng: np.random.Generator) -> None:
    """A layer that reads a value, which becomes a map."""
    height, width = value.shape[1:]
    name = f"layer{len(made.layers)}"
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = (draw(st.integers(0, kernel[0] - 1)), draw(st.integers(0, kernel[1] - 1)))
    out_shape = (draw(st.integers(1, 3)), height, width)
    layer = Layer(name, "conv", value.name, value.shape, out_shape, kernel, padding=padding)
    filters = layer.out_shape[0]
    result = draw(formats(f"{name}.result", layer.out_shape))
    shift = draw(st.sampled_from([1, 12, 20, 30]))
    made.layers.append(layer)
    made.values[result.name] = result
    made.results[name] = result.name
    made.all_weights[name] = rng.integers(-128, 128, layer.weight_shape).astype(np.int16)
    made.drains[name] = Requantize(
        rng.integers(-(1 << 20), 1 << 20, filters),
        rng.integers(0, 1 << 16, filters),
        shift,
        draw(st.booleans()),
        result.bits,
        result.signed,
        0,
    )
