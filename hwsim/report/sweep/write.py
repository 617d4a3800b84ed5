"""The files that a sweep's report adds to its folder."""

from __future__ import annotations

import os
from pathlib import Path

from hwsim.report.sweep.machines import read_machines
from hwsim.report.sweep.page import sweep_page
from hwsim.report.sweep.plots import draw_sweep
from hwsim.report.sweep.summary import Summary
from hwsim.report.write import plot_files, write_files


def write_sweep_report(folder: str | os.PathLike[str]) -> tuple[Summary, list[Path]]:
    """Write ``summary.json``, the plots as PNG and SVG, and ``sweep.html`` from the Parquet files of a sweep.

    Returns:
        What was found, and the paths, that of the page last.

    Raises:
        SweepError: the folder holds no finished sweep.
        OutputError: it cannot be written.
    """
    summary = Summary(read_machines(folder))
    plots = draw_sweep(summary)
    contents: dict[str, str | bytes] = {"summary.json": summary.to_json(), **plot_files(plots)}
    return summary, write_files(folder, {**contents, "sweep.html": sweep_page(summary, plots)})
