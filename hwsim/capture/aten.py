"""What ATen operators, torch's own vocabulary, mean to a capture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hwsim.capture.graph import Lattice, Mac, mac_of_convolution, mac_of_linear
from hwsim.capture.no_products import ATEN as NO_PRODUCTS
from hwsim.capture.views import Step

Shape = tuple[int, ...]

_RESHAPE = """
view _unsafe_view reshape _reshape_alias flatten unflatten unsqueeze squeeze alias detach clone contiguous
lift_fresh dropout native_dropout feature_dropout alias_copy view_copy unsqueeze_copy squeeze_copy
identity _to_copy to
"""
RESHAPE = frozenset(_RESHAPE.split())
COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
OWN = (torch._C.DispatchKey.CPU, torch._C.DispatchKey.CompositeExplicitAutograd)
CLAMP = {"relu", "relu6", "hardtanh", "clamp", "clamp_min", "clip"}
ARITHMETIC = {"mul", "add", "sub", "div", "rsub"}
BATCH_NORM = {
    *("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "batch_norm"),
    *("_batch_norm_with_update", "_batch_norm_no_update"),
}
PICK = {
    *("max_pool1d", "max_pool2d", "max_pool2d_with_indices", "adaptive_max_pool1d", "adaptive_max_pool2d"),
    *("upsample_nearest1d", "upsample_nearest2d", "amax"),
    *("reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d"),
}
CONVOLUTION = {"convolution", "_convolution", "convolution_overrideable", "mkldnn_convolution"}


@dataclass(frozen=True, eq=False)
class Call:
    """A call of an operator.

    Attributes:
        name: of the operator, without its overload, the mark of an operation in place and ``aten::``.
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


def taken_apart(mode: TorchDispatchMode, func: Any, args: Any, kwargs: Any) -> Any:
    """What an operator gives that torch makes of others, each of which passes the mode; else
    ``NotImplemented``.

    Autograd takes such operators apart before a mode sees them, but not in inference mode.
    """
    if not func.has_kernel_for_dispatch_key(COMPOSITE) or any(map(func.has_kernel_for_dispatch_key, OWN)):
        return NotImplemented
    with mode:
        return func._op_dk(COMPOSITE, *args, **kwargs)


def tensors_of(values: Any) -> list[torch.Tensor]:
    """The tensors of a result or of arguments, from lists and tuples too."""
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in tensors_of(value)]
    return []


@dataclass(frozen=True, eq=False)
class Seen:
    """A call and what is known of its tensors.

    Attributes:
        call: the call.
        varying: identities of the tensors that depend on the picture.
        made: the tensor that is described.
        number: which of the results it is.
        path: the layer that runs; a module with a dot behind, or nothing, if it is none of torch's layers.
        layers: names of layers by the memory of their weights.
    """

    call: Call
    varying: frozenset[int]
    made: torch.Tensor
    number: int
    path: str
    layers: Mapping[int, str]

    @property
    def name(self) -> str:
        """Of the operator."""
        return self.call.name

    @property
    def given(self) -> dict[str, Any]:
        """Its arguments."""
        return self.call.given

    @property
    def shape(self) -> Shape:
        """Of the result."""
        return tuple(self.made.shape)

    @property
    def source(self) -> torch.Tensor:
        """The first tensor that depends on the picture."""
        return next(tensor for tensor in self.call.tensors if id(tensor) in self.varying)

    @property
    def alone(self) -> bool:
        """Whether one tensor depends on the picture."""
        return len({id(tensor) for tensor in self.call.tensors} & self.varying) == 1

    def varies(self, argument: Any) -> bool:
        """Whether an argument depends on the picture."""
        return id(argument) in self.varying


