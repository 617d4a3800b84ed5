"""Design-space exploration: many machines over real traces, resumable, on one computer or a Dask cluster.

``sweep`` loads when it is first used, so that a space is checked before the simulator is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.sweep.space import Space

if TYPE_CHECKING:
    from hwsim.sweep.run import sweep

__all__ = ["Space", "sweep"]


def __getattr__(name: str) -> object:
    if name != "sweep":
        raise AttributeError(f"module 'hwsim.sweep' has no attribute {name!r}")
    from hwsim.sweep.run import sweep

    return sweep
