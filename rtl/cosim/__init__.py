"""A core in compiled simulation (Verilator), driven from Python a pass at a time."""

from rtl.cosim.library import build
from rtl.cosim.simulator import CosimError, PassOutcome, PassStimulus, Simulator, lane_weights

__all__ = ["CosimError", "PassOutcome", "PassStimulus", "Simulator", "build", "lane_weights"]
