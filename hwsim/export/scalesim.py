"""SCALE-Sim: the geometry of a trace as a topology file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hwsim.networks import Network
from hwsim.networks.scalesim import write_topology

if TYPE_CHECKING:
    from hwsim.trace import Trace


def write_scalesim(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write a topology in SCALE-Sim's convolution format (hwsim.networks.scalesim).

    Raises:
        NetworkError: a name that the format cannot hold, or a file that cannot be written.
    """
    write_topology(Network(trace.network, tuple(trace.layers), f"trace {trace.variant}"), path)
