"""What only the CPU has: its clock, its name, and its thread counts."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from hwsim.measure.kernels import Kernel, NumpyDense, ScipyCsr


def has_torch() -> bool:
    """Whether torch is installed; it is not imported."""
    return find_spec("torch") is not None


def kernels() -> list[Kernel]:
    """Those that can run here."""
    plain: list[Kernel] = [NumpyDense(), ScipyCsr()]
    if not has_torch():
        return plain
    from hwsim.measure.torch_kernels import Convolution, QuantizedConvolution, SparseRows

    return [
        *plain,
        Convolution("cpu", "fp32"),
        Convolution("cpu", "fp32", channels_last=True),
        Convolution("cpu", "bf16"),
        QuantizedConvolution("cpu"),
        SparseRows("cpu"),
    ]


def load() -> str:
    """How busy the machine is."""
    if not hasattr(os, "getloadavg"):
        return "load average not known"
    return f"load average when it began: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"


def clock(work: Callable[[], None]) -> float:
    """Seconds that ``work`` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def name() -> str:
    """Of the processor, as it names itself."""
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def libraries() -> dict[str, str]:
    """Versions of what the kernels use."""
    import numpy as np

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    found = {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
        "numpy BLAS": f"{blas['name']} {blas['version']}",
    }
    if has_torch():
        import torch

        found["torch"] = torch.__version__
        onednn = re.search(r"MKL-DNN v([\d.]+)", torch.__config__.show())
        mkl = re.search(r"Math Kernel Library Version ([\d.]+)", torch.__config__.show())
        found |= {"oneDNN": onednn[1]} if onednn else {}
        found |= {"MKL": mkl[1]} if mkl else {}
    return found


@contextmanager
def threads(count: int) -> Iterator[tuple[str, ...]]:
    """Keep the kernels to so many threads; gives notes on those that cannot be kept."""
    notes = []
    with ExitStack() as stack:
        if find_spec("threadpoolctl") is not None:
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(count, user_api="blas"))
        else:
            notes.append("numpy's BLAS chose its own number of threads: threadpoolctl is not installed")
        if has_torch():
            import torch

            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(count)
            stack.enter_context(torch.no_grad())
        yield tuple(notes)
