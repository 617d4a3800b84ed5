"""The trace store: activation maps, weights and scales of a network's MAC layers, in one Zarr v3 hierarchy.

A trace is a folder, a ``.zip`` file or any fsspec URL. :class:`TraceWriter` writes it map by map, and a trace
is one only once it is sealed; :func:`open_trace` reads it so and trusts nothing unchecked.
"""

from hwsim.trace.header import MapInfo
from hwsim.trace.partial import PartialTrace
from hwsim.trace.protocol import Trace
from hwsim.trace.reader import StoredTrace, open_trace
from hwsim.trace.writer import TraceWriter

__all__ = ["MapInfo", "PartialTrace", "StoredTrace", "Trace", "TraceWriter", "open_trace"]
