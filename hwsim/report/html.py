"""The parts that a page is made of, as HTML text; everything that comes from a trace is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape as _escape
from importlib.resources import files
from string import Template
from typing import Any

import hwsim
from hwsim.report import text
from hwsim.report.plots import Plot
from hwsim.report.plots.style import INK, MUTED, PAPER, RULE
from hwsim.report.tables import Column

_PAGE_COLOURS = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper"}
_MANY_ROWS = 30


@dataclass(frozen=True)
class Headline:
    """A headline number.

    Attributes:
        what: it is.
        value: with its unit.
        beside: what to hold it against.
    """

    what: str
    value: str
    beside: str


def escape(value: object, limit: int = 400) -> str:
    """Text as HTML; what is not printable is replaced, and too much is cut."""
    return _escape(text.label(value, limit))


def page(
    title: str,
    body: Iterable[str],
    styles: Sequence[str] = ("style.css",),
    scripts: Sequence[str] = ("sort.js", "filter.js"),
) -> str:
    """A whole document that loads nothing from anywhere; ``styles`` and ``scripts`` are assets put in it."""
    return Template(_asset("page.html")).substitute(
        title=escape(title),
        version=escape(hwsim.__version__),
        style="\n".join(map(_asset, styles)),
        script="\n".join(map(_asset, scripts)),
        body="\n".join(body),
    )


def data(name: str, json: str) -> str:
    """JSON for the page's script, under an id; no text in it can end the element."""
    safe = json.replace("<", "\\u003c")
    return f'<script type="application/json" id="{escape(name)}">{safe}</script>'


def _asset(name: str) -> str:
    return (files("hwsim.report") / "assets" / name).read_text(encoding="utf-8").strip()


def badges(marks: Iterable[str]) -> str:
    """What stands wherever totals stand (hwsim.machine.marks), or nothing."""
    return "".join(f'<div class="badge">{escape(mark)}</div>' for mark in marks)


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of plain words."""
    return f"<p{_class(kind)}>{escape(words, 2000)}</p>"


def heading(words: str) -> str:
    """Title of a section."""
    return f"<h2>{escape(words)}</h2>"


def tiles(entries: Sequence[Headline]) -> str:
    """Headline numbers, the first one stressed."""
    return '<div class="tiles">' + "".join(_tile(entry, not i) for i, entry in enumerate(entries)) + "</div>"


def plots(entries: Iterable[Plot]) -> str:
    """Plots in columns."""
    return '<div class="plots">' + "\n".join(_figure(entry) for entry in entries) + "</div>"


def layer_filter() -> str:
    """A field that leaves, in all tables whose first column is the layer, the rows that hold its words."""
    return (
        '<p class="filter" hidden><label>Layers with <input type="search" autocomplete="off" '
        'placeholder="part of a name"></label> <output></output></p>'
    )


def table(
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    total: Mapping[str, Any] | None = None,
    marks: Sequence[str] = (),
) -> str:
    """A table whose columns sort; ``total`` stays at its foot."""
    head = "".join(
        f'<th scope="col"{_class("" if c.numeric else "words")} title="{escape(c.meaning)}">'
        f'<button type="button">{escape(c.title)}</button></th>'
        for c in columns
    )
    body = "\n".join(_row(columns, row) for row in rows)
    foot = f"<tfoot>{_row(columns, total)}</tfoot>" if total else ""
    caption = f"<caption>{'<br>'.join(map(escape, marks))}</caption>" if marks else ""
    tall = " tall" if len(rows) > _MANY_ROWS else ""
    return (
        f'<div class="scroll{tall}" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody>{foot}</table></div>"
    )


def facts(entries: Iterable[tuple[str, Any]]) -> str:
    """Names and values, for example the provenance."""
    pairs = "".join(f"<dt>{escape(k)}</dt><dd>{escape(text.value(v))}</dd>" for k, v in entries)
    return f'<div class="facts"><dl>{pairs}</dl></div>'


def inline_svg(plot: Plot) -> str:
    """The plot as a part of a page: its ids made unique, text and ground in the page's colours."""
    svg = plot.svg[plot.svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    head, rest = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    rest = re.sub(r'\bid="', f'id="{plot.name}-', rest)
    rest = re.sub(r'xlink:href="#|\bhref="#', f'href="#{plot.name}-', rest)
    rest = rest.replace("url(#", f"url(#{plot.name}-")
    for colour, name in _PAGE_COLOURS.items():
        rest = rest.replace(colour, f"var(--{name})")
    return f'<svg {box.group() if box else ""} role="img" aria-label="{escape(plot.title)}">{rest}'


def _figure(plot: Plot) -> str:
    return f'<figure class="plot" id="{escape(plot.name)}">{inline_svg(plot)}</figure>'


def _tile(tile: Headline, main: bool) -> str:
    return (
        f'<div class="tile{" main" if main else ""}"><span class="what">{escape(tile.what)}</span>'
        f"<b>{escape(tile.value)}</b><span>{escape(tile.beside)}</span></div>"
    )


def _row(columns: Sequence[Column], row: Mapping[str, Any]) -> str:
    return "<tr>" + "".join(_cell(column, row.get(column.key)) for column in columns) + "</tr>"


def _cell(column: Column, value: Any) -> str:
    shown = "" if value is None and not column.numeric else column.show(value)
    raw = value if isinstance(value, int | float | str) else "inf" if column.numeric else ""
    nothing = shown in (text.NOT_MEASURED, text.NOTHING)
    sortable = "-Infinity" if nothing else "Infinity" if str(raw) == "inf" else raw
    kind = "" if column.numeric else "words long" if len(shown) > 40 else "words"
    return f'<td{_class(kind)} data-value="{escape(sortable)}">{escape(shown)}</td>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
