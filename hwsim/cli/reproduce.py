"""``hwsim reproduce``: the paper's tables, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwsim.cli import console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import Formatted, Json, Quiet, chosen_format

if TYPE_CHECKING:
    from hwsim.report.tables import Column
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
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Accuracy, density, speedup and compression of networks, beside the paper's own figures.

    Writes tables.md, tables.json and a plot for each network. What was not measured is marked so. A
    tables.json of an earlier call, or of 'hwsim accuracy', adds its rows.
    """
    format_ = chosen_format(format_, json)
    from hwsim.reproduce.entry import merged, to_json
    from hwsim.reproduce.headline import headline
    from hwsim.reproduce.sources import Wanted, entries_of, shipped_entries
    from hwsim.reproduce.tables import all_tables
    from hwsim.reproduce.write import made_with, write_tables

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
    if format_ is OutputFormat.json:
        typer.echo(to_json(entries, made_with()), nl=False)
    elif format_ is not OutputFormat.table:
        console.print_rows(format_, *_as_rows(headline(entries)))
    elif not quiet:
        for table in (headline(entries), *all_tables(entries)):
            console.say(table.title, "bold")
            console.show_table(*_as_rows(table))
        console.say(f"The tables: {written[-2]}")


def _as_rows(table: Table) -> tuple[list[Column], list[dict[str, str]]]:
    """Columns, of which the first are needed most, and rows by the columns' titles."""
    from hwsim.report import text
    from hwsim.report.tables import Column

    columns = [
        Column(name, name, "", text.words, len(table.columns) - i) for i, name in enumerate(table.columns)
    ]
    return columns, [dict(zip(table.columns, row, strict=True)) for row in table.rows]
