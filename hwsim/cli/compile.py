"""``hwsim compile``: a network and a picture as a memory image for a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli import console
from hwsim.cli.options import ArchFile, Quiet, TraceName, read_arch


def compile(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help=TraceName)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The image.")],
    arch: ArchFile = None,
    image: Annotated[int, typer.Option(min=0, help="Number of the picture.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write the memory image of a network: programs, weights, scales and the input map of a picture.

    docs/image.md describes its bytes.
    """
    machine = read_arch(arch)  # before the simulator is loaded
    from hwsim.program import compile_network
    from hwsim.trace import open_trace

    with open_trace(trace) as opened:
        made = compile_network(opened, machine, image)
    made.write(output)
    if not quiet:
        console.say(
            f"{output}: {made.number('layers')} layers, {len(made.memory)} bytes of memory, "
            f"{made.number('memory_bytes')} when it runs"
        )
