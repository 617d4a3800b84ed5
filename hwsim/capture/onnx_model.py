"""An ONNX file, and the same model with each convolution as a node of its own. Needs the ``onnx`` extra."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.checker
import onnx.inliner
from onnx import external_data_helper, helper, numpy_helper

from hwsim.errors import CaptureError, HwsimError, one_line

MICROSOFT = "com.microsoft"
BLOCKED = ("com.microsoft.nchwc", "com.ms.internal.nhwc")  # layouts that onnxruntime makes for one CPU
ACTIVATIONS = {"LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "Elu": ("alpha",)}


def read_model(path: Path) -> tuple[onnx.ModelProto, str]:
    """A model with all its weights, and the SHA-256 of the file and of those that its weights lie in.

    Raises:
        CaptureError: a file is missing, or it is no model that is captured.
    """
    if not path.is_file():
        raise CaptureError(f"there is no file {path}: check the path of the model")
    data = path.read_bytes()
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf's and onnx's own, of any kind
        raise CaptureError(f"{path} is not an ONNX model ({one_line(error)}): export it again") from error
    if not model.graph.node:
        raise CaptureError(f"{path} is not an ONNX model, or one without a node: export it again")
    _check_order(model.graph, path)
    try:
        names = [one_line(name) for name in dict.fromkeys(_external_files(model))]
    except ValueError as error:
        raise CaptureError(
            f"{path}: its weights cannot be read ({one_line(error)}): copy it again"
        ) from error
    for name in names:
        if not (path.parent / name).is_file():
            raise CaptureError(f"{path} has weights in {name}, which is missing: put it beside the model")
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx's own, of any kind
        raise CaptureError(
            f"{path}: its weights cannot be read ({one_line(error)}): copy it again"
        ) from error
    digest = sha256(data)
    for name in names:  # onnx has refused those that lead out of the folder
        digest.update((path.parent / name).read_bytes())
    if any(node.domain in BLOCKED for node in model.graph.node):
        raise CaptureError(
            f"{path} has the blocked layout that onnxruntime's optimizations make for one CPU: "
            "give the model as it was before them, or with those up to 'extended'"
        )
    return model, digest.hexdigest()


def _check_order(graph: onnx.GraphProto, path: Path) -> None:
    """See that every value is made once, and before it is read, as ONNX asks of a graph.

    Raises:
        CaptureError: it is not; nothing could be said of what runs behind what.
    """
    makers: dict[str, int] = {}
    for number, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if makers.setdefault(name, number) != number:
                raise CaptureError(f"{path}: two nodes make {one_line(name, 60)}: export the model again")
    for number, node in enumerate(graph.node):
        for name in node.input:
            if makers.get(name, -1) >= number:
                raise CaptureError(
                    f"{path}: {one_line(name, 60)} is read before it is made: export the model again"
                )


@contextmanager
def told_if_invalid(model: onnx.ModelProto, title: str) -> Iterator[None]:
    """Whatever a block raises about a model that is not valid ONNX is one error, in words of ONNX's check.

    It is not checked beforehand: runtimes take more than the check does.

    Raises:
        CaptureError: as said.
    """
    try:
        yield
    except HwsimError:
        raise
    except Exception:  # whatever a field that is missing or of another type leads to
        try:
            onnx.checker.check_model(model)
        except Exception as error:  # onnx's own, and protobuf's of a model beyond 2 GB
            raise CaptureError(
                f"{title} is not valid ONNX ({one_line(error)}): export the model again"
            ) from error
        raise


def _external_files(model: onnx.ModelProto) -> Iterator[str]:
    for tensor in external_data_helper._get_all_tensors(model):
        if external_data_helper.uses_external_data(tensor):
            yield external_data_helper.ExternalDataInfo(tensor).location


def plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model without functions of its own and without operators that are several in one.

    Outputs keep their names.

    Raises:
        CaptureError: its functions cannot be put in place.
    """
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:  # onnx's own, of any kind
            raise CaptureError(
                f"the model's own functions cannot be put in place ({one_line(error)})"
            ) from error
    made = onnx.ModelProto()
    made.CopyFrom(model)
    nodes = list(made.graph.node)
    del made.graph.node[:]
    for node in nodes:
        parts = APART.get((node.domain, node.op_type))
        made.graph.node.extend([node] if parts is None else parts(node))
    return made


