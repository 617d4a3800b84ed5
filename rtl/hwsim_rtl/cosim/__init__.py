"""A core in compiled simulation (Verilator), driven from Python a pass at a time, or a whole machine."""

from hwsim_rtl.cosim.simulator import PassOutcome, PassStimulus, Simulator, build

__all__ = ["PassOutcome", "PassStimulus", "Simulator", "build"]
