"""Files for the tools that users already have: one format a file, and every number from the exact model."""

from hwsim.export.accelergy import write_accelergy
from hwsim.export.dram_trace import write_dramsim3, write_ramulator2
from hwsim.export.scalesim import write_scalesim
from hwsim.export.timeline import write_timeline

__all__ = [
    "write_accelergy",
    "write_dramsim3",
    "write_ramulator2",
    "write_scalesim",
    "write_timeline",
]
