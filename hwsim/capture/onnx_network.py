"""An ONNX model that runs in onnxruntime picture by picture, any value an output. Extra ``onnx``."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from hwsim.capture.graph import Graph, Operator, unique
from hwsim.capture.onnx_input import Input, Layout, batch_of_one
from hwsim.capture.onnx_meanings import meaning_of
from hwsim.capture.onnx_model import chosen, nodes_inside, plain, read_model, told_if_invalid
from hwsim.capture.onnx_node import Node, ValueType
from hwsim.capture.onnx_operators import NO_PRODUCTS, describe
from hwsim.capture.onnx_shapes import inferred_kinds, part_that_makes
from hwsim.capture.order import in_order
from hwsim.capture.preprocessing import Preprocessing
from hwsim.errors import CaptureError, one_line

SHAPES = {"Shape", "Size"}  # constants, since all pictures have one shape
ORDERS = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Cast"}  # scales of weights pass them
AT_ONCE = 96  # values that are looked at in one run: all together may not fit memory
PIXELS, RANGE = "Image.BitmapPixelFormat", "Image.NominalPixelRange"  # keys of metadata
SILENT = 4  # onnxruntime's severity of what it logs by itself; its errors come as exceptions
TWICE_TO_ONCE = "DoubleQDQPairsRemover"
INTEGERS = ("Quantize", "QLinear", "Integer", "QGemm")


class OnnxNetwork:
    """A model of one input, a picture or a batch of them.

    Attributes:
        name: of the network, for the trace.
        provenance: what ran, and the digest of the file and of the files of its weights.
        model: as it runs: functions in place, fused operators taken apart, a batch of one picture.

    Args:
        path: of the file.
        name: of the network; the file's if it is not given.
        layout: of the input; found out if it is not given.

    Raises:
        CaptureError: the file is missing or no model, or its input is no picture.
    """

    def __init__(
        self, path: str | os.PathLike[str], name: str | None = None, layout: Layout | None = None
    ) -> None:
        path = Path(path)
        self.name = name or path.stem
        model, digest = read_model(path)
        with told_if_invalid(model, path.name):
            self.model = plain(model)
            self.input = Input.of(self.model, path.name, layout)
        self.provenance = {
            "model": path.name,
            "model_sha256": digest,
            "onnxruntime": onnxruntime.__version__,
        }
        self._session: tuple[frozenset[str], onnxruntime.InferenceSession] | None = None

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What the model says of its pictures: it takes bytes, or its metadata tell (ONNX, *Metadata*)."""
        known = {entry.key: entry.value for entry in self.model.metadata_props}
        changes: dict[str, Any] = {}
        if self.input.takes_bytes or known.get(RANGE) == "NominalRange_0_255":
            changes["white"] = 255.0
        if known.get(RANGE) == "Normalized_1_1":
            changes |= {"mean": (0.5,), "std": (0.5,)}
        if known.get(PIXELS, "").startswith("Bgr"):
            changes["bgr"] = True
        return Preprocessing(**changes) if changes else None

    def graph(self, image: np.ndarray) -> Graph:
        """The nodes of the model, and the shapes of all values of a run on a picture, float32 (C, H, W).

        Raises:
            CaptureError: the model does not run on such a picture, or is not valid.
        """
        with told_if_invalid(self.model, self.name):
            return self._graph(image)

    def _graph(self, image: np.ndarray) -> Graph:
        self._settle(image)
        constants, kinds, varying = self._values(image)
        while branches := chosen(self.model, constants):
            self._use(branches)
            constants, kinds, varying = self._values(image)
        scales: dict[str, np.ndarray] = {}
        operators: list[Operator] = []
        names: set[str] = set()
        for proto in _running(self.model):
            outputs = [name for name in proto.output if name]
            if varying.isdisjoint(outputs):
                scales |= _scales_of(proto, constants, scales)
                continue
            node = Node.of(proto, constants, scales, varying, kinds)
            hidden = _hidden(proto)
            for number, output in enumerate(proto.output):
                if not output:
                    continue
                details = dict(hidden if hidden and number == 0 else describe(node, number))
                if number and details["kind"] != "view":
                    continue  # the places of maxima are no map
                if details.get("name"):
                    details["name"] = unique(details["name"], names)
                    names.add(details["name"])
                meaning = meaning_of(node) if number == 0 else None
                operators.append(
                    Operator(
                        inputs=tuple(node.read), output=output, what=node.kind, meaning=meaning, **details
                    )
                )
        shapes = {name: kind.shape for name, kind in kinds.items()}
        outputs = [value.name for value in self.model.graph.output]
        return Graph(self.input.name, in_order(operators, outputs), shapes, self.input.lattice)

    def run(self, image: np.ndarray, wanted: Collection[str]) -> dict[str, np.ndarray]:
        """Values of the graph by name, with the batch of 1 first.

        Raises:
            CaptureError: the model does not run on the picture.
        """
        names = [name for name in wanted if name != self.input.name]
        if names and (self._session is None or not self._session[0].issuperset(names)):
            self._session = None  # so that two are never in memory
            self._session = (frozenset(names), self._new_session(names))
        values = self._run(self._session[1], image, names) if names and self._session else {}
        return (
            {**values, self.input.name: self.input.feed(image[None])} if self.input.name in wanted else values
        )

    def _run(
        self, session: onnxruntime.InferenceSession, image: np.ndarray, names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        given = self.input.feed(image[None])
        try:
            found = session.run(names, {self.input.name: given})
        except Exception as error:  # onnxruntime's own, of any kind
            reason = f"{self.name} does not run on a picture of shape {image.shape} ({one_line(error)})"
            raise CaptureError(self.input.misfit(self.name, image) or reason) from error
        return dict(zip(names, found, strict=True))

    def _settle(self, image: np.ndarray) -> None:
        """Find out layout and batch, if the model leaves them open or asks for more pictures than one."""
        if self.input.batch > 1:
            self._use(batch_of_one(self.model, self.input, self._runs, image))
            self.input = self.input.with_batch(1)
        if self.input.layout is None:
            self.input = self.input.settled(lambda given: self._runs(self.model, given, image))
        misfit = self.input.misfit(self.name, image)
        if misfit:
            raise CaptureError(misfit)

    def _runs(
        self, model: onnx.ModelProto, given: Input, image: np.ndarray
    ) -> list[np.ndarray] | CaptureError:
        """The outputs of a model for a picture, or why it does not run."""
        before = self.model, self.input
        outputs = [value.name for value in model.graph.output]
        self._use(model)
        self.input = given
        try:
            values = self.run(image, outputs)
        except CaptureError as error:
            return error
        finally:
            self._use(before[0])
            self.input = before[1]
        return [values[name] for name in outputs]

    def _use(self, model: onnx.ModelProto) -> None:
        self.model, self._session = model, None

    def _values(self, image: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, ValueType], set[str]]:
        """Constants by name, shape and type of every value, and which values depend on the picture."""
        constants = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer
        }
        constants |= _constant_nodes(self.model)
        varying, computed, met = {self.input.name}, set(), set()
        for node in _running(self.model):
            read = set(node.input) | {name for inner in nodes_inside(node) for name in inner.input}
            outputs = {name for name in node.output if name}
            if node.op_type in SHAPES or not read & varying:
                computed |= outputs
            else:
                varying |= outputs
                met |= read
        constants |= self._look(image, computed & met)
        given = self.input.feed(image[None])
        kinds = {name: ValueType(value.shape, value.dtype) for name, value in constants.items()}
        kinds |= inferred_kinds(self.model, self.input.name, given)
        kinds[self.input.name] = ValueType(given.shape, given.dtype)
        unknown = sorted(varying - kinds.keys())
        for first in range(0, len(unknown), AT_ONCE):
            found = self._look(image, unknown[first : first + AT_ONCE])
            kinds |= {name: ValueType(value.shape, value.dtype) for name, value in found.items()}
        return constants, kinds, varying

    def _look(self, image: np.ndarray, names: Collection[str]) -> dict[str, np.ndarray]:
        """Tensors of a run, by name, that are looked at once: nothing is optimized for it."""
        if not names:
            return {}
        values = self._run(self._new_session(names, once=True), image, sorted(names))
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    def _new_session(self, names: Collection[str], once: bool = False) -> onnxruntime.InferenceSession:
        """A session whose outputs are these values; if it runs once, it is not optimized."""
        part = part_that_makes(self.model, names)
        options = onnxruntime.SessionOptions()
        if once:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.enable_cpu_mem_arena = False
        try:
            return session_of(part, options)
        except Exception as error:  # onnxruntime's own, of any kind
            raise CaptureError(
                f"onnxruntime cannot load {self.name} ({one_line(error)}): export it again"
            ) from error


