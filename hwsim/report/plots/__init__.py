"""Plots of a report: functions from data to a finished :class:`Plot`; no state, no display."""

from hwsim.report.plots.layers import breakdown, density, speedup
from hwsim.report.plots.measured import measured
from hwsim.report.plots.roofline import roofline
from hwsim.report.plots.style import Plot
from hwsim.report.plots.timeline import timeline_plot
from hwsim.report.plots.totals import compression, dram, energy
from hwsim.report.plots.waterfall import waterfall

__all__ = [
    "Plot",
    "breakdown",
    "compression",
    "density",
    "dram",
    "energy",
    "measured",
    "roofline",
    "speedup",
    "timeline_plot",
    "waterfall",
]
