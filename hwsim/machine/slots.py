"""Slots of the map buffer: the cycles in which a core may read a line of it, and so begin a pass."""

from __future__ import annotations

from hwsim.arch import START_LATENCY, Arch


def slot_period(arch: Arch) -> int:
    """Cycles between two slots of a core: each has one, and one is left beside them."""
    return arch.cores + 1


def first_slot(core: int, able: int, arch: Arch) -> int:
    """The cycle in which a pass begins that can be told to start from ``able`` on: a slot of its core."""
    earliest = able + START_LATENCY
    return earliest + (core - earliest) % slot_period(arch)
