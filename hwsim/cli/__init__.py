"""The command line. Commands import what they need when they run, so that ``hwsim --help`` is fast."""

from hwsim.cli.main import app, main

__all__ = ["app", "main"]
