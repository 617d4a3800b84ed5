"""What only a CUDA device has: its clock, its name, its driver. The kernels are in torch_kernels.py."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import torch

from hwsim.errors import MeasureError
from hwsim.measure.kernels import Kernel
from hwsim.measure.torch_kernels import Convolution, Gather, SparseRows


def require() -> None:
    """Refuse to go on without a device.

    Raises:
        MeasureError: torch sees none.
    """
    if not torch.cuda.is_available():
        raise MeasureError("this machine has no CUDA device that torch can use: measure with device cpu")


def kernels() -> list[Kernel]:
    """Those that run on the device; fp32 is IEEE single precision, not TF32."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True  # cuDNN tries its algorithms in the warm-up and keeps the fastest
    dense = [Convolution("cuda", precision) for precision in ("fp32", "fp16", "bf16")]
    return [*dense, Convolution("cuda", "fp16", channels_last=True), SparseRows("cuda"), Gather("cuda")]


def clock(work: Callable[[], None]) -> float:
    """Seconds that the device takes for what ``work`` queues, between two of its events."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def name() -> str:
    """Of the device."""
    return str(torch.cuda.get_device_name())


def driver() -> str:
    """Version of the driver, as its own tool reports it."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found[0] if found else "unknown"


def libraries() -> dict[str, str]:
    """Versions of what the kernels use."""
    return {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
