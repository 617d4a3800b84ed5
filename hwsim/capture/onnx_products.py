"""ONNX operators that sum up products: layers of a trace, or named as what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from hwsim.capture.graph import Lattice, Mac, mac_of_convolution, mac_of_linear
from hwsim.capture.onnx_node import Node
from hwsim.capture.views import Step

MICROSOFT = "com.microsoft."
WHOLE = 1e-3  # how far weights may lie from whole multiples of their scale: floats round
MOST_INTEGER = 1 << 15


def unsupported(node: Node, reason: str, macs: int | None = None) -> dict[str, Any]:
    """A node that no layer can be."""
    return {"kind": "unsupported", "name": node.name, "reason": reason, "macs": macs}


def lattice_of(node: Node, scale: int, zero: int, dtype: np.dtype, real: bool = False) -> Lattice | None:
    """Integers whose scale and zero point are inputs at these positions; None if there is not one for all."""
    steps = node.constant(scale)
    point = node.constant(zero) if node.has(zero) else np.zeros(1)
    if steps is None or point is None or steps.size != 1 or point.size != 1 or dtype.kind not in "ui":
        return None
    limits = np.iinfo(dtype)
    return Lattice(float(steps.item()), int(point.item()), int(limits.min), int(limits.max), real)


def _mac(
    node: Node, make: Callable[[], tuple[Mac, tuple[Step, ...], tuple[Step, ...]]], **fields: Any
) -> dict[str, Any]:
    try:
        mac, steps, made_steps = make()
    except ValueError as error:
        return unsupported(node, str(error), _macs(node))
    return {"kind": "mac", "name": node.name, "mac": mac, "steps": steps, "made_steps": made_steps, **fields}


def _macs(node: Node) -> int | None:
    """As published: of a convolution or a product of matrices."""
    kind, out = node.kind.removeprefix(MICROSOFT), prod(node.made().shape)
    place = 3 if kind in ("QLinearConv", "QLinearMatMul", "QGemm") else 1
    if not node.has(place):
        return None
    first, second = node.kinds[node.inputs[0]].shape, node.kinds[node.inputs[place]].shape
    if kind == "ConvTranspose":
        return prod(first) * prod(second[1:])
    if "Conv" in kind:
        return out * prod(second[1:])
    return out * first[-2 if node.attributes.get("transA") and len(first) > 1 else -1] if first else None


def _weights(node: Node, position: int = 1) -> np.ndarray:
    weights = node.constant(position)
    if weights is None:
        raise ValueError("a product of two values that depend on the picture")
    return weights


def _real_weights(
    node: Node, position: int, scale: np.ndarray | None, zero: int, axis: int
) -> tuple[np.ndarray, Any]:
    """Weights of integers as real numbers, and their scale; it and the zero point lie along an axis."""
    integers = np.asarray(_weights(node, position), np.float64)
    scales = np.ones(1) if scale is None else np.asarray(scale, np.float64).reshape(-1)
    point = node.constant(zero) if node.has(zero) else np.zeros(1)
    if point is None:
        raise ValueError("weights whose zero point depends on the picture")
    along = [1] * integers.ndim
    along[axis] = -1
    points = np.asarray(point, np.float64).reshape(-1)
    if {scales.size, points.size} - {1, integers.shape[axis]}:
        raise ValueError("weights whose scales are not one for each output")
    return (integers - points.reshape(along)) * scales.reshape(along), scales


def _with_scales(mac: Mac, scales: np.ndarray | None) -> Mac:
    """The layer with the scales of its weights, if they are whole multiples of those."""
    if scales is None or scales.size not in (1, len(mac.weights)) or not np.all(scales > 0):
        return mac
    each = np.broadcast_to(np.asarray(scales, np.float64).reshape(-1), len(mac.weights)).copy()
    integers = mac.weights.astype(np.float64) / each[:, None, None, None]
    whole = np.rint(integers)
    if np.abs(integers - whole).max() > WHOLE or np.abs(whole).max() >= MOST_INTEGER:
        return mac
    return replace(mac, weights=whole * each[:, None, None, None], scales=each)


def _same_padding(node: Node, shape: tuple[int, ...], kernel: tuple[int, ...]) -> list[int]:
    """Zeros before each dimension, as ``auto_pad`` says."""
    dimensions = len(kernel)
    automatic = node.attributes.get("auto_pad", b"NOTSET")
    if automatic == b"VALID":
        return [0] * dimensions
    if not automatic.startswith(b"SAME"):
        return list(node.attributes.get("pads", [0] * 2 * dimensions)[:dimensions])
    strides, dilations = _steps(node, dimensions)
    spare = [
        max((-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1 - size, 0)
        for size, stride, taps, dilation in zip(shape[2:], strides, kernel, dilations, strict=True)
    ]
    return [(n + 1) // 2 if automatic == b"SAME_LOWER" else n // 2 for n in spare]


def _steps(node: Node, dimensions: int) -> tuple[list[int], list[int]]:
    ones = [1] * dimensions
    return node.attributes.get("strides", ones), node.attributes.get("dilations", ones)


def _convolved(node: Node, weights: np.ndarray, bias: np.ndarray | None) -> Mac:
    padding = _same_padding(node, node.shape, weights.shape[2:])
    strides, dilations = _steps(node, weights.ndim - 2)
    return mac_of_convolution(weights, bias, strides, padding, dilations, node.attributes.get("group", 1))


def _bias(node: Node, position: int) -> np.ndarray | None:
    bias = node.constant(position)
    if bias is None and node.has(position):
        raise ValueError("a bias that depends on the picture")
    return bias


def _conv(node: Node) -> dict[str, Any]:
    def make() -> tuple[Mac, tuple[()], tuple[()]]:
        mac = _convolved(node, _weights(node), _bias(node, 2))
        return _with_scales(mac, node.scales.get(node.inputs[1])), (), ()

    return _mac(node, make)


def _conv_transpose(node: Node) -> dict[str, Any]:
    def make() -> tuple[Mac, tuple[()], tuple[()]]:
        weights = _weights(node)
        dimensions = weights.ndim - 2
        strides, dilations = _steps(node, dimensions)
        automatic = node.attributes.get("auto_pad", b"NOTSET")
        padding = list(node.attributes.get("pads", [0] * 2 * dimensions)[:dimensions])
        if automatic == b"VALID":
            padding = [0] * dimensions
        elif automatic.startswith(b"SAME") or "output_shape" in node.attributes:
            more = node.attributes.get("output_padding", [0] * dimensions)
            sizes = zip(
                *(node.shape[2:], strides, weights.shape[2:], dilations, more, node.made().shape[2:]),
                strict=True,
            )
            cut = [
                (n - 1) * step + (taps - 1) * gap + 1 + add - out for n, step, taps, gap, add, out in sizes
            ]
            padding = [max(n // 2 if automatic == b"SAME_UPPER" else n - n // 2, 0) for n in cut]
        groups = node.attributes.get("group", 1)
        mac = mac_of_convolution(weights, _bias(node, 2), strides, padding, dilations, groups, True)
        return _with_scales(mac, node.scales.get(node.inputs[1])), (), ()

    return _mac(node, make)


def _gemm(node: Node) -> dict[str, Any]:
    def make() -> tuple[Mac, tuple[Step, ...], tuple[Step, ...]]:
        alpha, beta = node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0)
        swap = (Step("permute", (1, 0)),)
        added = _bias(node, 2)
        if node.inputs[0] not in node.varying:  # weights x activations: the vectors are columns
            weights = _times(_weights(node, 0), alpha)
            weights = weights.T if node.attributes.get("transA") else weights
            bias = None if added is None else _column(added * beta, len(weights))
            steps = () if node.attributes.get("transB") else swap
            return mac_of_linear(weights, bias), steps, swap
        weights = _times(_weights(node), alpha)
        weights = weights if node.attributes.get("transB") else weights.T
        bias = None if added is None else _row(added * beta, len(weights))
        mac = _with_scales(mac_of_linear(weights, bias), _scaled(node.scales.get(node.inputs[1]), alpha))
        return mac, swap if node.attributes.get("transA") else (), ()

    return _mac(node, make)


def _scaled(scales: np.ndarray | None, factor: float) -> np.ndarray | None:
    return None if scales is None else np.asarray(scales, np.float64) * factor


def _row(added: np.ndarray, filters: int) -> np.ndarray:
    try:
        return np.broadcast_to(added, (1, filters))[0]
    except ValueError:
        raise ValueError("a product to which a matrix is added, no linear layer") from None


def _column(added: np.ndarray, filters: int) -> np.ndarray:
    try:
        return np.broadcast_to(added, (filters, 1))[:, 0]
    except ValueError:
        raise ValueError("a product to which a matrix is added, no linear layer") from None


def _matmul(node: Node) -> dict[str, Any]:
    return _mac(node, lambda: _matrix_product(node, node.constant(0), node.constant(1), node.inputs[1]))


def _matrix_product(
    node: Node, first: np.ndarray | None, second: np.ndarray | None, name: str
) -> tuple[Mac, tuple[Step, ...], tuple[Step, ...]]:
    """A product with one constant matrix, on either side."""
    if (first is None) == (second is None):
        raise ValueError("a product of two values that depend on the picture")
    alpha = node.attributes.get("alpha", 1.0)
    transposed = [bool(node.attributes.get(key)) for key in ("transA", "transB")]
    if second is not None:
        if np.ndim(second) == 1:
            raise ValueError("a product with a vector, which leaves no channels")
        matrix = _times(_one_matrix(second), alpha)
        weights = matrix if transposed[1] else matrix.T
        steps = (_swap(len(node.shape)),) if transposed[0] else ()
        mac = _with_scales(mac_of_linear(weights, None), _scaled(node.scales.get(name), alpha))
        return mac, steps, ()
    assert first is not None
    matrix = _times(_one_matrix(first), alpha)
    weights = matrix.T if transposed[0] else matrix
    if np.ndim(first) == 1 or len(node.shape) < 2:
        raise ValueError("a product with a vector, which leaves no channels")
    steps = () if transposed[1] else (_swap(len(node.shape)),)
    return mac_of_linear(weights, None), steps, (_swap(len(node.made().shape)),)


def _times(weights: np.ndarray, factor: float) -> np.ndarray:
    return weights if factor == 1 else weights * np.float64(factor)


def _one_matrix(weights: np.ndarray) -> np.ndarray:
    if weights.ndim <= 2:
        return weights
    many = weights.reshape(-1, *weights.shape[-2:])
    if len(many) > 1 and np.ptp(many, axis=0).any():
        raise ValueError(f"a product with {len(many)} matrices of weights, no linear layer")
    return many[0]


def _swap(axes: int) -> Step:
    return Step("permute", (*range(axes - 2), axes - 1, axes - 2))


def _einsum(node: Node) -> dict[str, Any]:
    """A sum of products over the axes that activations and one constant share, if they share no others."""

    def make() -> tuple[Mac, tuple[Step, ...], tuple[Step, ...]]:
        equation = node.attributes["equation"].decode().replace(" ", "")
        left, _, made = equation.partition("->")
        terms = left.split(",")
        if len(terms) != 2 or len(node.read) != 1 or not made or "." in equation:
            raise ValueError(
                f"the product {equation}, which is not of activations with one tensor of weights"
            )
        place = 0 if node.inputs[0] in node.varying else 1
        seen, known = terms[place], terms[1 - place]
        weights = node.constant(1 - place)
        summed = [axis for axis in seen if axis in known and axis not in made]
        filters = [axis for axis in known if axis not in seen]
        free = [axis for axis in seen if axis not in known]
        plain = len(set(seen)) == len(seen) and len(set(known)) == len(known)
        if (
            weights is None
            or not plain
            or not summed
            or set(free + filters) != set(made)
            or len(filters + summed) != len(known)
        ):
            raise ValueError(f"the product {equation}, no linear layer")
        matrix = np.asarray(weights, np.float64).transpose([known.index(axis) for axis in filters + summed])
        sizes = dict(zip(seen, node.shape, strict=True)) | dict(zip(made, node.made().shape, strict=True))
        count = prod(sizes[axis] for axis in filters)
        lead = tuple(sizes[axis] for axis in free)
        return (
            mac_of_linear(matrix.reshape(count, -1), None),
            (
                Step("permute", tuple(seen.index(axis) for axis in free + summed)),
                Step("reshape", (*lead, prod(sizes[axis] for axis in summed))),
            ),
            (
                Step("permute", tuple(made.index(axis) for axis in free + filters)),
                Step("reshape", (*lead, count)),
            ),
        )

    found = _mac(node, make)
    if found["kind"] == "unsupported":
        sizes = {
            axis: size
            for term, name in zip(
                node.attributes["equation"].decode().split("->")[0].split(","), node.inputs, strict=False
            )
            for axis, size in zip(term.strip(), node.kinds[name].shape, strict=False)
        }
        found["macs"] = prod(sizes.values()) if len(node.inputs) > 1 else 0
    return found


def _qlinear_conv(node: Node) -> dict[str, Any]:
    def make() -> tuple[Mac, tuple[()], tuple[()]]:
        weights, scales = _real_weights(node, 3, node.constant(4), 5, 0)
        unit = scales * _scale(node, 1)
        bias = None if not node.has(8) else _weights(node, 8) * unit
        return _with_scales(_convolved(node, weights, bias), scales), (), ()

    return _mac(node, make, reads=_reads(node, 1, 2), lattice=lattice_of(node, 6, 7, node.made().dtype))


def _qlinear_matmul(node: Node) -> dict[str, Any]:
    def make() -> tuple[Mac, tuple[Step, ...], tuple[Step, ...]]:
        weights, scales = _real_weights(node, 3, node.constant(4), 5, -1)
        mac, steps, made = _matrix_product(node, None, weights, "")
        return _with_scales(mac, scales), steps, made

    return _mac(node, make, reads=_reads(node, 1, 2), lattice=lattice_of(node, 6, 7, node.made().dtype))


def _qgemm(node: Node) -> dict[str, Any]:
    def make() -> tuple[Mac, tuple[Step, ...], tuple[Step, ...]]:
        alpha, turned = node.attributes.get("alpha", 1.0), bool(node.attributes.get("transB"))
        weights, scales = _real_weights(node, 3, node.constant(4), 5, 0 if turned else -1)
        unit = scales * _scale(node, 1) * alpha
        bias = (
            None
            if not node.has(6)
            else np.broadcast_to(_weights(node, 6).reshape(-1) * unit, weights.shape[0 if turned else 1])
        )
        mac = mac_of_linear((weights if turned else weights.T) * alpha, bias)
        swap = (Step("permute", (1, 0)),) if node.attributes.get("transA") else ()
        return _with_scales(mac, scales * alpha), swap, ()

    made = lattice_of(node, 7, 8, node.made().dtype) if node.has(7) else None
    return _mac(node, make, reads=_reads(node, 1, 2), lattice=made)


def _conv_integer(node: Node) -> dict[str, Any]:
    def make() -> tuple[Mac, tuple[()], tuple[()]]:
        weights, scales = _real_weights(node, 1, None, 3, 0)
        return _with_scales(_convolved(node, weights, None), scales), (), ()

    return _mac(node, make, reads=_reads(node, None, 2))


def _matmul_integer(node: Node) -> dict[str, Any]:
    def make() -> tuple[Mac, tuple[Step, ...], tuple[Step, ...]]:
        weights, scales = _real_weights(node, 1, None, 3, -1)
        mac, steps, made = _matrix_product(node, None, weights, "")
        return _with_scales(mac, scales), steps, made

    return _mac(node, make, reads=_reads(node, None, 2))


def _dynamic_matmul(node: Node) -> dict[str, Any]:
    """``DynamicQuantizeMatMul``: the map is of floats, which the operator quantizes for itself."""

    def make() -> tuple[Mac, tuple[Step, ...], tuple[Step, ...]]:
        weights, scales = _real_weights(node, 1, node.constant(2), 3, -1)
        mac, steps, made = _matrix_product(node, None, weights, "")
        bias = _bias(node, 4)
        mac = replace(
            mac, bias=mac.bias if bias is None else _row(np.asarray(bias, np.float64), len(mac.weights))
        )
        return _with_scales(mac, scales), steps, made

    return _mac(node, make)


def _integers_to_float(node: Node) -> dict[str, Any]:
    """``MatMulIntegerToFloat``: integers whose scale may be found for each picture."""

    def make() -> tuple[Mac, tuple[Step, ...], tuple[Step, ...]]:
        if node.constant(2) is None:
            raise ValueError(
                "integers whose scale depends on the picture, put into floats by the same operator"
            )
        weights, scales = _real_weights(node, 1, node.constant(3), 5, -1)
        mac, steps, made = _matrix_product(node, None, weights, "")
        bias = _bias(node, 6)
        mac = replace(
            mac, bias=mac.bias if bias is None else _row(np.asarray(bias, np.float64), len(mac.weights))
        )
        return _with_scales(mac, scales), steps, made

    return _mac(node, make, reads=_reads(node, 2, 4))


def _scale(node: Node, position: int) -> float:
    scale = node.constant(position)
    if scale is None or scale.size != 1:
        raise ValueError("integers whose scale is not one constant")
    return float(scale.item())


def _reads(node: Node, scale: int | None, zero: int) -> Lattice | None:
    """The integers that a layer reads; where it has no scale for them, a step counts as 1."""
    dtype = node.kinds[node.inputs[0]].dtype
    if dtype.kind not in "ui":
        return None
    limits, step = np.iinfo(dtype), 1.0
    if scale is not None:
        found = node.constant(scale)
        if found is None or found.size != 1:
            return None
        step = float(found.item())
    if node.has(zero) and node.inputs[zero] in node.varying:
        return Lattice(step, node.inputs[zero], int(limits.min), int(limits.max))
    point = node.constant(zero) if node.has(zero) else np.zeros(1)
    if point is None or point.size != 1:
        return None
    return Lattice(step, int(point.item()), int(limits.min), int(limits.max))


def _attention(node: Node) -> dict[str, Any]:
    """Two products of activations; onnxruntime's operators may have projections with weights in them, too."""
    out = node.made().shape
    if node.kind in ("Attention", "ai.onnx.preview.FlexAttention", "LinearAttention"):
        query, key = node.kinds[node.inputs[0]].shape, node.kinds[node.inputs[1]].shape
        pairs = prod(query[:-1]) * key[-2]
        macs = pairs * query[-1] + prod(out) * key[-2] if node.kind != "LinearAttention" else None
        return unsupported(node, "attention's two products of values that depend on the picture", macs)
    weights = node.constant(1)
    tokens = out[-2] if len(out) > 1 else 1
    if node.kind == MICROSOFT + "Attention" and weights is not None:
        macs = prod(out[:-1]) * weights.size + 2 * prod(out) * tokens
        return unsupported(
            node,
            "attention and its projections in one operator: export without onnxruntime's optimizations",
            macs,
        )
    return unsupported(
        node, "attention's two products of values that depend on the picture", 2 * prod(out) * tokens
    )


