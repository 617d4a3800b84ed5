"""The machine in hardware, or in a simulation of it: images run, by its registers (docs/registers.md)."""

from hwsim.driver.bus import Bus, MappedBus
from hwsim.driver.machine import Driver, RunCounts

__all__ = ["Bus", "Driver", "MappedBus", "RunCounts"]
