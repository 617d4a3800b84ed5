"""``hwsim reproduce``: the paper's tables, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwsim.cli import console
from hwsim.cli.options import Quiet

if TYPE_CHECKING:
    from hwsim.reproduce.tables import Table


def reproduce(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN_OR_TRACE]...",
            help="Folders of 'hwsim sparsify', traces, a tables.json. Default: all that is shipped.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for tables and plots.")
    ] = Path("reproduced"),
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Data set of the runs: measures them with quantized maps in the loop."
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="With --data: so many test pictures.")] = 1000,
    images: Annotated[int, typer.Option(min=1, help="Measure the first so many pictures of a trace.")] = 16,
    quiet: Quiet = False,
) -> None:
    """Accuracy, density, speedup and compression of networks, beside the paper's own figures.

    Writes tables.md, tables.json and a plot for each network. What was not measured is marked so. A
    tables.json of an earlier call, or of 'hwsim accuracy', adds its rows.
    """
    from hwsim.reproduce.entry import merged
    from hwsim.reproduce.headline import headline
    from hwsim.reproduce.sources import Wanted, entries_of, shipped_entries
    from hwsim.reproduce.tables import all_tables
    from hwsim.reproduce.write import write_tables

    def say(words: str) -> None:
        if not quiet:
            typer.echo(f"hwsim: {words}", err=True)

    wanted = Wanted(images, data, pictures, say)
    entries = merged(
        [entry for place in places for entry in entries_of(place, wanted)]
        if places
        else shipped_entries(wanted)
    )
    written = write_tables(entries, output)
    if not quiet:
        for table in (headline(entries), *all_tables(entries)):
            _show(table)
        console.say(f"The tables: {written[-2]}")


def _show(table: Table) -> None:
    from hwsim.report import text
    from hwsim.report.tables import Column

    console.say(table.title, "bold")
    columns = [
        Column(str(i), name, "", text.words, len(table.columns) - i) for i, name in enumerate(table.columns)
    ]
    console.show_table(columns, [{str(i): cell for i, cell in enumerate(row)} for row in table.rows])