def _recurrent(node: Node) -> dict[str, Any]:
    weights, again = node.kinds[node.inputs[1]].shape, node.kinds[node.inputs[2]].shape
    steps = node.kinds[node.inputs[0]].shape[0] * node.kinds[node.inputs[0]].shape[1]
    return unsupported(node, "a recurrent layer", steps * (prod(weights) + prod(again)))


def _named(reason: str) -> Callable[[Node], dict[str, Any]]:
    return lambda node: unsupported(node, reason, _macs(node))


PRODUCTS: Mapping[str, Callable[[Node], dict[str, Any]]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    **dict.fromkeys(("MatMul", MICROSOFT + "FusedMatMul", MICROSOFT + "TransposeMatMul"), _matmul),
    "Einsum": _einsum,
    "QLinearConv": _qlinear_conv,
    "ConvInteger": _conv_integer,
    "QLinearMatMul": _qlinear_matmul,
    "MatMulInteger": _matmul_integer,
    MICROSOFT + "QGemm": _qgemm,
    MICROSOFT + "DynamicQuantizeMatMul": _dynamic_matmul,
    MICROSOFT + "MatMulIntegerToFloat": _integers_to_float,
    "DeformConv": _named("a deformable convolution: where its taps lie depends on the picture"),
    **dict.fromkeys(
        (
            *("Attention", "ai.onnx.preview.FlexAttention", "LinearAttention"),
            *(MICROSOFT + name for name in ("Attention", "MultiHeadAttention", "GroupQueryAttention")),
        ),
        _attention,
    ),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
}