def session_of(model: onnx.ModelProto, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """A session on the CPU: nothing on stderr; quantized models run as they are written.

    Fused kernels of QDQ models, and those of integers on a CPU without VNNI, saturate sums of two products
    at 16 bits (onnxruntime, *Quantize ONNX models*); and what is quantized twice is optimized to one step of
    another scale. These settings leave all that out, and the fallback, which prints what went wrong and tries
    the same again.
    """
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if any(word in node.op_type for node in model.graph.node for word in INTEGERS):
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=[TWICE_TO_ONCE],
        enable_fallback=0,
    )


def _running(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type != "Constant"]


def _hidden(node: onnx.NodeProto) -> dict[str, Any] | None:
    """What a node with graphs inside is, if one of their operators may hold MACs."""
    for inner in nodes_inside(node):
        kind = inner.op_type if inner.domain in ("", "ai.onnx") else f"{inner.domain}.{inner.op_type}"
        if kind not in NO_PRODUCTS:
            reason = f"{kind} inside {node.op_type}, which depends on the picture: export a model without it"
            return {"kind": "unsupported", "name": node.name or node.output[0], "reason": reason}
    return None


def _scales_of(
    node: onnx.NodeProto, constants: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Scales of constants that are integers times a scale."""
    if node.op_type == "DequantizeLinear" and node.input[1] in constants:
        return {node.output[0]: constants[node.input[1]]}
    if node.op_type in ORDERS and node.input[0] in known:
        return {node.output[0]: known[node.input[0]]}
    return {}


def _constant_nodes(model: onnx.ModelProto) -> Mapping[str, np.ndarray]:
    return {
        node.output[0]: onnx.numpy_helper.to_array(attribute.t)
        if attribute.name == "value"
        else np.asarray(onnx.helper.get_attribute_value(attribute))
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
    }
