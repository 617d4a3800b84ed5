"""``widths.html``: which width and which order the maps should have, and the files beside the page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hwsim.report import html, text
from hwsim.report.contents import to_json
from hwsim.report.plots import Plot
from hwsim.report.report_page import WORDS, machine_facts
from hwsim.report.tables import Column, machine_words, title, to_csv
from hwsim.report.write import plot_files, write_files
from hwsim.reproduce.widths import MEANING, WIDTH_COLUMNS, Widths
from hwsim.reproduce.widths_plot import widths_plot


def write_widths(widths: Widths, folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``widths.csv``, the plot as PNG and SVG, ``widths.json`` and ``widths.html``.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    plot = widths_plot(widths)
    return write_files(
        folder,
        {
            "widths.csv": to_csv([{**row, **widths.flags} for row in widths.rows()]),
            **plot_files([plot]),
            "widths.json": to_json(widths.to_dict()),
            "widths.html": widths_page(widths, plot),
        },
    )


def widths_page(widths: Widths, plot: Plot) -> str:
    """The whole document, its plot inlined."""
    result = widths.runs[0].result
    heading = f"{title(result)}: which width, which order"
    return html.page(
        f"{heading} - hwsim",
        [
            "<header>",
            f"<h1>{html.escape(heading)}</h1>",
            html.badges(result.marks),
            html.paragraph(f"On {machine_words(result.arch)}. {widths.accuracy_words()}", "lead"),
            html.paragraph(MEANING),
            "</header>",
            html.plots([plot]),
            html.heading("Width by width"),
            html.table(WIDTH_COLUMNS, widths.rows(), marks=result.marks),
            html.heading("The order of each map"),
            html.paragraph(
                "The best order of SEG for the map's values, by the width that they are rounded to."
            ),
            html.table(_order_columns(widths), _order_rows(widths), marks=result.marks),
            html.heading("Machine"),
            html.facts(machine_facts(result.arch)),
            html.heading("What the words mean"),
            html.facts(WORDS.items()),
        ],
    )


def _order_columns(widths: Widths) -> list[Column]:
    return [
        Column("map", "map", "that enters a layer", text.label),
        *(
            Column(str(run.bits), f"{run.bits} bits", "order k of SEG for maps of as many bits", str)
            for run in widths.runs
        ),
    ]


def _order_rows(widths: Widths) -> list[dict[str, Any]]:
    """A row a map."""
    return [
        {"map": name, **{str(run.bits): run.orders[name] for run in widths.runs}}
        for name in widths.runs[0].orders
    ]
