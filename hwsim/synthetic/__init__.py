"""Synthetic traces: a network's exact geometry with made-up activation maps of a given density.

They show how a machine behaves as the density changes. They are no measurement of a network, and say so:
every trace is marked ``synthetic``, and holds no weights.
"""

from hwsim.synthetic.densities import map_densities, read_densities
from hwsim.synthetic.fields import activation_map
from hwsim.synthetic.traces import (
    SyntheticTrace,
    find_network,
    peak_memory,
    synthesize,
    synthetic_trace,
)

__all__ = [
    "SyntheticTrace",
    "activation_map",
    "find_network",
    "map_densities",
    "peak_memory",
    "read_densities",
    "synthesize",
    "synthetic_trace",
]