def describe(seen: Seen) -> dict[str, Any]:
    """Fields of the :class:`hwsim.capture.graph.Operator` that a call is, but its inputs and its output."""
    name, given = seen.name, seen.given
    if name in CONVOLUTION:
        return _mac(seen, given["weight"], "conv", lambda: (_convolution(seen), ()))
    if name in PRODUCTS:
        return PRODUCTS[name](seen)
    if name == "quantized::linear_dynamic":
        return _mac(seen, None, "linear", lambda: (_packed(given["W_prepack"]), ()))
    if name.startswith("quantized"):
        reason = (
            f"{name}, of PyTorch's own quantization: give the float network, or export it to ONNX with QDQ"
        )
        return _unsupported(seen, name.rpartition(":")[2], reason)
    if name not in NO_PRODUCTS:
        reason = f"{name} is an operator that may hold MACs, and none that is captured"
        return _unsupported(seen, name.rpartition(":")[2], reason)
    if seen.number and name not in VIEWS:
        return {"kind": "other"}
    if name in RESHAPE and not seen.made.is_floating_point() and seen.source.is_floating_point():
        return {"kind": "blend"}  # cut to integers
    if name in RESHAPE:
        return {"kind": "view", "steps": (Step("reshape", seen.shape),)}
    if name in VIEWS and seen.alone:
        steps = VIEWS[name](seen)
        return {"kind": "view", "steps": steps} if steps else {"kind": "blend"}
    if name in CLAMP and (ceiling := _ceiling(given)) is not None:
        return {"kind": "relu", "ceiling": ceiling}
    if name in ("maximum", "clamp_min") and seen.alone and _is_zero(given.get("other", given.get("min"))):
        return {"kind": "relu"}
    if (
        name in BATCH_NORM
        and not given.get("training")
        and seen.alone
        and given.get("running_mean") is not None
    ):
        return {"kind": "scale", **_batch_norm(seen)}
    if name in ARITHMETIC and seen.alone and (scale := _arithmetic(seen)):
        return {"kind": "scale", **scale}
    if name == "constant_pad_nd" and (pads := _zeros_around(seen)) is not None:
        return {"kind": "pad", "pads": pads}
    if name in PICK:
        return {"kind": "pick"}
    if name.startswith("fake_quantize_per_tensor") and seen.alone:
        return {"kind": "quantize", "lattice": _fake(given)}
    if name in ("cat", "concat", "stack"):
        return {"kind": "concat"}
    if seen.alone:
        return {"kind": "blend"}
    elementwise = all(tensor.ndim <= len(seen.shape) for tensor in seen.call.tensors)
    return {"kind": "add" if elementwise and tuple(seen.source.shape) != () else "other"}


def _mac(
    seen: Seen, weights: torch.Tensor | None, what: str, make: Callable[[], tuple[Mac, tuple[Step, ...]]]
) -> dict[str, Any]:
    name = _name(seen, weights, what)
    try:
        mac, steps = make()
        return {"kind": "mac", "name": name, "mac": mac, "steps": steps, "made_steps": steps}
    except ValueError as error:
        return {"kind": "unsupported", "name": name, "reason": str(error), "macs": _macs(seen)}


def _unsupported(seen: Seen, what: str, reason: str, macs: int | None = None) -> dict[str, Any]:
    return {"kind": "unsupported", "name": _name(seen, None, what), "reason": reason, "macs": macs}


def _name(seen: Seen, weights: torch.Tensor | None, what: str) -> str:
    known = None if weights is None else seen.layers.get(weights.data_ptr())
    if known and (not seen.path or seen.path.endswith(".")):
        return known
    return f"{seen.path}{what}" if seen.path.endswith(".") or not seen.path else seen.path


def _macs(seen: Seen) -> int:
    """As published, of a convolution or a product that is no layer."""
    given, out = seen.given, prod(seen.shape)
    if seen.name in CONVOLUTION:
        weights = given["weight"]
        if given["transposed"]:
            return prod(given["input"].shape) * prod(weights.shape[1:])
        return out * prod(weights.shape[1:])
    first = given.get("batch1", given.get("mat1", given["self"]))
    return out * first.shape[-1]


def _convolution(seen: Seen) -> Mac:
    given = seen.given
    _check_constant(seen, given["weight"])
    weights = given["weight"].detach().numpy()
    stride, padding, dilation = (
        tuple(given[name]) * (weights.ndim - 2 if len(given[name]) == 1 else 1)  # one stands for all axes
        for name in ("stride", "padding", "dilation")
    )
    bias = None if given["bias"] is None else _array(given["bias"])
    return mac_of_convolution(weights, bias, stride, padding, dilation, given["groups"], given["transposed"])


