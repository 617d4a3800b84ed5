"""The tables as Markdown, and the block of a page that holds them."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.errors import ReproduceError
from hwsim.report.tables import to_markdown
from hwsim.reproduce.entry import Entry
from hwsim.reproduce.headline import headline
from hwsim.reproduce.tables import Table, all_tables

BEGIN, END = "<!-- tables: begin, made by hwsim reproduce -->", "<!-- tables: end -->"


def markdown(entries: Sequence[Entry]) -> str:
    """The headline, all tables, and what is to be known of every row."""
    return f"{headline_text(entries)}\n{tables_text(entries)}"


def headline_text(entries: Sequence[Entry]) -> str:
    """The table that a reader sees first."""
    return _table(headline(entries)) + "\n"


def tables_text(entries: Sequence[Entry]) -> str:
    """All other tables, and the notes."""
    parts = [_table(table) for table in all_tables(entries)]
    notes = [f"- {', '.join(entry.key)}: {' '.join(entry.notes)}" for entry in entries if entry.notes]
    if notes:
        parts.append("\n".join(["### Notes", *notes]))
    return "\n\n".join(parts) + "\n"


def with_block(page: str, made: str) -> str:
    """A page with a text between its two markers.

    Raises:
        ReproduceError: the page does not have both markers.
    """
    before, found, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ReproduceError(f"the page has no lines '{BEGIN}' and '{END}': put them where the tables belong")
    return f"{before}{BEGIN}\n{made}{END}{after}"


def _table(table: Table) -> str:
    rows = to_markdown([(title, False) for title in table.columns], table.rows)
    return f"### {table.title}\n{table.legend}\n\n{rows}".removesuffix("\n")
