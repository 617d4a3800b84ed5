"""What a person sees on the terminal: tables and progress bars. Numbers go to stdout, progress to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from hwsim.report.tables import Column

Progress = Callable[[int, int], None]
GAP = 2  # characters between columns: one of padding, one of the box


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
    """A table of as many columns as the terminal is wide; ``total`` below a rule."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from hwsim.report.tables import columns_within

    console = _stdout()
    everything = [*rows, total] if total else rows
    widths = {c.key: max(len(c.title), *(len(_shown(c, row)) for row in everything)) for c in columns}
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


@contextmanager
def progress(words: str, quiet: bool = False) -> Iterator[Progress | None]:
    """A progress bar for as long as the block runs, if stderr is a terminal; else nothing to call."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(words, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _stdout() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _shown(column: Column, row: Mapping[str, Any]) -> str:
    value = row.get(column.key)
    return "" if value is None and not column.numeric else column.show(value)
