"""Design-space exploration: many machines over real traces, resumable, on one computer or a Dask cluster."""

from hwsim.sweep.run import sweep
from hwsim.sweep.space import Space

__all__ = ["Space", "sweep"]
