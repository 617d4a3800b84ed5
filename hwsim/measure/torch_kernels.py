"""Kernels of torch, for any of its devices; import only where torch is installed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional

from hwsim.errors import KernelError
from hwsim.layer import Layer
from hwsim.measure.kernels import Kernel
from hwsim.measure.problem import ROUNDOFF_32, Problem
from hwsim.measure.record import KernelInfo

PRECISIONS = {  # name -> dtype, unit roundoff of operands and output together
    "fp32": (torch.float32, ROUNDOFF_32),
    "fp16": (torch.float16, 2.0**-10),
    "bf16": (torch.bfloat16, 2.0**-7),
}
MAP_LIMIT, WEIGHT_LIMIT = 127, 127  # largest integers of the 8-bit kernel: 7 bits, and 7 with a sign
GATHER_BYTES = 1 << 30  # most that the gather variant may lay out at once


class TorchKernel(Kernel):
    """What all kernels of torch share."""

    def __init__(self, device: str) -> None:
        self.device = device

    def load(self, padded: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(padded)[None].to(self.device)

    def matrix(self, problem: Problem) -> torch.Tensor:
        """Weights as (G K, N)."""
        matrix = problem.matrix.astype(np.float32)
        return torch.from_numpy(matrix.reshape(-1, matrix.shape[2])).to(self.device)

    def outputs(self, problem: Problem, product: torch.Tensor) -> np.ndarray:
        return problem.outputs(product.to(torch.float64).cpu().numpy())

    def bytes(self, operand: Any) -> int:
        return operand.numel() * operand.element_size()


class Convolution(TorchKernel):
    """The library's own convolution (oneDNN, cuDNN); a linear layer is its matrix product."""

    def __init__(self, device: str, precision: str, channels_last: bool = False) -> None:
        super().__init__(device)
        self.dtype, self.roundoff = PRECISIONS[precision]
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        order = "NHWC" if channels_last else "NCHW"
        name = f"torch_{precision}" + ("_nhwc" if channels_last else "")
        library = "cuDNN or cuBLAS" if device == "cuda" else "oneDNN where torch chooses it"
        self.info = KernelInfo(
            name, False, precision, f"conv2d (linear for a linear layer), {order}; {library}"
        )

    def weights(self, problem: Problem) -> tuple[torch.Tensor, Layer | None]:
        """The tensor, and the layer that is convolved; none of a linear layer."""
        weights = torch.from_numpy(problem.weights.astype(np.float32)).to(self.device, self.dtype)
        if problem.layer.kind == "linear":
            return weights.flatten(1), None
        return weights.contiguous(memory_format=self.format), problem.layer

    def convert(self, problem: Problem, loaded: torch.Tensor) -> torch.Tensor:
        if problem.layer.kind == "linear":
            return loaded.flatten(2)[0].T.contiguous().to(self.dtype)
        return loaded.to(self.dtype).contiguous(memory_format=self.format)

    def run(self, weights: tuple[torch.Tensor, Layer | None], operand: torch.Tensor) -> torch.Tensor:
        tensor, layer = weights
        if layer is None:
            return functional.linear(operand, tensor)
        return functional.conv2d(
            operand, tensor, stride=layer.stride, dilation=layer.dilation, groups=layer.groups
        )

    def outputs(self, problem: Problem, product: torch.Tensor) -> np.ndarray:
        out = product.to(torch.float64).cpu().numpy()
        return (out.T if problem.layer.kind == "linear" else out).reshape(problem.layer.out_shape)

    def bound(self, problem: Problem, padded: np.ndarray) -> np.ndarray:
        return problem.bound(padded, self.roundoff)


class QuantizedConvolution(TorchKernel):
    """8-bit operands, requantized to 8 bits; torch has it on CPUs (oneDNN, FBGEMM) only.

    Maps use 7 of their 8 bits: where a CPU has no dot product of bytes (VNNI), the libraries add two products
    with the instruction VPMADDUBSW, which saturates at 16 bits (Intel, *Intrinsics Guide*,
    ``_mm256_maddubs_epi16``), and 2 x 127 x 127 is the most that two products can be then. torch's own
    quantization does the same (``reduce_range``).
    """

    info = KernelInfo(
        "torch_int8",
        False,
        "int8",
        "quantized conv2d, bytes in and out, maps in 7 bits so that no CPU saturates; oneDNN or FBGEMM",
    )

    def weights(self, problem: Problem) -> tuple[Any, float, int]:
        layer = problem.layer
        steps = _weight_steps(problem)
        integers = np.rint(problem.weights / steps[:, None, None, None])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # quantized tensors leave torch after the version that is pinned
            tensor = torch._make_per_channel_quantized_tensor(
                torch.from_numpy(integers.astype(np.int8)),
                torch.from_numpy(steps),
                torch.zeros(len(steps), dtype=torch.int64),
                0,
            )
        strides, dilations = list(layer.stride), list(layer.dilation)
        packed = torch.ops.quantized.conv2d_prepack(tensor, None, strides, [0, 0], dilations, layer.groups)
        low, high = _output_range(problem)
        step = (high - low) / 255
        return packed, step, round(-low / step)

    def convert(self, problem: Problem, loaded: torch.Tensor) -> torch.Tensor:
        if loaded.min() < 0:
            raise KernelError("8-bit maps are unsigned, and the map has negative values")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.quantize_per_tensor(
                loaded.contiguous(memory_format=torch.channels_last), _map_step(loaded), 0, torch.quint8
            )

    def run(self, weights: tuple[Any, float, int], operand: torch.Tensor) -> torch.Tensor:
        return torch.ops.quantized.conv2d(operand, *weights)

    def outputs(self, problem: Problem, product: torch.Tensor) -> np.ndarray:
        return product.dequantize().double().numpy().reshape(problem.layer.out_shape)

    def bound(self, problem: Problem, padded: np.ndarray) -> np.ndarray:
        """Half a step of every map value and weight, and a step of the output."""
        half_map, half_weights = _map_step(padded) / 2, _weight_steps(problem) / 2
        ones = np.ones_like(problem.matrix)
        of_weights = problem.outputs(problem.columns(padded.astype(np.float64) + half_map) @ ones)
        of_maps = half_map * np.abs(problem.weights).reshape(len(problem.weights), -1).sum(axis=1)
        low, high = _output_range(problem)
        return of_maps[:, None, None] + of_weights * half_weights[:, None, None] + (high - low) / 255


