"""Shapes and types of a model's values for one picture, and the part of it that makes some of its values."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx

from hwsim.capture.onnx_node import ValueType

FEW = 1 << 10  # bytes of a constant that may say a shape: larger ones are weights


def inferred_kinds(model: onnx.ModelProto, name: str, given: np.ndarray) -> dict[str, ValueType]:
    """What onnx can tell without a run; values that it does not know are not there.

    Args:
        model: whose input ``name`` is ``given``.
    """
    light = onnx.ModelProto()
    light.CopyFrom(without_weights(model))
    for value in light.graph.input:
        if value.name == name:
            sizes = value.type.tensor_type.shape
            del sizes.dim[:]
            for size in given.shape:
                sizes.dim.add().dim_value = size
    for value in light.graph.output:
        value.type.tensor_type.ClearField("shape")
    del light.graph.value_info[:]
    try:
        found = onnx.shape_inference.infer_shapes(light, data_prop=True)
    except Exception:  # onnx's own, of any kind: a run will tell
        return {}
    kinds = {}
    for value in (*found.graph.value_info, *found.graph.output):
        tensor = value.type.tensor_type
        sizes = tuple(size.dim_value for size in tensor.shape.dim)
        known = tensor.HasField("shape") and all(size.HasField("dim_value") for size in tensor.shape.dim)
        if known and tensor.elem_type:
            kinds[value.name] = ValueType(sizes, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return kinds


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shapes of its large constants, but not their values."""
    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    light.graph.name = model.graph.name
    light.graph.node.extend(model.graph.node)
    light.graph.input.extend(model.graph.input)
    light.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) <= FEW:
            light.graph.initializer.add().CopyFrom(tensor)
        else:
            light.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    return light


def part_that_makes(model: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    """The nodes and constants that it takes to make some values, which are its outputs.

    Before version 4 of ONNX's format constants stand among the inputs, too: one that is left out is no input.
    """
    needed, nodes = set(names), []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed |= _read_by(node)
    part = onnx.ModelProto(ir_version=model.ir_version)
    part.opset_import.extend(model.opset_import)
    part.functions.extend(model.functions)
    part.graph.name = model.graph.name
    part.graph.node.extend(reversed(nodes))
    part.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    constants = {tensor.name for tensor in model.graph.initializer}
    part.graph.input.extend(
        value for value in model.graph.input if value.name in needed or value.name not in constants
    )
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(names))
    return part


def _read_by(node: onnx.NodeProto) -> set[str]:
    """Names that a node reads, and those that the graphs inside it do."""
    read = set(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                read |= _read_by(inner)
            read |= {value.name for value in graph.output}
    return read
