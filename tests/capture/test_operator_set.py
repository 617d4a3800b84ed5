"""Every operator of the installed onnx and onnxruntime: none that may hold MACs is passed over in silence."""

from collections import defaultdict

import pytest

onnxruntime = pytest.importorskip("onnxruntime")
from onnx.defs import get_all_schemas  # noqa: E402
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema  # noqa: E402

from hwsim.capture.onnx_model import BLOCKED  # noqa: E402
from hwsim.capture.onnx_node import Node  # noqa: E402
from hwsim.capture.onnx_operators import NO_PRODUCTS, QUANTIZED, describe  # noqa: E402
from hwsim.capture.onnx_products import PRODUCTS  # noqa: E402

MICROSOFT = "com.microsoft."
NUMBERS = ("float", "int8")  # of which weights are

# Operands beside the first that may be numbers, of operators that a capture passes over, read one by one in
# the operators' own words. Whatever is not here would need to be a layer, or be refused.
ONE_BY_ONE = {  # each meets the one element, or the one channel, beside it
    "Add": "B",
    "BatchNormalization": "B input_mean input_var mean scale var",
    "Div": "B",
    "GroupNormalization": "bias scale",
    "InstanceNormalization": "B scale",
    "LayerNormalization": "B Scale",
    "Mod": "B",
    "Mul": "B",
    "PRelu": "slope",
    "Pow": "Y",
    "RMSNormalization": "scale",
    "SimplifiedLayerNormalization": "scale",
    "Sub": "B",
    "SwiGLU": "B",
    "com.microsoft.BiasSoftmax": "bias",
    "com.microsoft.FastGelu": "bias",
    "com.microsoft.GroupNorm": "beta gamma",
    "com.microsoft.QLinearAdd": "B",
    "com.microsoft.QLinearMul": "B",
}
COMPARED = {  # or bits of integers
    **dict.fromkeys(("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"), "B Y"),
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"), "B"),
    "Clip": "max min",
    "com.microsoft.QLinearWhere": "X Y",
    "NonMaxSuppression": "iou_threshold score_threshold scores",
    "Where": "X Y",
}
MOVED = {  # put somewhere as they are, or saying how many, or where
    "CastLike": "target_type",
    "Dropout": "ratio",
    "OneHot": "depth values",
    "Pad": "constant_value",
    "Range": "delta limit",
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND"), "updates"),
    "SequenceInsert": "tensor",
    "Split": "split",
    "TensorScatter": "update",
    "Tile": "axis tiles",
    "com.microsoft.BitmaskDropout": "ratio",
    "com.microsoft.Pad": "value",
    "com.microsoft.QLinearConcat": "inputs",
    "com.microsoft.Range": "delta limit",
}
PLACES = {  # of pixels between which values are taken: interpolation, of two by two
    **dict.fromkeys(("GridSample", "com.microsoft.GridSample"), "Grid grid"),
    **dict.fromkeys(("MaxRoiPool", "RoiAlign", "com.microsoft.CropAndResize"), "rois"),
    "Resize": "roi scales",
    "Upsample": "scales",
    "RotaryEmbedding": "cos_cache sin_cache",  # turns two values at a time
}
LOSSES = {"NegativeLogLikelihoodLoss": "weight", "SoftmaxCrossEntropyLoss": "weights"}  # of classes
GRAPHS = {"Loop": "v_initial", "Scan": "initial_state_and_scan_inputs", "SequenceMap": "additional_inputs"}
KNOWN = {**ONE_BY_ONE, **COMPARED, **MOVED, **PLACES, **LOSSES, **GRAPHS}


def full_name(domain: str, name: str) -> str:
    return name if domain in ("", "ai.onnx") else f"{domain}.{name}"


def installed():
    """By name, the operands of all versions that may be numbers, but the first."""
    operands = defaultdict(set)
    for schema in get_all_operator_schema():
        name = full_name(schema.domain, schema.name)
        kinds = {kind.type_param_str: kind.allowed_type_strs for kind in schema.type_constraints}
        for operand in schema.inputs[1:]:
            types = kinds.get(operand.typeStr, [operand.typeStr])
            if any(number in kind for kind in types for number in NUMBERS):
                operands[name].add(operand.name)
        operands[name] |= set()
    for schema in get_all_schemas():
        name = full_name(schema.domain, schema.name)
        for operand in schema.inputs[1:]:
            if any(number in kind for kind in operand.types for number in NUMBERS):
                operands[name].add(operand.name)
        operands[name] |= set()
    return {name: found for name, found in operands.items() if not name.startswith(BLOCKED)}


def is_passed_over(name: str) -> bool:
    return name in NO_PRODUCTS or name.removeprefix(MICROSOFT) in QUANTIZED


def test_what_is_passed_over_has_no_operand_of_weights():
    for name, operands in installed().items():
        if is_passed_over(name):
            quantization = {each for each in operands if each.lower().endswith(("_scale", "_zero_point"))}
            assert operands - quantization <= set(KNOWN.get(name, "").split()), name


def test_what_is_known_by_hand_is_there():
    there = installed()
    for name, operands in KNOWN.items():
        assert is_passed_over(name), name
        assert name not in PRODUCTS
        assert there[name] & set(operands.split()), name


def test_all_other_operators_are_layers_or_refused_by_name():
    others = [name for name in installed() if not is_passed_over(name) and name not in PRODUCTS]
    assert len(others) > 100
    for name in others:
        node = Node(name, "here", ("x", "w"), ("y",), {}, {}, {}, frozenset({"x"}), {})
        found = describe(node, 0)
        assert found["kind"] == "unsupported", name
        assert found["reason"].startswith(f"{name} is an operator that may hold MACs"), name
    assert {"com.microsoft.NhwcConv", "com.microsoft.QAttention", "ai.onnx.ml.SVMRegressor"} <= set(others)
