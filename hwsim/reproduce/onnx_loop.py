"""An ONNX model run in batches, its values rounded by nodes put in between. Needs the ``onnx`` extra."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from hwsim.capture.map_code import MapCode
from hwsim.capture.onnx_network import OnnxNetwork, session_of
from hwsim.errors import CaptureError
from hwsim.quantize import code_limit, dequantize
from hwsim.reproduce.rounding import RoundedMac, Rounding

ROUND_SINCE = 11  # opset


class OnnxLoop:
    """A model, ready to be run in batches, or picture by picture if its batch is fixed.

    Args:
        network: what runs.

    Raises:
        CaptureError: the model is older than the operator that rounds.
    """

    def __init__(self, network: OnnxNetwork) -> None:
        self._model, self._name = network.model, network.name
        opset = {entry.domain: entry.version for entry in self._model.opset_import}.get("", 0)
        if opset < ROUND_SINCE:
            raise CaptureError(f"{self._name} is of opset {opset}: export it with {ROUND_SINCE} or later")
        self._input = network.input
        self._fixed = self._input.sizes[0] is not None
        self._session: tuple[Rounding | None, onnxruntime.InferenceSession] | None = None

    def logits(self, pictures: np.ndarray, rounding: Rounding | None = None) -> np.ndarray:
        """The model's answers, float32 (N, classes): its first output, in floats or rounded.

        Args:
            pictures: float32 (N, C, H, W).
            rounding: of the graph of this model.

        Raises:
            CaptureError: the model does not run on them.
        """
        if rounding is not None and self._input.name in rounding.codes:
            code = rounding.codes[self._input.name]
            pictures = dequantize(code.of(pictures), code.scale, code.signed).astype(np.float32)
        pictures = np.ascontiguousarray(pictures, np.float32)
        batches = np.split(pictures, len(pictures)) if self._fixed else [pictures]
        try:
            if self._session is None or self._session[0] is not rounding:
                self._session = (rounding, self._start(rounding))
            session, name = self._session[1], self._input.name
            answers = [session.run(None, {name: self._input.feed(batch)})[0] for batch in batches]
        except Exception as error:  # onnxruntime's own, of any kind
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise CaptureError(
                f"{self._name} does not run on a batch of shape {pictures.shape} ({reason}): give --batch 1"
            ) from error
        return np.concatenate(answers).reshape(len(pictures), -1)

    def _start(self, rounding: Rounding | None) -> onnxruntime.InferenceSession:
        model = self._model if rounding is None else rounded_model(self._model, rounding)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return session_of(model, options)


def rounded_model(model: onnx.ModelProto, rounding: Rounding) -> onnx.ModelProto:
    """The same model with the rounding in it, outputs by the same names.

    What normalizes the result of a layer, and is folded into its weights, is left without a reader.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    nodes = list(graph.node)
    del graph.node[:], graph.value_info[:]
    folded = {mac.result: own for own, mac in rounding.macs.items() if mac.result != own}
    for node in nodes:
        own = node.output[0]
        if own in rounding.macs:
            graph.node.extend(_mac(graph, node, rounding.macs[own]))
        else:
            graph.node.append(node)
        if own in folded:
            graph.node[-1].output[0] = f"{own}/unfolded"
            graph.node.append(helper.make_node("Identity", [folded[own]], [own]))
        if own in rounding.codes:
            graph.node[-1].output[0] = f"{own}/real"
            graph.node.extend(_round(graph, own, rounding.codes[own]))
    return changed


def _mac(graph: onnx.GraphProto, node: onnx.NodeProto, mac: RoundedMac) -> Iterator[onnx.NodeProto]:
    own = node.output[0]
    if node.op_type == "Conv":
        replaced = onnx.NodeProto()
        replaced.CopyFrom(node)
        bias = _constant(graph, f"{own}/bias", mac.bias)
        replaced.input[:] = [node.input[0], _constant(graph, f"{own}/weights", mac.weights), bias]
        yield replaced
        return
    matrix = np.ascontiguousarray(mac.weights.reshape(len(mac.weights), -1).T)
    weights = _constant(graph, f"{own}/weights", matrix)
    yield helper.make_node("MatMul", [node.input[0], weights], [f"{own}/sums"])
    yield helper.make_node("Add", [f"{own}/sums", _constant(graph, f"{own}/bias", mac.bias)], [own])


def _round(graph: onnx.GraphProto, value: str, code: MapCode) -> Iterator[onnx.NodeProto]:
    """Nearest code, half to even, clamped, as a real value again."""
    limit = code_limit(code.bits, code.signed)
    constants = {"scale": code.scale, "most": limit, "least": -limit if code.signed else 0}
    names = {
        name: _constant(graph, f"{value}/{name}", np.array(number, np.float32))
        for name, number in constants.items()
    }
    steps = (("Div", "scale"), ("Round", None), ("Min", "most"), ("Max", "least"), ("Mul", "scale"))
    at = f"{value}/real"
    for number, (operator, constant) in enumerate(steps, 1):
        made = value if number == len(steps) else f"{value}/{number}"
        yield helper.make_node(operator, [at, names[constant]] if constant else [at], [made])
        at = made


def _constant(graph: onnx.GraphProto, name: str, values: np.ndarray) -> str:
    graph.initializer.append(numpy_helper.from_array(values, name))
    return name
