"""The machine on an ECP5: what its components take, and how fast they are."""

from hwsim_rtl.synth.components import COMPONENTS
from hwsim_rtl.synth.run import add_run, model_points, synthesize

__all__ = ["COMPONENTS", "add_run", "model_points", "synthesize"]
