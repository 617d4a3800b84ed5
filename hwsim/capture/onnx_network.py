"""An ONNX model that runs in onnxruntime picture by picture, any value an output. Extra ``onnx``."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.capture.graph import Graph, Operator, unique
from hwsim.errors import CaptureError, HwsimError

try:
    import onnx
    import onnxruntime
except ModuleNotFoundError as missing:
    raise HwsimError(
        f"capture from ONNX needs {missing.name}, which is not installed: pip install 'hwsim[onnx]'"
    ) from missing

from hwsim.capture.onnx_operators import Node, describe

SHAPES = {"Shape", "Size"}  # constants, since all pictures have one shape
ONLY_ERRORS = 3  # onnxruntime's severity from which messages are shown


class OnnxNetwork:
    """A model of one input, a batch of pictures.

    Attributes:
        name: of the network, for the trace.
        provenance: what ran, and the digest of the file.
        model: as the file has it.

    Raises:
        CaptureError: the file is missing or no model, or the model has another number of inputs.
    """

    def __init__(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        path = Path(path)
        if not path.is_file():
            raise CaptureError(f"there is no file {path}: check the path of the model")
        try:
            self.model = onnx.load(path)
        except Exception as error:  # protobuf's and onnx's own, of any kind
            raise CaptureError(
                f"{path} is not an ONNX model ({_one_line(error)}): export it again"
            ) from error
        constants = {tensor.name for tensor in self.model.graph.initializer}
        inputs = [value.name for value in self.model.graph.input if value.name not in constants]
        if len(inputs) != 1:
            raise CaptureError(
                f"{path} has {len(inputs)} inputs; a network with one, the picture, is captured"
            )
        self.name = name or path.stem
        self.provenance = {
            "model": path.name,
            "model_sha256": sha256(path.read_bytes()).hexdigest(),
            "onnxruntime": onnxruntime.__version__,
        }
        self._image = inputs[0]
        self._session: tuple[frozenset[str], onnxruntime.InferenceSession] | None = None

    def graph(self, image: np.ndarray) -> Graph:
        """The nodes of the model, and the shapes of all values of a run on a picture, float32 (C, H, W).

        Raises:
            CaptureError: the model does not run on such a picture.
        """
        nodes = [node for node in self.model.graph.node if node.op_type != "Constant"]
        made = {name for node in nodes for name in node.output if name}
        constants = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer
        }
        constants |= _constant_nodes(self.model)
        values = {self._image: image[None], **self.run(image, made)}
        varying = {self._image}
        operators: list[Operator] = []
        names: set[str] = set()
        for node in nodes:
            read = tuple(dict.fromkeys(name for name in node.input if name in varying))
            inner = {
                name
                for attribute in node.attribute
                for graph in (attribute.g, *attribute.graphs)
                for part in graph.node
                for name in part.input
            }
            if node.op_type in SHAPES or (not read and not inner & varying):
                constants |= {name: values[name] for name in node.output if name}
                continue
            varying |= set(node.output)
            outputs = [name for name in node.output if name]
            details = describe(Node.of(node, constants, varying), values)
            if details.get("name"):
                details["name"] = unique(details["name"], names)
                names.add(details["name"])
            operators.append(Operator(inputs=read, output=outputs[0], **details))
            if details["kind"] == "other":
                operators += [Operator("other", read, output) for output in outputs[1:]]
        shapes = {
            name: tuple(np.shape(value)) for name, value in values.items() if isinstance(value, np.ndarray)
        }
        return Graph(self._image, tuple(operators), shapes)

    def run(self, image: np.ndarray, wanted: Collection[str]) -> dict[str, np.ndarray]:
        """Values of the graph by name, with the batch of 1 first.

        Raises:
            CaptureError: the model does not run on the picture.
        """
        given = np.ascontiguousarray(image[None], np.float32)
        names = [name for name in wanted if name != self._image]
        try:
            session = self._session_of(frozenset(names))
            found = session.run(names, {self._image: given}) if names else []
        except Exception as error:  # onnxruntime's own, of any kind
            raise CaptureError(
                f"{self.name} does not run on a picture of shape {image.shape} ({_one_line(error)}): "
                "check --size and --crop, and the model"
            ) from error
        values = dict(zip(names, found, strict=True))
        return {**values, self._image: given} if self._image in wanted else values

    def _session_of(self, names: frozenset[str]) -> onnxruntime.InferenceSession:
        """A session whose outputs are these values; the last one is kept."""
        if self._session is None or self._session[0] != names:
            model = onnx.ModelProto()
            model.CopyFrom(self.model)
            del model.graph.output[:]
            model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(names))
            options = onnxruntime.SessionOptions()
            options.log_severity_level = ONLY_ERRORS
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            self._session = (names, session)
        return self._session[1]


def _constant_nodes(model: Any) -> Mapping[str, np.ndarray]:
    return {
        node.output[0]: onnx.numpy_helper.to_array(attribute.t)
        if attribute.name == "value"
        else np.asarray(onnx.helper.get_attribute_value(attribute))
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
    }


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
