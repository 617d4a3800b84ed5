"""``hwsim measure``: a trace's layers through the kernels of a real processor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli import console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import (
    ArchFile,
    Formatted,
    Images,
    Json,
    Quiet,
    TraceName,
    choose_images,
    chosen_format,
    default_trace,
    read_arch,
)
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
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Time dense and sparse kernels on a trace's real maps, beside MAC ratio and simulated speedup."""
    format_ = chosen_format(format_, json)
    machine = read_arch(arch)  # before the simulator is loaded
    from hwsim.machine.simulation import simulate
    from hwsim.measure import measure as run
    from hwsim.report.measured import measured_columns, measured_document, measured_rows, measured_total
    from hwsim.trace import open_trace

    if device not in ("cpu", "cuda"):
        raise typer.BadParameter(f"--device {device}: give cpu or cuda")
    with open_trace(trace or default_trace()) as opened:
        numbers = choose_images(images, opened)
        with console.progress("measuring", quiet) as advance:
            measured = run(opened, device, numbers, repeats=repeats, threads=threads, progress=advance)  # type: ignore[arg-type]
        if output:
            measured.to_json(output)
        if quiet and format_ is OutputFormat.table:
            return
        result = simulate(opened, machine, numbers)
    rows = measured_rows(result, [measured])
    total = measured_total(rows, result.overall())
    if format_ is OutputFormat.json:
        from hwsim.report.contents import jsonable, to_json

        document = {**result.flags, **measured_document(rows, total, [measured])}
        typer.echo(to_json(jsonable(document)), nl=False)
    elif format_ is not OutputFormat.table:
        columns, marks, flags = measured_columns([device]), result.marks, result.flags
        console.print_rows(format_, columns, rows, total, marks, flags)
    else:
        console.say_marks(result.marks)
        show_measured(rows, result.overall(), [measured])
        console.say(f"The record: {output}" if output else "Add -o FILE to keep the record.", "dim")
