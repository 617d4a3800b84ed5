"""The command line. Commands are imported, and import what they need, when they run: so each starts fast."""

from hwsim.cli.main import application, main

__all__ = ["application", "main"]
