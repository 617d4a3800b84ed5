"""Small ONNX models for tests, put together from nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)
POINT = RNG.standard_normal((2, 4, 1, 1)).astype(np.float32)
CONVOLUTIONS = (
    helper.make_node("Conv", ["x", "w"], ["c"], name="one", pads=[1, 1, 1, 1]),
    helper.make_node("Relu", ["c"], ["r"]),
    helper.make_node("Conv", ["r", "v"], ["y"], name="two"),
)
WEIGHTS = {"w": KERNEL, "v": POINT}


def saved(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, np.ndarray],
    shape: Sequence[int | str | None] = (1, 3, 8, 6),
    kind: int = onnx.TensorProto.FLOAT,
    output: tuple[str, int] = ("y", onnx.TensorProto.FLOAT),
    **parts: object,
) -> Path:
    """A model from ``x`` to an output, in a file; ``functions`` and ``opsets`` among the parts."""
    opsets = dict({"": 21}, **parts.pop("opsets", {}))  # type: ignore[arg-type]
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(output[0], output[1], None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid(*entry) for entry in opsets.items()], ir_version=10, **parts
    )
    onnx.save(made, path)
    return path
