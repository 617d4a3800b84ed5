"""``hwsim export``: files for other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli import console
from hwsim.cli.options import ArchFile, Quiet, TraceName, read_arch


class Format(StrEnum):
    """What can be written."""

    scalesim = "scalesim"
    accelergy = "accelergy"
    ramulator2 = "ramulator2"
    dramsim3 = "dramsim3"
    timeline = "timeline"


def export(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help=TraceName)],
    format: Annotated[
        Format,
        typer.Argument(
            metavar="FORMAT",
            help="scalesim: topology CSV. accelergy: YAML of machine, energies and action counts. "
            "ramulator2, dramsim3: DRAM requests. timeline: Chrome / Perfetto trace JSON.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="File; for accelergy a folder.")
    ],
    arch: ArchFile = None,
    image: Annotated[int, typer.Option(min=0, help="Number of the image.")] = 0,
    layer: Annotated[
        str | None, typer.Option(metavar="L", help="accelergy, timeline: only this layer.")
    ] = None,
    dense: Annotated[bool, typer.Option("--dense", help="The dense baseline instead.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write a trace on a machine for another tool, every number from the exact model."""
    machine = read_arch(arch)  # before the simulator is loaded
    from hwsim import export as formats
    from hwsim.machine.marks import trace_marks
    from hwsim.trace import open_trace

    if dense:
        machine = machine.dense()
    if layer is not None and format not in (Format.accelergy, Format.timeline):
        raise typer.BadParameter(f"--layer is for accelergy and timeline, not {format.value}")
    with open_trace(trace) as opened:
        if format is Format.scalesim:
            formats.write_scalesim(opened, output)
        elif format is Format.accelergy:
            formats.write_accelergy(opened, machine, output, image, layer)
        elif format is Format.ramulator2:
            formats.write_ramulator2(opened, machine, output, image)
        elif format is Format.dramsim3:
            formats.write_dramsim3(opened, machine, output, image)
        else:
            formats.write_timeline(opened, machine, output, image, layer)
        marks = trace_marks(opened)
    if not quiet:
        console.say_marks(marks)
        console.say(f"{format.value}: {output}")