def _product(seen: Seen) -> dict[str, Any]:
    """A matrix product, perhaps of a batch, perhaps with something added."""
    given = seen.given
    first = next(given[name] for name in ("batch1", "mat1", "self") if name in given)
    second = next(given[name] for name in ("batch2", "mat2", "vec", "other", "tensor") if name in given)
    if seen.varies(first) and seen.varies(second):
        return _unsupported(
            seen, seen.name, "a product of two values that depend on the picture", _macs(seen)
        )
    added = given["self"] if first is not given["self"] else None
    constant = second if seen.varies(first) else first
    weights = constant

    def make() -> tuple[Mac, tuple[Step, ...]]:
        matrix = constant.detach().numpy()
        if added is not None and (seen.varies(added) or (given["beta"], given["alpha"]) != (1, 1)):
            raise ValueError("a product that is added to another, no linear layer")
        if matrix.ndim == 3 and np.ptp(matrix, axis=0).any():
            raise ValueError(f"a product with {len(matrix)} matrices of weights, no linear layer")
        matrix = matrix.reshape(-1, matrix.shape[-1])[: matrix.shape[-2]] if matrix.ndim > 2 else matrix
        if matrix.ndim < 2:
            matrix = matrix[:, None]
        left = constant is first
        filters = len(matrix) if left else matrix.shape[1]
        if len(seen.shape) < first.ndim:
            raise ValueError("a product with a vector, which leaves no channels")
        bias = None if added is None else _bias(_array(added), left, filters)
        swap = (*range(len(seen.shape) - 2), len(seen.shape) - 1, len(seen.shape) - 2)
        return mac_of_linear(matrix if left else matrix.T, bias), (Step("permute", swap),) if left else ()

    return _mac(seen, weights, "linear", make)


def _bias(added: np.ndarray, left: bool, filters: int) -> np.ndarray:
    """What is added to a product, as one number for each filter."""
    try:
        if left:
            return np.broadcast_to(added, (filters, 1))[:, 0]
        return np.broadcast_to(added, (1, filters))[0]
    except ValueError:
        raise ValueError("a product to which a matrix is added, no linear layer") from None


def _attention(seen: Seen) -> dict[str, Any]:
    """Fused attention: two products of activations."""
    query, key, value = (seen.given[name] for name in ("query", "key", "value"))
    pairs = prod(query.shape[:-1]) * key.shape[-2]
    macs = pairs * (query.shape[-1] + value.shape[-1])
    return _unsupported(
        seen, seen.name, "attention's two products of values that depend on the picture", macs
    )


def _recurrent(seen: Seen) -> dict[str, Any]:
    return _unsupported(seen, seen.name, "a recurrent layer")


PRODUCTS: Mapping[str, Callable[[Seen], dict[str, Any]]] = {
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm", "matmul", "mv", "dot", "vdot"), _product),
    **dict.fromkeys(
        (
            *("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_attention_math"),
            *("scaled_dot_product_attention", "_scaled_dot_product_fused_attention_overrideable"),
        ),
        _attention,
    ),
    **dict.fromkeys(
        ("lstm", "gru", "rnn_tanh", "rnn_relu", "mkldnn_rnn_layer", "lstm_cell", "gru_cell"), _recurrent
    ),
}


def _packed(packed: Any) -> Mac:
    """A linear layer of dynamic quantization: whole weights; its maps are floats, quantized as they come."""
    weights, bias = torch.ops.quantized.linear_unpack(packed)
    real = _array(weights.dequantize())
    scales = (
        weights.q_per_channel_scales().numpy()
        if weights.qscheme() == torch.per_channel_affine
        else np.full(len(real), weights.q_scale())
    )
    mac = mac_of_linear(real, None if bias is None else _array(bias))
    return Mac(mac.kind, mac.weights, mac.bias, scales=scales.astype(np.float64))


def _check_constant(seen: Seen, weights: torch.Tensor) -> None:
    if seen.varies(weights):
        raise ValueError("a convolution with weights that depend on the picture")


def _permuted(seen: Seen) -> tuple[Step, ...]:
    given, axes = seen.given, seen.source.ndim
    if seen.name == "permute":
        order = [axis % axes for axis in given["dims"]]
    else:
        one, other = (
            (given["dim0"] % axes, given["dim1"] % axes) if seen.name == "transpose" else (0, axes - 1)
        )
        order = list(range(axes))
        order[one], order[other] = order[other], order[one]
    return (Step("permute", tuple(order)),)


def _cut(seen: Seen) -> tuple[Step, ...]:
    """Parts of an axis: of ``slice``, ``select``, and of the functions that give all parts at once."""
    given, shape = seen.given, tuple(seen.source.shape)
    axis = given["dim"] % len(shape)
    if seen.name == "slice":
        first = min(
            max((given["start"] or 0) + (shape[axis] if (given["start"] or 0) < 0 else 0), 0), shape[axis]
        )
        return (Step("cut", (axis, first, seen.shape[axis], given["step"])),)
    if seen.name in ("select", "unbind"):
        first = given["index"] % shape[axis] if seen.name == "select" else seen.number
        return Step("cut", (axis, first, 1, 1)), Step("reshape", seen.shape)
    if seen.name == "split":
        return (Step("cut", (axis, seen.number * given["split_size"], seen.shape[axis], 1)),)
    first = sum(given["split_sizes"][: seen.number])
    return (Step("cut", (axis, first, seen.shape[axis], 1)),)


