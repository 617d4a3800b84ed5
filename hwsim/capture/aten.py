"""What ATen operators, torch's own vocabulary, mean to a capture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import torch

from hwsim.capture.graph import Mac, mac_of_convolution, mac_of_linear, per_channel

SAME = {
    *("view", "_unsafe_view", "reshape", "_reshape_alias", "flatten", "unsqueeze", "squeeze", "alias"),
    *("detach", "clone", "contiguous", "_to_copy", "lift_fresh", "dropout", "native_dropout"),
}
CLAMP = {"relu", "hardtanh", "clamp", "clamp_min"}
ARITHMETIC = {"mul", "add", "sub", "div"}
BATCH_NORM = {"native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"}
MAX_POOL = {"max_pool2d_with_indices", "max_pool2d", "adaptive_max_pool2d"}
BLEND = {
    *("avg_pool2d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "mean", "amax", "constant_pad_nd"),
    *("upsample_nearest2d", "upsample_bilinear2d", "leaky_relu", "_prelu_kernel", "elu", "gelu", "silu"),
    *("mish", "hardswish", "hardsigmoid", "sigmoid", "tanh", "softplus", "threshold", "clamp_max", "rsub"),
    *CLAMP,
    *ARITHMETIC,
}
PRODUCT = {
    *("bmm", "baddbmm", "mv", "dot", "lstm", "gru", "mkldnn_rnn_layer"),
    *("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_attention_math"),
}


@dataclass(frozen=True, eq=False)
class Call:
    """A call of an operator.

    Attributes:
        name: of the operator, without its overload and the mark of an operation in place.
        in_place: it changes an argument.
        given: arguments by name, defaults filled in.
        tensors: among the arguments, those in lists too.
    """

    name: str
    in_place: bool
    given: dict[str, Any]
    tensors: list[torch.Tensor]

    @staticmethod
    def of(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Call:
        """A call as a dispatch mode sees it."""
        schema = func._schema
        given = {
            argument.name: args[i] if i < len(args) else kwargs.get(argument.name, argument.default_value)
            for i, argument in enumerate(schema.arguments)
        }
        name = schema.name.removeprefix("aten::")
        return Call(
            name.removesuffix("_") if schema.is_mutable else name,
            schema.is_mutable,
            given,
            tensors_of([*args, *kwargs.values()]),
        )


def tensors_of(values: Any) -> list[torch.Tensor]:
    """The tensors of a result or of arguments, from lists and tuples too."""
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in tensors_of(value)]
    return []


def describe(call: Call, values: Sequence[str | None], shape: tuple[int, ...], path: str) -> dict[str, Any]:
    """Fields of the :class:`hwsim.capture.graph.Operator` that a call is, but its inputs and its output.

    Args:
        call: the call.
        values: of its tensors; None for one that does not depend on the picture.
        shape: of its result.
        path: the layer that runs; a module with a dot behind, or nothing, if it is none of torch's layers.
    """
    name, given = call.name, call.given
    varying = {id(tensor) for tensor, value in zip(call.tensors, values, strict=True) if value}
    if name == "convolution":
        return _mac(path, "conv", lambda: _convolution(given, varying))
    if name in ("mm", "addmm"):
        return _mac(path, "linear", lambda: _linear(given, varying))
    if name in PRODUCT:
        return {"kind": "unsupported", "name": _name(path, name), "reason": f"{name}, no linear layer"}
    if name in SAME:
        return {"kind": "same"}
    if name in CLAMP and (ceiling := _ceiling(given)) is not None:
        return {"kind": "relu", "ceiling": ceiling}
    if name in BATCH_NORM and not given.get("training"):
        return {"kind": "scale", **_batch_norm(given)}
    if name in ARITHMETIC and (scale := _arithmetic(name, given, varying, shape)):
        return {"kind": "scale", **scale}
    if name == "constant_pad_nd" and (padding := _zeros_around(given)) is not None:
        return {"kind": "pad", "padding": padding}
    if name in MAX_POOL:
        return {"kind": "max_pool"}
    if name in ("add", "sub") and len(varying) == 2:
        return {"kind": "add"}
    if name == "cat" and len(shape) > 1 and given["dim"] % len(shape) == 1:
        return {"kind": "concat"}
    return {"kind": "blend" if name in BLEND and len(varying) == 1 else "other"}


def _mac(path: str, what: str, make: Callable[[], Mac]) -> dict[str, Any]:
    name = _name(path, what)
    try:
        return {"kind": "mac", "name": name, "mac": make()}
    except ValueError as error:
        return {"kind": "unsupported", "name": name, "reason": str(error)}


def _name(path: str, what: str) -> str:
    return f"{path}{what}" if path.endswith(".") or not path else path


def _convolution(given: dict[str, Any], varying: set[int]) -> Mac:
    _check_constant(given["weight"], varying)
    weights = _array(given["weight"])
    stride, padding, dilation = (
        tuple(given[name]) * (weights.ndim - 2 if len(given[name]) == 1 else 1)  # one stands for all axes
        for name in ("stride", "padding", "dilation")
    )
    bias = None if given["bias"] is None else _array(given["bias"])
    return mac_of_convolution(weights, bias, stride, padding, dilation, given["groups"], given["transposed"])


def _linear(given: dict[str, Any], varying: set[int]) -> Mac:
    vectors, weights = given.get("mat1", given["self"]), given["mat2"]
    _check_constant(weights, varying)
    bias = None
    if "mat1" in given:
        if id(given["self"]) in varying or (given["beta"], given["alpha"]) != (1, 1):
            raise ValueError("a product that is added to another, no linear layer")
        bias = np.broadcast_to(_array(given["self"]), weights.shape[1:])
    return mac_of_linear(_array(weights).T, bias, len(vectors))


def _check_constant(weights: torch.Tensor, varying: set[int]) -> None:
    if id(weights) in varying:
        raise ValueError("a product of two values that depend on the picture")


def _ceiling(given: dict[str, Any]) -> float | None:
    """The ceiling of a clamp from 0 upwards; None if it starts elsewhere."""
    low = given.get("min", given.get("min_val", 0))
    high = given.get("max", given.get("max_val"))
    if low != 0 or isinstance(low, torch.Tensor):
        return None
    return inf if high is None else float(high)


def _batch_norm(given: dict[str, Any]) -> dict[str, np.ndarray]:
    """(x - mean) / sqrt(variance + eps) * weight + bias, as a factor and an offset."""
    mean, variance = _array(given["running_mean"]), _array(given["running_var"])
    weight = np.ones_like(mean) if given["weight"] is None else _array(given["weight"])
    bias = np.zeros_like(mean) if given["bias"] is None else _array(given["bias"])
    factor = weight / np.sqrt(variance + given.get("eps", given.get("epsilon")))
    return {"factor": factor, "offset": bias - mean * factor}


def _arithmetic(
    name: str, given: dict[str, Any], varying: set[int], shape: tuple[int, ...]
) -> dict[str, np.ndarray] | None:
    """x * c, x / c, x + c, x - c and c - x with a constant for each channel, or for all."""
    first, second = given["self"], given["other"]
    if id(first) in varying and id(second) in varying:
        return None
    turned = id(first) not in varying
    constant = first if turned else second
    values = per_channel(_array(constant), shape)
    if values is None or given.get("rounding_mode"):
        return None
    if name in ("mul", "div"):
        if turned and name == "div":
            return None
        return {"factor": values if name == "mul" else 1 / values, "offset": np.zeros(1)}
    values = values * float(given.get("alpha", 1)) if not turned else values
    if name == "sub":
        return {"factor": np.full(1, -1.0 if turned else 1.0), "offset": values if turned else -values}
    return {"factor": np.full(1, float(given.get("alpha", 1)) if turned else 1.0), "offset": values}


def _zeros_around(given: dict[str, Any]) -> tuple[int, int] | None:
    """(top, left) of a padding with zeros in height and width alone."""
    left, _, top, _ = sides = (*given["pad"], 0, 0, 0, 0)[:4]
    plain = not given["value"] and min(sides) >= 0 and not any(given["pad"][4:])
    return (top, left) if plain else None


def _array(constant: Any) -> np.ndarray:
    if isinstance(constant, torch.Tensor):
        return constant.detach().to(torch.float64).numpy()
    return np.asarray(constant, np.float64)
