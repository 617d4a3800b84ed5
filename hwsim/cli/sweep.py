"""``hwsim sweep``: many machines over one trace or several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli import console
from hwsim.cli.options import Images, Quiet, choose_images

SHOWN = 10


def sweep(
    traces: Annotated[list[str], typer.Argument(metavar="TRACE...", help="Folders, .zip files or URLs.")],
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
    """Simulate every machine of a space; results in Parquet, resumable."""
    from hwsim.sweep import Space
    from hwsim.sweep import sweep as run
    from hwsim.trace import open_trace

    chosen = None
    if images is not None:
        with open_trace(traces[0]) as trace:
            chosen = choose_images(images, trace)
    machines = Space.from_toml(space)
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
        )
    if not quiet:
        _show_best(points, list(machines.space))
        console.say(f"All machines: {points}; by layer: {layers}")


def _show_best(path: Path, swept: list[str]) -> None:
    """The fastest machines that keep the constraints, of all traces together."""
    import pyarrow.parquet as pq

    from hwsim.report import text
    from hwsim.report.tables import Column

    rows = pq.read_table(path).to_pylist()
    usable = [row for row in rows if row["feasible"]]
    totals: dict[int, dict[str, float]] = {}
    for row in usable:
        total = totals.setdefault(row["point"], {**row, "cycles": 0.0, "energy_uj": 0.0, "dram_bytes": 0.0})
        for name in ("cycles", "energy_uj", "dram_bytes"):
            total[name] += row[name]
    count = len({row["point"] for row in rows})
    best = sorted(totals.values(), key=lambda row: (row["cycles"], row["energy_uj"]))[:SHOWN]
    console.say(f"{count} machines, {len(totals)} of them within the constraints; the fastest:")
    if best:
        columns = [
            Column("point", "point", "number of the machine", str, 3),
            *(Column(name, name, "swept", text.value, 3) for name in swept),
            Column("cycles", "cycles", "an image", text.count, 1),
            Column("energy_uj", "energy", "an image", text.energy, 2),
            Column("dram_bytes", "DRAM", "an image", text.size, 2),
        ]
        console.show_table(columns, best)
