"""A network's run as a graph of operators, the same whether torch or onnxruntime ran it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Literal, Protocol

import numpy as np

from hwsim.layer import Kind, Pair
from hwsim.networks.network import unique as unique

Step = Literal[
    "mac",  # a convolution or a linear layer
    "scale",  # a factor and an offset for each channel, as batch normalization in inference
    "relu",  # max(x, 0), perhaps with a ceiling
    "same",  # the values stay as they are: flatten, dropout, identity
    "pad",  # zeros around height and width
    "max_pool",
    "blend",  # values that come of the same map: average pooling, upsampling, other activation functions
    "add",
    "concat",  # along the channels
    "other",  # anything else: what comes out is followed no further
    "unsupported",  # MACs that no layer of the machine can do
]


@dataclass(frozen=True, eq=False)
class Mac:
    """Weights and geometry of a convolution or linear layer.

    Attributes:
        kind, stride, padding, groups, dilation, transposed: as in :class:`hwsim.layer.Layer`.
        weights: float64 (M, C / groups, Kh, Kw).
        bias: float64 (M,).
    """

    kind: Kind
    weights: np.ndarray
    bias: np.ndarray
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1
    dilation: Pair = (1, 1)
    transposed: bool = False

    def scaled(self, factor: np.ndarray, offset: np.ndarray) -> Mac:
        """The same layer with a factor and an offset, float64 (M,) each, behind it."""
        weights = self.weights * factor[:, None, None, None]
        return replace(self, weights=weights, bias=self.bias * factor + offset)


@dataclass(frozen=True, eq=False)
class Operator:
    """One step of a run.

    Attributes:
        kind: what it does, as far as a capture needs to know.
        inputs, output: names of values that depend on the picture.
        name: of a MAC layer, or of what is unsupported.
        mac: if ``kind`` is ``mac``.
        factor, offset: if ``kind`` is ``scale``: float64, of the channels, or of one value for all of them.
        ceiling: largest value behind a ``relu``.
        padding: (top, left), if ``kind`` is ``pad``.
        reason: why it is unsupported.
    """

    kind: Step
    inputs: tuple[str, ...]
    output: str
    name: str = ""
    mac: Mac | None = None
    factor: np.ndarray = field(default_factory=lambda: np.ones(1))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(1))
    ceiling: float = inf
    padding: tuple[int, int] = (0, 0)
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Graph:
    """A run on one picture.

    Attributes:
        image: name of the value that is the picture.
        operators: in order of execution.
        shapes: of every value, the batch of 1 first.
    """

    image: str
    operators: tuple[Operator, ...]
    shapes: Mapping[str, tuple[int, ...]]


class RunningNetwork(Protocol):
    """A network that runs on pictures, float32 (C, H, W), one at a time."""

    @property
    def name(self) -> str:
        """Of the network, for the trace."""
        ...

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What ran, and where its weights are from."""
        ...

    def graph(self, image: np.ndarray) -> Graph:
        """What happens on a picture."""
        ...

    def run(self, image: np.ndarray, wanted: Collection[str]) -> dict[str, np.ndarray]:
        """The values of these names, float32, as they were when they were made."""
        ...


def mac_of_convolution(
    weights: np.ndarray,
    bias: np.ndarray | None,
    strides: Sequence[int],
    padding: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    transposed: bool = False,
) -> Mac:
    """A convolution of one or two dimensions as a layer; one of one dimension lies along x.

    Args:
        weights: (M, C / groups, Kh, Kw) or (M, C / groups, Kw); of a transposed convolution (C, M / groups,
            ...), as PyTorch and ONNX have them.
        bias: (M,).
        strides, dilations: of each dimension.
        padding: before each dimension.

    Raises:
        ValueError: it is none; the message says what it is.
    """
    if weights.ndim not in (3, 4):
        raise ValueError(f"a convolution of {weights.ndim - 2} dimensions; those of 1 and 2 are captured")
    if transposed:
        grouped = weights.reshape(groups, -1, *weights.shape[1:])
        weights = grouped.swapaxes(1, 2).reshape(-1, grouped.shape[1], *weights.shape[2:])
    if weights.ndim == 3:
        weights = weights[:, :, None, :]
        strides, padding, dilations = (strides[0],) * 2, (0, *padding), (1, *dilations)
    filters, channels = weights.shape[:2]
    return Mac(
        "depthwise" if groups > 1 and channels == 1 and filters == groups else "conv",
        np.asarray(weights, np.float64),
        np.zeros(filters) if bias is None else np.asarray(bias, np.float64),
        (strides[0], strides[1]),
        (padding[0], padding[1]),
        groups,
        (dilations[0], dilations[1]),
        transposed,
    )


def mac_of_linear(weights: np.ndarray, bias: np.ndarray | None, rows: int) -> Mac:
    """A linear layer of weights (M, C); ``rows`` is how many vectors pass it at once.

    Raises:
        ValueError: there is more than one vector.
    """
    if rows != 1:
        raise ValueError(f"a linear layer over {rows} vectors at once; only over one is it captured")
    filters = len(weights)
    return Mac(
        "linear",
        np.asarray(weights, np.float64)[:, :, None, None],
        np.zeros(filters) if bias is None else np.asarray(bias, np.float64).reshape(filters),
    )


def per_channel(constant: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """A constant beside a value of ``shape`` as one number for each channel, or one for all, float64.

    None if it is neither.
    """
    constant = np.asarray(constant, np.float64)
    if constant.size == 1:
        return constant.reshape(1)
    aligned = (1,) * (len(shape) - constant.ndim) + constant.shape
    fits = len(shape) > 1 and aligned == (1, shape[1], *(1,) * (len(shape) - 2))
    return constant.reshape(-1) if fits else None
