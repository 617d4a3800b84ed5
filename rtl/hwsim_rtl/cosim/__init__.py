"""A core in compiled simulation (Verilator), driven from Python a pass at a time, or a whole machine."""

from hwsim.machine.descriptors import lane_weights
from hwsim_rtl.cosim.library import build
from hwsim_rtl.cosim.simulator import PassOutcome, PassStimulus, Simulator

__all__ = ["PassOutcome", "PassStimulus", "Simulator", "build", "lane_weights"]
