"""A network's run as a graph of operators, the same whether torch or onnxruntime ran it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, prod
from typing import Any, Literal, Protocol

import numpy as np

from hwsim.capture.meanings import Meaning
from hwsim.capture.views import Step
from hwsim.layer import Kind, Pair
from hwsim.networks.network import unique as unique

Kinds = Literal[
    "mac",  # a convolution or a linear layer
    "scale",  # a factor and an offset, as batch normalization in inference
    "relu",  # max(x, 0), perhaps with a ceiling
    "view",  # the values stay as they are, in another order: reshaped, transposed, cut
    "pad",  # zeros around
    "pick",  # each value is one of the source's, by size or place: maximum pooling, nearest upsampling
    "quantize",  # to integers, or to the real values that they stand for
    "blend",  # values that come of one other value: average pooling, upsampling, activation functions
    "add",  # or another function of several values, element by element: a product, a maximum
    "concat",
    "other",  # anything else: what comes out is followed no further
    "unsupported",  # MACs that no layer of a trace can do
]


@dataclass(frozen=True)
class Lattice:
    """Quantized values: real = (integer - zero) * scale.

    Attributes:
        scale: of the integers.
        zero: the integer that stands for 0, or the name of the value that holds it, if it depends on the
            picture.
        low, high: least and largest integer.
        real: whether the values are real numbers already.
    """

    scale: float
    zero: int | str
    low: int
    high: int
    real: bool = False


@dataclass(frozen=True, eq=False)
class Mac:
    """Weights and geometry of a convolution or linear layer.

    Attributes:
        kind, stride, padding, groups, dilation, transposed: as in :class:`hwsim.layer.Layer`.
        weights: float32 or float64 (M, C / groups, Kh, Kw).
        bias: float64 (M,).
        scales: float64 (M,), if the weights are whole multiples of them: those of a quantized model.
    """

    kind: Kind
    weights: np.ndarray
    bias: np.ndarray
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1
    dilation: Pair = (1, 1)
    transposed: bool = False
    scales: np.ndarray | None = None

    def scaled(self, factor: np.ndarray, offset: np.ndarray) -> Mac:
        """The same layer, weights in float64, with a factor and an offset, float64 (M,) each, behind it."""
        weights = self.weights * factor[:, None, None, None]
        scales = None if self.scales is None or not factor.all() else self.scales * np.abs(factor)
        return replace(self, weights=weights, bias=self.bias * factor + offset, scales=scales)

    def macs(self, inputs: Sequence[int], outputs: Sequence[int]) -> int:
        """As published, of values of these shapes; of a layer that cannot be captured."""
        pixels = (inputs if self.transposed else outputs)[2:] if self.kind != "linear" else outputs[:-1]
        return prod(pixels) * self.weights.size


@dataclass(frozen=True, eq=False)
class Operator:
    """One step of a run.

    Attributes:
        kind: what it does, as far as a capture needs to know.
        inputs, output: names of values that depend on the picture.
        name: of a MAC layer, or of what is unsupported.
        mac: if ``kind`` is ``mac``.
        factor, offset: if ``kind`` is ``scale``: float64, as they are broadcast to the output.
        ceiling: largest value behind a ``relu``.
        pads: if ``kind`` is ``pad``: zeros before and behind each axis.
        steps: if ``kind`` is ``view``; of a linear layer, how its vectors come to lie along the last axis.
        made_steps: of a linear layer, how those that it makes come to lie so.
        lattice: of the output, if it is quantized.
        reads: of what a layer of integers reads.
        reason, macs: why it is unsupported, and the MACs that are lost, if they are known.
        what: name of the operator, as who runs it calls it.
        meaning: what it computes between maps, as far as integers can do it.
    """

    kind: Kinds
    inputs: tuple[str, ...]
    output: str
    name: str = ""
    mac: Mac | None = None
    factor: np.ndarray = field(default_factory=lambda: np.ones(1))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(1))
    ceiling: float = inf
    steps: tuple[Step, ...] = ()
    made_steps: tuple[Step, ...] = ()
    pads: tuple[tuple[int, int], ...] = ()
    lattice: Lattice | None = None
    reads: Lattice | None = None
    reason: str = ""
    macs: int | None = None
    what: str = ""
    meaning: Meaning | None = None


@dataclass(frozen=True, eq=False)
class Graph:
    """A run on one picture.

    Attributes:
        image: name of the value that is the picture.
        operators: in order of execution.
        shapes: of every value, the batch of 1 first.
        lattice: of the picture, if the network takes integers.
    """

    image: str
    operators: tuple[Operator, ...]
    shapes: Mapping[str, tuple[int, ...]]
    lattice: Lattice | None = None


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
        _real(weights),
        np.zeros(filters) if bias is None else np.asarray(bias, np.float64),
        (strides[0], strides[1]),
        (padding[0], padding[1]),
        groups,
        (dilations[0], dilations[1]),
        transposed,
    )


def mac_of_linear(weights: np.ndarray, bias: np.ndarray | None) -> Mac:
    """A linear layer of weights (M, C)."""
    filters = len(weights)
    return Mac(
        "linear",
        _real(weights)[:, :, None, None],
        np.zeros(filters) if bias is None else np.asarray(bias, np.float64).reshape(filters),
    )


def _real(weights: np.ndarray) -> np.ndarray:
    return weights if weights.dtype in (np.float32, np.float64) else weights.astype(np.float64)
