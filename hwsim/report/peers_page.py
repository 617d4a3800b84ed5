"""``peers.html``: the machine beside published ones, and the files that lie beside the page."""

from __future__ import annotations

import os
from pathlib import Path

from hwsim.report import html
from hwsim.report.contents import to_json
from hwsim.report.peers import SLOT_COLUMNS, USES, Beside, wide_columns
from hwsim.report.plots import Plot
from hwsim.report.plots.peers import slots
from hwsim.report.report_page import machine_facts, source_facts
from hwsim.report.tables import machine_words, title
from hwsim.report.write import plot_files, write_files


def write_peers(beside: Beside, folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``peers.json``, ``peers.csv``, plots and ``peers.html``.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    plots = slots(beside)
    return write_files(
        folder,
        {
            "peers.json": to_json(beside.to_dict()),
            "peers.csv": beside.to_csv(),
            **plot_files(plots),
            "peers.html": peers_page(beside, plots),
        },
    )


def peers_page(beside: Beside, plots: list[Plot]) -> str:
    """The whole document, its plots inlined."""
    result, marks = beside.result, (*beside.result.marks, beside.words)
    heading = f"{title(result)}: hwsim beside published machines"
    return html.page(
        f"{heading} - hwsim",
        [
            "<header>",
            f"<h1>{html.escape(heading)}</h1>",
            html.badges(result.marks),
            html.paragraph(f"All have as many multipliers as {machine_words(result.arch)}.", "lead"),
            html.paragraph(beside.words, "caution"),
            html.paragraph(beside.left_out_words) if beside.left_out_words else "",
            "</header>",
            html.heading("Where the slots of the multipliers go"),
            html.plots(plots),
            html.table(SLOT_COLUMNS, beside.sum_rows(), marks=marks),
            html.heading("Layer by layer"),
            html.paragraph("Cycles of an image, averaged over the images. A click on a title sorts."),
            html.layer_filter(),
            html.table(wide_columns(beside.titles), beside.wide_rows(), marks=marks),
            html.heading("What the words mean"),
            html.facts((use, f"a multiplier {meaning}") for use, meaning in USES.items()),
            html.heading("The papers"),
            html.facts((machine.title, machine.citation) for machine in beside.machines),
            '<div class="pair"><section>',
            html.heading("Machine"),
            html.facts(machine_facts(result.arch)),
            "</section><section>",
            html.heading("Where the data is from"),
            html.facts(source_facts(result, {})),
            "</section></div>",
        ],
    )
