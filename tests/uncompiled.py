"""Compiled loops as plain Python: coverage sees into them, and a change is not compiled anew.

As a plugin of pytest (``-p uncompiled``) it leaves the loops of the engine uncompiled. Those of the coders
stay compiled, since they use instructions of the CPU that Python has no name for.
"""

from __future__ import annotations

from typing import Any

import numba
import pytest


def leave_uncompiled(package: str) -> None:
    """Let ``njit`` do nothing to functions of ``package``, or of a module in it, that are imported later."""
    compiled = numba.njit

    def njit(*functions: Any, **options: Any) -> Any:
        if not functions:
            return lambda function: njit(function, **options)
        (function,) = functions
        within = f"{function.__module__}.".startswith(f"{package}.")
        return function if within else compiled(function, **options)

    numba.njit = njit


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before any test, or the conftest of one, imports the engine."""
    leave_uncompiled("hwsim.machine")