def chosen(model: onnx.ModelProto, conditions: Mapping[str, np.ndarray]) -> onnx.ModelProto | None:
    """The same model with the branches in place that constant conditions choose; None if there is none.

    Args:
        model: of which ``If`` nodes are looked for.
        conditions: constants by name.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    nodes, changed = list(made.graph.node), False
    del made.graph.node[:]
    for node in nodes:
        if node.op_type != "If" or node.input[0] not in conditions:
            made.graph.node.append(node)
            continue
        branches = {attribute.name: attribute.g for attribute in node.attribute}
        branch = branches["then_branch" if np.all(conditions[node.input[0]]) else "else_branch"]
        made.graph.node.extend(_branch(made.graph, node, branch))
        changed = True
    return made if changed else None


def _branch(
    graph: onnx.GraphProto, node: onnx.NodeProto, branch: onnx.GraphProto
) -> Iterator[onnx.NodeProto]:
    """The nodes of a branch, its names made unique by the node's."""
    own = {tensor.name for tensor in branch.initializer} | {
        name for inner in branch.node for name in inner.output if name
    }
    names = {name: f"{node.output[0]}/{name}" for name in own}
    for tensor in branch.initializer:
        kept = onnx.TensorProto()
        kept.CopyFrom(tensor)
        kept.name = names[tensor.name]
        graph.initializer.append(kept)
    for inner in branch.node:
        renamed = onnx.NodeProto()
        renamed.CopyFrom(inner)
        _rename(renamed, names)
        yield renamed
    for outer, value in zip(node.output, branch.output, strict=True):
        yield helper.make_node("Identity", [names.get(value.name, value.name)], [outer])


def _rename(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Give values other names, in the graphs inside the node too."""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                _rename(inner, names)
            for value in graph.output:
                value.name = names.get(value.name, value.name)


def nodes_inside(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a node's graphs, at any depth."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield inner
                yield from nodes_inside(inner)


def _node(
    operator: str, inputs: Iterable[str], output: str, domain: str = "", **attributes: Any
) -> onnx.NodeProto:
    return helper.make_node(operator, list(inputs), [output], name=output, domain=domain, **attributes)


def _without(
    node: onnx.NodeProto, operator: str, output: str, inputs: Iterable[str], domain: str = ""
) -> onnx.NodeProto:
    """The operator that a fused one begins with, under its name."""
    made = onnx.NodeProto()
    made.CopyFrom(node)
    made.op_type, made.domain = operator, domain
    made.input[:], made.output[:] = list(inputs), [output]
    kept = [attribute for attribute in made.attribute if not attribute.name.startswith("activation")]
    del made.attribute[:]
    made.attribute.extend(kept)
    return made


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _activation(node: onnx.NodeProto, source: str) -> Iterator[onnx.NodeProto]:
    """The function that a fused operator ends with."""
    known = _attributes(node)
    kind = known.get("activation", b"").decode()
    numbers = list(known.get("activation_params", ()))
    numbers = numbers or [
        known[f"activation_{name}"] for name in ("alpha", "beta") if f"activation_{name}" in known
    ]
    output = node.output[0]
    if kind == "Clip":
        for name, number in zip(("least", "most"), numbers, strict=True):
            value = numpy_helper.from_array(np.array(number, np.float32))
            yield helper.make_node("Constant", [], [f"{output}/{name}"], value=value)
        yield _node("Clip", [source, f"{output}/least", f"{output}/most"], output)
    elif kind:
        yield _node(kind, [source], output, **dict(zip(ACTIVATIONS.get(kind, ()), numbers, strict=False)))
    else:
        yield _node("Identity", [source], output)


def _fused_conv(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    output, inputs = node.output[0], list(node.input)
    at = f"{output}/conv"
    yield _without(node, "Conv", at, inputs[:3])
    if len(inputs) > 3 and inputs[3]:
        yield _node("Add", [at, inputs[3]], f"{output}/sum")
        at = f"{output}/sum"
    yield from _activation(node, at)


def _fused_gemm(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    yield _without(node, "Gemm", f"{node.output[0]}/gemm", node.input)
    yield from _activation(node, f"{node.output[0]}/gemm")


def _bias_gelu(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """``BiasGelu``, and ``FastGelu``, which may have a bias."""
    operator = "Gelu" if node.op_type == "BiasGelu" else "FastGelu"
    source = node.input[0]
    if len(node.input) > 1 and node.input[1]:
        yield _node("Add", node.input[:2], f"{node.output[0]}/sum")
        source = f"{node.output[0]}/sum"
    yield _node(operator, [source], node.output[0], MICROSOFT)


def _skip_norm(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """A sum, perhaps with a bias, and its normalization."""
    simple = node.op_type.startswith("SkipSimplified")
    inputs, known = list(node.input), _attributes(node)
    place = 3 if simple else 4
    at = inputs[0]
    if len(inputs) > place and inputs[place]:
        yield _node("Add", [at, inputs[place]], f"{node.output[0]}/biased")
        at = f"{node.output[0]}/biased"
    total = node.output[3] if len(node.output) > 3 and node.output[3] else f"{node.output[0]}/sum"
    yield _node("Add", [at, inputs[1]], total)
    constants = [name for name in inputs[2 : 3 if simple else 4] if name]
    operator = "SimplifiedLayerNormalization" if simple else "LayerNormalization"
    yield _node(operator, [total, *constants], node.output[0], axis=-1, epsilon=known.get("epsilon", 1e-12))


APART = {
    (MICROSOFT, "FusedConv"): _fused_conv,
    (MICROSOFT, "FusedGemm"): _fused_gemm,
    (MICROSOFT, "BiasGelu"): _bias_gelu,
    (MICROSOFT, "FastGelu"): _bias_gelu,
    (MICROSOFT, "SkipLayerNormalization"): _skip_norm,
    (MICROSOFT, "SkipSimplifiedLayerNormalization"): _skip_norm,
}
