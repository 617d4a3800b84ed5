"""Trace-driven simulation of a zero-skipping CNN accelerator with an on-chip Exp-Golomb codec.

    import hwsim
    result = hwsim.simulate("lenet5_digits/sparse", hwsim.Arch(cores=4))
    print(result)

Names load when they are first used, so that ``import hwsim`` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwsim.arch import Arch
    from hwsim.errors import ArchError, CodecError, HwsimError, ResultError, TraceError
    from hwsim.layer import Layer
    from hwsim.machine.result import Result
    from hwsim.machine.simulation import simulate
    from hwsim.trace import Trace, open_trace

_HOMES = {
    "Arch": "arch",
    "ArchError": "errors",
    "CodecError": "errors",
    "HwsimError": "errors",
    "Layer": "layer",
    "Result": "machine.result",
    "ResultError": "errors",
    "Trace": "trace",
    "TraceError": "errors",
    "open_trace": "trace",
    "simulate": "machine.simulation",
}
__version__ = "0.1.0"
__all__ = [
    "Arch",
    "ArchError",
    "CodecError",
    "HwsimError",
    "Layer",
    "Result",
    "ResultError",
    "Trace",
    "TraceError",
    "open_trace",
    "simulate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'hwsim' has no attribute {name!r}")
    return getattr(import_module(f"hwsim.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
