"""``hwsim sweep``: many machines over one trace or several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwsim.cli import console
from hwsim.cli.options import Images, Quiet, TraceName, choose_images

if TYPE_CHECKING:
    from hwsim.report.sweep.summary import Summary

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
    quiet: Quiet = False,
) -> None:
    """Simulate every machine of a space; results in Parquet, resumable, with a page to explore them."""
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
    if not quiet:
        _show_best(summary)
        console.say(f"All machines: {points}; by layer: {layers}")
        console.say(f"The page: {files[-1]}")


def sweep_report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished sweep.")],
    quiet: Quiet = False,
) -> None:
    """Draw the page, the plots and summary.json of a sweep again from its Parquet files."""
    summary, files = _report(folder)
    if not quiet:
        _show_best(summary)
        console.say(f"The page: {files[-1]}")


def _report(folder: Path) -> tuple[Summary, list[Path]]:
    from hwsim.report.sweep.write import write_sweep_report

    return write_sweep_report(folder)


def _show_best(summary: Summary) -> None:
    """The fastest feasible machines, of all traces together, or why there is none."""
    import numpy as np

    from hwsim.report import text
    from hwsim.report.sweep.plots import SHOW
    from hwsim.report.sweep.summary import TITLES
    from hwsim.report.tables import Column

    machines = summary.machines
    fits = np.flatnonzero(machines.feasible)
    console.say(
        f"{len(machines.numbers)} machines, {len(fits)} of them feasible"
        + ("; the fastest:" if len(fits) else ".")
    )
    console.say_marks(machines.marks)
    for reason, count in list(machines.refused.items())[: 0 if len(fits) else SHOWN]:
        console.say(f"{count} machines: {reason}")
    if not len(fits):
        return
    columns = [
        Column("machine", "point", "number of the machine", str, 3),
        *(Column(name, name, "swept", text.value, 3) for name in machines.fields),
        *(
            Column(
                metric,
                TITLES[metric],
                "an image",
                SHOW[metric],
                4 if metric in machines.space.constraints else need,
            )
            for metric, need in (
                (machines.speed, 4),
                ("energy_uj", 2),
                ("dram_bytes", 2),
                ("luts", 3),
                ("brams", 1),
                ("sram_bytes", 1),
            )
        ),
    ]
    order = np.lexsort((machines.total["energy_uj"][fits], machines.total[machines.speed][fits]))
    console.show_table(columns, [summary.machine(int(at)) for at in fits[order][:SHOWN]])
