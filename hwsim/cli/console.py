"""What goes to the terminal: tables in several formats to stdout, progress to stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from hwsim.report.tables import Column

Progress = Callable[[int, int], None]


class OutputFormat(StrEnum):
    """What a command prints: words and tables for a person, one table alone, or a whole document."""

    table = "table"
    csv = "csv"
    md = "md"
    json = "json"


GAP = 2  # characters between columns: one of padding, one of the box
UNLIMITED = 100_000  # characters, of a table that goes to a file or another program
LINE_EVERY = 10.0  # seconds between two lines of progress where no bar can be drawn


def say(words: str, style: str = "") -> None:
    """A line on stdout; names in it are taken as they are."""
    from rich.text import Text

    _stdout().print(Text(words, style=style), soft_wrap=True)


def say_marks(marks: Iterable[str]) -> None:
    """What stands wherever totals stand (hwsim.machine.marks), a line each."""
    for mark in marks:
        say(mark, "yellow")


def show_table(
    columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], total: Mapping[str, Any] | None = None
) -> None:
    """A table with ``total`` below a rule: of as many columns as the terminal is wide, of all when piped."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from hwsim.report.tables import columns_within

    console = _stdout()
    everything = [*rows, total] if total else rows
    widths = {
        c.key: max(*map(len, c.title.split("\n")), *(len(_shown(c, row)) for row in everything))
        for c in columns
    }
    chosen = columns_within(columns, lambda left: sum(widths[c.key] + GAP for c in left) - GAP, console.width)
    table = Table(box=box.HORIZONTALS, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    for column in chosen:
        table.add_column(
            Text(column.title),
            justify="right" if column.numeric else "left",
            overflow="ellipsis",
            no_wrap=True,
        )
    for number, row in enumerate(rows, 1):
        cells = [Text(_shown(column, row)) for column in chosen]
        table.add_row(*cells, end_section=total is not None and number == len(rows))
    if total:
        table.add_row(*(Text(_shown(column, total)) for column in chosen), style="bold")
    console.print(table)


def print_rows(
    format_: OutputFormat,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    total: Mapping[str, Any] | None = None,
    marks: Iterable[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> None:
    """A table for a spreadsheet or a text, and nothing else: CSV of exact values, or Markdown as it is shown.

    CSV has every value of the rows by its key, and no total, which a reader would take for a row; Markdown
    the columns by their titles, and the total. A table without rows is its header. What stands wherever
    totals stand is a line each above a table of Markdown (``marks``), and in each row of CSV (``flags``).
    """
    from hwsim.report.tables import to_csv, to_markdown

    if format_ is OutputFormat.csv:
        header = ",".join(column.key for column in columns) + "\n"
        print(to_csv([{**row, **(flags or {})} for row in rows]) if rows else header, end="")
        return
    everything = [*rows, total] if total else rows
    cells = [[_shown(column, row) for column in columns] for row in everything]
    for mark in marks:
        print(f"**{mark}**\n")
    print(to_markdown([(column.title, column.numeric) for column in columns], cells), end="")


@contextmanager
def progress(words: str, quiet: bool = False) -> Iterator[Progress | None]:
    """A bar with the time left while the block runs; a line now and then if stderr is no terminal."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield _lines(words)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(words, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _lines(words: str) -> Progress:
    """Says how far things are and how long they will take, a line every ten seconds or so.

    What comes first may take far longer than what follows, since loops are compiled there: the time left is
    reckoned from the second thing on.
    """
    said = time.monotonic()
    first: tuple[float, int] | None = None

    def advance(done: int, total: int) -> None:
        nonlocal said, first
        now = time.monotonic()
        if first is None and done:
            first = (now, done)
        if now - said < LINE_EVERY or done >= total:
            return
        said = now
        left = ""
        if first is not None and done > first[1]:
            left = f", {(now - first[0]) / (done - first[1]) * (total - done):.0f} s left"
        print(f"hwsim: {words}: {done} of {total}{left}", file=sys.stderr, flush=True)

    return advance


def _stdout() -> Console:
    from rich.console import Console

    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=UNLIMITED if piped else None)


def _shown(column: Column, row: Mapping[str, Any]) -> str:
    value = row.get(column.key)
    return "" if value is None and not column.numeric else column.show(value)
