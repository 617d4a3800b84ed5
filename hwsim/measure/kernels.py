"""What a kernel is, and those of numpy and scipy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from hwsim.measure.problem import ROUNDOFF_32, Problem
from hwsim.measure.record import KernelInfo


class Kernel(ABC):
    """A way to compute a layer; :meth:`run` is what is timed."""

    info: KernelInfo

    def load(self, padded: np.ndarray) -> Any:
        """The dense, padded map where the kernel runs; not timed."""
        return padded

    @abstractmethod
    def weights(self, problem: Problem) -> Any:
        """The weights in the kernel's format; not timed."""

    @abstractmethod
    def convert(self, problem: Problem, loaded: Any) -> Any:
        """The map in the kernel's format; timed apart."""

    @abstractmethod
    def run(self, weights: Any, operand: Any) -> Any:
        """The kernel."""

    @abstractmethod
    def outputs(self, problem: Problem, product: Any) -> np.ndarray:
        """What :meth:`run` gave, as real values (M, Ho, Wo) in host memory."""

    @abstractmethod
    def bytes(self, operand: Any) -> int:
        """Size of a map in the kernel's format."""

    def bound(self, problem: Problem, padded: np.ndarray) -> np.ndarray:
        """Error allowed in every output."""
        return problem.bound(padded, ROUNDOFF_32)


class NumpyDense(Kernel):
    """im2col, then numpy's BLAS."""

    info = KernelInfo("numpy_fp32", False, "fp32", "matrix product of numpy's BLAS, map as im2col matrix")

    def weights(self, problem: Problem) -> np.ndarray:
        return problem.matrix.astype(np.float32)

    def convert(self, problem: Problem, loaded: np.ndarray) -> np.ndarray:
        return problem.columns(loaded)

    def run(self, weights: np.ndarray, operand: np.ndarray) -> np.ndarray:
        return operand @ weights

    def outputs(self, problem: Problem, product: np.ndarray) -> np.ndarray:
        return problem.outputs(product)

    def bytes(self, operand: np.ndarray) -> int:
        return operand.nbytes


class ScipyCsr(Kernel):
    """The im2col matrix in compressed sparse rows x dense weights; one thread whatever is asked for."""

    info = KernelInfo(
        "scipy_csr_fp32", True, "fp32", "scipy.sparse CSR x dense, map as CSR im2col matrix; single-threaded"
    )

    def weights(self, problem: Problem) -> np.ndarray:
        return problem.matrix.astype(np.float32).reshape(-1, problem.matrix.shape[2])

    def convert(self, problem: Problem, loaded: np.ndarray) -> Any:
        from scipy.sparse import csr_array

        columns = problem.columns(loaded)
        groups, pixels, taps = columns.shape
        group, pixel, tap = np.nonzero(columns)  # in row-major order, as CSR has it
        starts = np.zeros(groups * pixels + 1, np.int32)
        np.cumsum(np.bincount(group * pixels + pixel, minlength=groups * pixels), out=starts[1:])
        places = (group * taps + tap).astype(np.int32)
        return csr_array((columns[group, pixel, tap], places, starts), shape=(groups * pixels, groups * taps))

    def run(self, weights: np.ndarray, operand: Any) -> np.ndarray:
        return operand @ weights

    def outputs(self, problem: Problem, product: np.ndarray) -> np.ndarray:
        return problem.outputs(product)

    def bytes(self, operand: Any) -> int:
        return operand.data.nbytes + operand.indices.nbytes + operand.indptr.nbytes
