"""A node of an ONNX model, beside what is known of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from hwsim.capture.meanings import Border

Shape = tuple[int, ...]


@dataclass(frozen=True)
class ValueType:
    """Shape and type of a value of a run."""

    shape: Shape
    dtype: np.dtype


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a model.

    Attributes:
        kind: its operator, behind its domain if that is not ONNX's own.
        name: of the layer it is: its weights' name if that ends in ``.weight``, else its own.
        inputs, outputs: names; empty for one left out.
        attributes: by name.
        constants: values by name that do not depend on the picture.
        scales: by name, of constants that are integers times a scale.
        varying: names of values that do.
        kinds: of all values.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    constants: Mapping[str, np.ndarray]
    scales: Mapping[str, np.ndarray]
    varying: frozenset[str]
    kinds: Mapping[str, ValueType]

    @staticmethod
    def of(
        node: onnx.NodeProto,
        constants: Mapping[str, np.ndarray],
        scales: Mapping[str, np.ndarray],
        varying: set[str],
        kinds: Mapping[str, ValueType],
    ) -> Node:
        """A node beside what is known of its inputs."""
        weights = next((name for name in node.input[1:2] if name.endswith(".weight")), "")
        own = (node.name or node.output[0]).strip("/").removesuffix(f"/{node.op_type}").replace("/", ".")
        return Node(
            node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}",
            weights.removesuffix(".weight") or own,
            tuple(node.input),
            tuple(node.output),
            {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute},
            constants,
            scales,
            frozenset(name for name in node.input if name in varying),
            kinds,
        )

    @property
    def read(self) -> list[str]:
        """Inputs that depend on the picture, each once."""
        return list(dict.fromkeys(name for name in self.inputs if name in self.varying))

    @property
    def shape(self) -> Shape:
        """Of the first input that depends on the picture."""
        return self.kinds[self.read[0]].shape if self.read else ()

    def made(self, number: int = 0) -> ValueType:
        """An output."""
        return self.kinds[self.outputs[number]]

    def has(self, position: int) -> bool:
        """Whether an input is given."""
        return position < len(self.inputs) and bool(self.inputs[position])

    def constant(self, position: int) -> np.ndarray | None:
        """An input that does not depend on the picture; None if it does, or is not there."""
        return self.constants.get(self.inputs[position]) if self.has(position) else None

    def given(self, position: int, attribute: str, default: Any = None) -> Any:
        """What operators have as an attribute or, since some version, as an input; None if it varies."""
        if self.has(position):
            return self.constant(position)
        return self.attributes.get(attribute, default)

    @property
    def pads(self) -> tuple[tuple[int, int], ...] | None:
        """Of a ``Pad``: what is put before and behind each axis; None if that depends on the picture."""
        pads, axes = self.given(1, "pads"), self.given(3, "axes")
        if pads is None or (self.has(3) and axes is None):
            return None
        half = len(pads) // 2
        around = dict.fromkeys(range(len(self.shape)), (0, 0))
        for axis, before, behind in zip(
            range(half) if axes is None else axes, pads[:half], pads[half:], strict=True
        ):
            around[int(axis) % len(self.shape)] = (int(before), int(behind))
        return tuple(around.values())

    @property
    def border(self) -> Border | None:
        """Of a ``Pad``: how it repeats what it reads; None if it puts numbers around."""
        borders: dict[bytes, Border] = {b"edge": "edge", b"reflect": "reflect", b"wrap": "wrap"}
        return borders.get(self.attributes.get("mode", b"constant"))
