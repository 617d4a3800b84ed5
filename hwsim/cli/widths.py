"""``hwsim widths``: a trace with maps of fewer and fewer bits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwsim.cli import console
from hwsim.cli.accuracy import chosen_widths
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import (
    ArchFile,
    Formatted,
    Images,
    Json,
    OutFolder,
    Quiet,
    TraceName,
    choose_images,
    chosen_format,
    default_trace,
    read_arch,
)

if TYPE_CHECKING:
    from hwsim.reproduce.widths import Widths


def widths(
    trace: Annotated[
        str | None,
        typer.Argument(metavar="TRACE", help=f"{TraceName} Default: the shipped LeNet-5, sparse."),
    ] = None,
    accuracy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What 'hwsim accuracy -o FILE' wrote, or a tables.json."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="Data set, where FILE has several of the network.")
    ] = None,
    bits: Annotated[str, typer.Option(metavar="B,B,...", help="Widths of the maps.")] = "16,12,10,8,6,4",
    arch: ArchFile = None,
    out: OutFolder = None,
    images: Images = None,
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Which width and order: accuracy, bytes, cycles and energy with maps of fewer and fewer bits."""
    format_ = chosen_format(format_, json)
    machine = read_arch(arch)  # before the simulator is loaded
    wanted = chosen_widths(bits)
    from hwsim.reproduce.entry import read_tables
    from hwsim.reproduce.widths import WIDTH_COLUMNS, at_widths, entry_of
    from hwsim.trace import open_trace

    with open_trace(trace or default_trace()) as opened:
        numbers = choose_images(images, opened)
        entry = None
        if accuracy is not None:
            entry = entry_of(read_tables(accuracy).entries, opened, opened.digest, data)
        with console.progress("widths", quiet) as advance:
            found = at_widths(opened, machine, numbers, wanted, entry, advance)
    written = None
    if out:
        from hwsim.reproduce.widths_page import write_widths

        written = write_widths(found, out)
    if format_ is OutputFormat.json:
        from hwsim.report.contents import to_json

        typer.echo(to_json(found.to_dict()), nl=False)
    elif format_ is not OutputFormat.table:
        marks = found.runs[0].result.marks
        console.print_rows(format_, WIDTH_COLUMNS, found.rows(), None, marks, found.flags)
    elif not quiet:
        _show(found)
        if written:
            console.say(f"The page: {written[-1]}")


def _show(found: Widths) -> None:
    from hwsim.report.tables import machine_words, title
    from hwsim.reproduce.widths import MEANING, WIDTH_COLUMNS

    result = found.runs[0].result
    console.say(f"{title(result)} on {machine_words(result.arch)}", "bold")
    console.say_marks(result.marks)
    console.show_table(WIDTH_COLUMNS, found.rows())
    if words := found.accuracy_words():
        console.say(words)
    console.say(MEANING, "dim")
