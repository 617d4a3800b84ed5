"""``hwsim sweep``: many machines over one trace or several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import Formatted, Images, Json, Quiet, TraceName, choose_images, chosen_format

if TYPE_CHECKING:
    from hwsim.report.sweep.summary import Summary
    from hwsim.report.tables import Column

SHOWN = 10


def sweep(
    traces: Annotated[list[str], typer.Argument(metavar="TRACE...", help=TraceName)],
    space: Annotated[Path, typer.Option(metavar="FILE", help="Which machines: a TOML file, see the guide.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the results; made if missing.")
    ],
    images: Images = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep that DIR holds.")] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://...; local processes without it."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Local processes. Default: all cores.")] = None,
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate every machine of a space; results in Parquet, resumable, with a page to explore them."""
    format_ = chosen_format(format_, json)
    from hwsim.sweep.space import Space

    machines = Space.from_toml(space)  # before the simulator is loaded
    from hwsim.sweep import sweep as run
    from hwsim.trace import open_trace

    chosen = None
    if images is not None:
        with open_trace(traces[0]) as trace:
            chosen = choose_images(images, trace)
    with console.progress("machines", quiet) as advance:
        points, layers = run(
            traces,
            machines,
            output,
            images=chosen,
            resume=resume,
            scheduler=scheduler,
            workers=workers,
            progress=advance,
            tell=lambda line: typer.echo(f"hwsim: {line}", err=True),
        )
    summary, files = _report(output)
    _print(summary, format_, quiet, f"All machines: {points}; by layer: {layers}", f"The page: {files[-1]}")


def sweep_report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished sweep.")],
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw the page, the plots and summary.json of a sweep again from its Parquet files."""
    format_ = chosen_format(format_, json)
    summary, files = _report(folder)
    _print(summary, format_, quiet, f"The page: {files[-1]}")


def _report(folder: Path) -> tuple[Summary, list[Path]]:
    from hwsim.report.sweep.write import write_sweep_report

    return write_sweep_report(folder)


def _print(summary: Summary, format_: OutputFormat, quiet: bool, *places: str) -> None:
    """The fastest machines and where the files lie; or all feasible ones, fastest first, or the summary."""
    if format_ is OutputFormat.json:
        from hwsim.report.contents import to_json

        typer.echo(to_json(summary.to_dict()), nl=False)
    elif format_ is not OutputFormat.table:
        machines = summary.machines
        console.print_rows(
            format_, _columns(summary), _fastest(summary), None, machines.marks, machines.flags
        )
    elif not quiet:
        _show_best(summary)
        for words in places:
            console.say(words)


def _show_best(summary: Summary) -> None:
    """The fastest feasible machines, of all traces together, or why there is none."""
    machines = summary.machines
    fits = _fastest(summary)
    console.say(
        f"{len(machines.numbers)} machines, {len(fits)} of them feasible"
        + ("; the fastest:" if fits else ".")
    )
    console.say_marks(machines.marks)
    if fits:
        console.show_table(_columns(summary), fits[:SHOWN])
        return
    for reason, count in list(machines.refused.items())[:SHOWN]:
        console.say(f"{count} machines: {reason}")


def _fastest(summary: Summary) -> list[dict[str, Any]]:
    """Rows of the feasible machines, the fastest first."""
    import numpy as np

    machines = summary.machines
    fits = np.flatnonzero(machines.feasible)
    order = np.lexsort((machines.total["energy_uj"][fits], machines.total[machines.speed][fits]))
    return [summary.machine(int(at)) for at in fits[order]]


def _columns(summary: Summary) -> list[Column]:
    from hwsim.report import text
    from hwsim.report.sweep.plots import SHOW
    from hwsim.report.sweep.summary import TITLES
    from hwsim.report.tables import Column

    machines = summary.machines
    metrics = {machines.speed: 4, "energy_uj": 2, "dram_bytes": 2, "luts": 3, "brams": 1, "sram_bytes": 1}
    return [
        Column("machine", "point", "number of the machine", str, 3),
        *(Column(name, name, "swept", text.value, 3) for name in machines.fields),
        *(
            Column(
                name, TITLES[name], "an image", SHOW[name], 4 if name in machines.space.constraints else need
            )
            for name, need in metrics.items()
        ),
    ]
