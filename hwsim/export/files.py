"""Where exports go, and what they come from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hwsim.arch import Arch
from hwsim.errors import ExportError
from hwsim.files import whole_file
from hwsim.machine.schedule import Schedule, schedule
from hwsim.machine.simulation import check_widths
from hwsim.machine.workload import Workload

if TYPE_CHECKING:
    from hwsim.trace import Trace


def write_lines(path: str | os.PathLike[str], lines: Iterable[str]) -> None:
    """Write text, line by line.

    Raises:
        ExportError: the file cannot be written.
    """
    try:
        with whole_file(path) as partial, partial.open("w", encoding="ascii", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}: give a file that can be written") from None


def workload_of(trace: Trace, arch: Arch, image: int) -> Workload:
    """An image of a trace that fits the machine.

    Raises:
        ArchError: the trace's values are wider than the machine.
        TraceError: no such image.
    """
    check_widths(trace, arch)
    return Workload(trace, image)


def schedule_of(trace: Trace, arch: Arch, image: int) -> Schedule:
    """All passes and transfers of an image on a machine.

    Raises:
        ArchError: the trace does not fit the machine.
        TraceError: no such image.
    """
    return schedule(workload_of(trace, arch, image).jobs(arch), arch)