def _shuffled(seen: Seen) -> tuple[Step, ...]:
    """``channel_shuffle``, ``pixel_shuffle`` and its inverse, as views."""
    *batch, channels, height, width = seen.source.shape
    many = len(batch)
    if "shuffle" in seen.name and "channel" in seen.name:
        groups, rest = seen.given["groups"], tuple(range(many + 2, many + 4))
        split = (*batch, groups, channels // groups, height, width)
        return (
            Step("reshape", split),
            Step("permute", (*range(many), many + 1, many, *rest)),
            Step("reshape", seen.shape),
        )
    if seen.name == "pixel_shuffle":
        factor = seen.given["upscale_factor"]
        split = (*batch, channels // factor**2, factor, factor, height, width)
        order = (*range(many), many, many + 3, many + 1, many + 4, many + 2)
    else:
        factor = seen.given["downscale_factor"]
        split = (*batch, channels, height // factor, factor, width // factor, factor)
        order = (*range(many), many, many + 2, many + 4, many + 1, many + 3)
    return Step("reshape", split), Step("permute", order), Step("reshape", seen.shape)


VIEWS: Mapping[str, Callable[[Seen], tuple[Step, ...]]] = {
    **dict.fromkeys(("permute", "transpose", "t"), _permuted),
    **dict.fromkeys(("slice", "select", "split", "split_with_sizes", "unbind"), _cut),
    **dict.fromkeys(
        ("channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"), _shuffled
    ),
    "expand": lambda seen: (Step("expand", seen.shape),),
}


def _ceiling(given: dict[str, Any]) -> float | None:
    """The ceiling of a clamp from 0 upwards; None if it starts elsewhere."""
    low = given.get("min", given.get("min_val", 0))
    high = given.get("max", given.get("max_val"))
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor) or low != 0:
        return None
    return inf if high is None else float(high)


def _is_zero(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() == 1 and not value.item()


def _batch_norm(seen: Seen) -> dict[str, np.ndarray]:
    """(x - mean) / sqrt(variance + eps) * weight + bias, as a factor and an offset."""
    given = seen.given
    mean, variance = _array(given["running_mean"]), _array(given["running_var"])
    weight = np.ones_like(mean) if given["weight"] is None else _array(given["weight"])
    bias = np.zeros_like(mean) if given["bias"] is None else _array(given["bias"])
    factor = weight / np.sqrt(variance + given.get("eps", given.get("epsilon")))
    along = (-1, *(1,) * (len(seen.shape) - 2))
    return {"factor": factor.reshape(along), "offset": (bias - mean * factor).reshape(along)}


def _arithmetic(seen: Seen) -> dict[str, np.ndarray] | None:
    """x * c, x / c, x + c, x - c and c - x with a constant."""
    name, given = seen.name, seen.given
    first, second = given["self"], given["other"]
    if name == "rsub":
        name, first, second = "sub", second, first
    turned = not seen.varies(first)
    if given.get("rounding_mode") or (turned and name == "div"):
        return None
    constant, alpha = _array(first if turned else second), float(given.get("alpha", 1))
    if name in ("mul", "div"):
        with np.errstate(divide="ignore"):
            return {"factor": constant if name == "mul" else 1 / constant, "offset": np.zeros(1)}
    alpha = -alpha if name == "sub" else alpha
    if turned:
        return {"factor": np.full(1, alpha), "offset": constant}
    return {"factor": np.ones(1), "offset": alpha * constant}


def _fake(given: dict[str, Any]) -> Lattice | None:
    scale, zero = given["scale"], given["zero_point"]
    if isinstance(scale, torch.Tensor):
        return None
    return Lattice(float(scale), int(zero), given["quant_min"], given["quant_max"], real=True)


def _zeros_around(seen: Seen) -> tuple[tuple[int, int], ...] | None:
    """Zeros before and behind each axis."""
    pad, axes = seen.given["pad"], len(seen.shape)
    pairs = [(pad[n], pad[n + 1]) for n in range(0, len(pad), 2)][::-1]
    plain = not seen.given["value"] and min(pad, default=0) >= 0
    return (((0, 0),) * (axes - len(pairs)) + tuple(pairs)) if plain else None


def _array(constant: Any) -> np.ndarray:
    if isinstance(constant, torch.Tensor):
        return constant.detach().to(torch.float64).numpy()
    return np.asarray(constant, np.float64)
