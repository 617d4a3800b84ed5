"""What makes a command start fast that runs compiled loops: measured by benchmarks/start_time.py."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

ALLOCATIONS = 20_000  # objects between two looks for garbage


def collect_seldom() -> None:
    """Look for garbage less often than Python does, every 700 objects: what a program loads stays."""
    gc.set_threshold(ALLOCATIONS)


def load_numba() -> None:
    """Load numba, but for scipy.linalg, which alone takes as long as all that the machine's loops need of it.

    numba imports it to know whether loops may call BLAS, which none of ours does. No loop of the process can
    from then on, so that this is for a program alone, not for a library.
    """
    blas = "scipy.linalg.cython_blas"
    if blas not in sys.modules:
        sys.modules[blas] = None  # type: ignore[assignment]  # as if it were not installed
        try:
            import_module("numba.np.arraymath")
        finally:
            del sys.modules[blas]