def _map_step(values: Any) -> float:
    return max(float(values.max()), 1e-30) / MAP_LIMIT


def _weight_steps(problem: Problem) -> np.ndarray:
    steps = np.abs(problem.weights).reshape(len(problem.weights), -1).max(axis=1) / WEIGHT_LIMIT
    return np.where(steps == 0, 1.0, steps)


def _output_range(problem: Problem) -> tuple[float, float]:
    """Smallest and largest output, zero among them and not the same."""
    low = min(0.0, *(float(out.min()) for out in problem.references))
    high = max(0.0, *(float(out.max()) for out in problem.references))
    return (low, high) if low < high else (0.0, 1.0)


def im2col(problem: Problem, loaded: torch.Tensor) -> torch.Tensor:
    """A dense map (1, C, H', W') as (G, P, K) on its device."""
    layer = problem.layer
    columns = functional.unfold(loaded, layer.kernel, layer.dilation, stride=layer.stride)[0]  # (C Kh Kw, P)
    return columns.reshape(layer.groups, -1, columns.shape[1]).transpose(1, 2)


class SparseRows(TorchKernel):
    """torch's sparse CSR (MKL, cuSPARSE) x dense weights."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        library = "cuSPARSE" if device == "cuda" else "MKL"
        self.info = KernelInfo(
            "torch_csr_fp32", True, "fp32", f"torch sparse CSR x dense ({library}), map as CSR im2col matrix"
        )

    def weights(self, problem: Problem) -> torch.Tensor:
        return self.matrix(problem)

    def convert(self, problem: Problem, loaded: torch.Tensor) -> torch.Tensor:
        columns = im2col(problem, loaded)
        groups, pixels, taps = columns.shape
        group, pixel, tap = columns.nonzero(as_tuple=True)  # in row-major order, as CSR has it
        counts = torch.bincount(group * pixels + pixel, minlength=groups * pixels)
        starts = torch.zeros(groups * pixels + 1, dtype=torch.int32, device=loaded.device)
        starts[1:] = counts.cumsum(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls its CSR support a beta
            return torch.sparse_csr_tensor(
                starts,
                (group * taps + tap).to(torch.int32),  # MKL would convert wider ones in every call
                columns[group, pixel, tap],
                size=(groups * pixels, groups * taps),
            )

    def run(self, weights: torch.Tensor, operand: torch.Tensor) -> torch.Tensor:
        return operand @ weights

    def bytes(self, operand: torch.Tensor) -> int:
        parts = (operand.values(), operand.col_indices(), operand.crow_indices())
        return sum(part.numel() * part.element_size() for part in parts)


@dataclass(frozen=True)
class Gathered:
    """The non-zeros of an im2col matrix: output row, weight row and value of each."""

    rows: torch.Tensor
    places: torch.Tensor
    values: torch.Tensor
    height: int


class Gather(TorchKernel):
    """Each non-zero gathers its row of weights and adds to its output row, as the machine does."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.info = KernelInfo(
            "torch_gather_fp32", True, "fp32", "gather of weight rows by non-zeros, then index_add"
        )

    def weights(self, problem: Problem) -> torch.Tensor:
        return self.matrix(problem)

    def convert(self, problem: Problem, loaded: torch.Tensor) -> Gathered:
        columns = im2col(problem, loaded)
        groups, pixels, taps = columns.shape
        group, pixel, tap = columns.nonzero(as_tuple=True)
        filters = problem.matrix.shape[2]
        if len(group) * filters * 4 > GATHER_BYTES:
            raise KernelError(f"the gathered weights would take more than {GATHER_BYTES >> 20} MiB")
        values = columns[group, pixel, tap][:, None]
        return Gathered(group * pixels + pixel, group * taps + tap, values, groups * pixels)

    def run(self, weights: torch.Tensor, operand: Gathered) -> torch.Tensor:
        sums = weights.new_zeros((operand.height, weights.shape[1]))
        return sums.index_add_(0, operand.rows, weights[operand.places] * operand.values)

    def bytes(self, operand: Gathered) -> int:
        parts = (operand.rows, operand.places, operand.values)
        return sum(part.numel() * part.element_size() for part in parts)
