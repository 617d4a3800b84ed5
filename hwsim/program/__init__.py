"""Networks compiled for a machine: a memory image that holds all that it reads (docs/image.md)."""

from hwsim.program.compiler import compile_network
from hwsim.program.image import MemoryImage, load

__all__ = ["MemoryImage", "compile_network", "load"]
