"""Real kernels on real processors: what a CPU or a GPU takes for the layers of a trace, beside what is
simulated.

:func:`measure` runs a layer's maps and weights through dense and sparse kernels, checks each kernel's output
and then times it. :func:`join` puts MAC ratio, simulated and measured speedup of every layer side by side.
"""

from hwsim.measure.join import join
from hwsim.measure.record import Measured, read_measured
from hwsim.measure.run import kernel_names, measure

__all__ = ["Measured", "join", "kernel_names", "measure", "read_measured"]
