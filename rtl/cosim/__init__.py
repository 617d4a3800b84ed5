"""A core in compiled simulation (CXXRTL), driven from Python a pass at a time."""

from rtl.cosim.library import build
from rtl.cosim.simulator import PassOutcome, PassStimulus, Simulator

__all__ = ["PassOutcome", "PassStimulus", "Simulator", "build"]
