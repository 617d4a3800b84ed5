"""``hwsim measure``: a trace's layers through the kernels of a real processor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli import console
from hwsim.cli.options import ArchFile, Images, Quiet, TraceName, choose_images, default_trace, read_arch
from hwsim.cli.run import show_measured


def measure(
    trace: Annotated[
        str | None,
        typer.Argument(metavar="TRACE", help=f"{TraceName} Default: the shipped LeNet-5, sparse."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where the JSON goes.")
    ] = None,
    images: Images = None,
    repeats: Annotated[int, typer.Option(min=3, help="Rounds of a kernel over all inputs.")] = 20,
    threads: Annotated[int, typer.Option(min=1, help="Of the processor, for every kernel.")] = 1,
    arch: ArchFile = None,
    quiet: Quiet = False,
) -> None:
    """Time dense and sparse kernels on a trace's real maps, beside MAC ratio and simulated speedup."""
    machine = read_arch(arch)  # before the simulator is loaded
    from hwsim.machine.simulation import simulate
    from hwsim.measure import measure as run
    from hwsim.report.measured import measured_rows
    from hwsim.trace import open_trace

    if device not in ("cpu", "cuda"):
        raise typer.BadParameter(f"--device {device}: give cpu or cuda")
    with open_trace(trace or default_trace()) as opened:
        numbers = choose_images(images, opened)
        with console.progress("measuring", quiet) as advance:
            measured = run(opened, device, numbers, repeats=repeats, threads=threads, progress=advance)  # type: ignore[arg-type]
        if output:
            measured.to_json(output)
        if not quiet:
            result = simulate(opened, machine, numbers)
            show_measured(measured_rows(result, [measured]), result.overall(), [measured])
            console.say(f"The record: {output}" if output else "Add -o FILE to keep the record.", "dim")
