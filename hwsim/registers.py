"""What a host sees of the machine: why it stopped. One definition for RTL, driver and documentation."""

from __future__ import annotations

from enum import IntEnum


class MachineError(IntEnum):
    """Why a machine stopped before its result was written."""

    none = 0
    memory = 1
    """Memory answered a request with an error."""
    image = 2
    """The header is that of no image, or of an image for another machine."""
    program = 3
    """A program has a number that is not allowed."""
    map = 4
    """A map that a core decoded is no legal one."""
