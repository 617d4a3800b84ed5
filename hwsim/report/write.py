"""The files of a report, written so that nothing half-written is ever taken for whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from hwsim.errors import OutputError
from hwsim.report import plots as draw
from hwsim.report.comparison import Comparison
from hwsim.report.comparison_page import comparison_page
from hwsim.report.contents import Report, to_json
from hwsim.report.plots import Plot, pairs
from hwsim.report.report_page import report_page
from hwsim.report.tables import layers_csv, runs_csv


def draw_report(report: Report) -> list[Plot]:
    """All plots of a report, in the order of the page."""
    result = report.result
    measured = [draw.measured(result, report.measured_rows)] if report.measured else []
    return [
        draw.speedup(result),
        *measured,
        draw.breakdown(result),
        draw.waterfall(result),
        draw.density(result),
        draw.roofline(result),
        draw.compression(report.maps, result),
        draw.dram(result),
        draw.energy(result),
        *([draw.timeline_plot(report.timeline)] if report.timeline else []),
    ]


def write_report(report: Report, folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``report.json``, ``layers.csv``, ``runs.csv``, the plots as PNG and SVG, and ``report.html``.

    Raises:
        OutputError: the folder cannot be made or written.
        MeasureError: the measurements are of another trace.
    """
    plots = draw_report(report)
    return write_files(
        folder,
        {
            "report.json": to_json(report.to_dict()),
            "layers.csv": layers_csv(report.result, report.measured_rows),
            "runs.csv": runs_csv(report.result),
            **plot_files(plots),
            "report.html": report_page(report, plots),
        },
    )


def draw_comparison(comparison: Comparison) -> list[Plot]:
    """All plots of a comparison, in the order of the page."""
    return [
        pairs.cycles(comparison),
        pairs.densities(comparison),
        pairs.speedups(comparison),
        pairs.dram(comparison),
        pairs.energy(comparison),
    ]


def write_comparison(comparison: Comparison, folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``compare.json``, ``compare.csv``, ``compare_halves.csv`` (if any), plots and ``compare.html``.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    plots = draw_comparison(comparison)
    return write_files(
        folder,
        {
            "compare.json": to_json(comparison.to_dict()),
            "compare.csv": comparison.to_csv(),
            **({"compare_halves.csv": comparison.halves_csv()} if comparison.halves() else {}),
            **plot_files(plots, "compare_"),
            "compare.html": comparison_page(comparison, plots),
        },
    )


def plot_files(plots: list[Plot], prefix: str = "") -> dict[str, str | bytes]:
    """Files of the plots, by name."""
    return {f"{prefix}{p.name}.svg": p.svg for p in plots} | {f"{prefix}{p.name}.png": p.png for p in plots}


def write_files(folder: str | os.PathLike[str], contents: Mapping[str, str | bytes]) -> list[Path]:
    """Write files into a folder, which is made if missing; other files in it stay.

    All are written into a folder in it first and then moved one by one. The last one is the mark that all
    are of one run: it is removed before the others are moved, and moved after them.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    target = Path(folder)
    try:
        staging = target / ".partial"
        shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
        staging.mkdir(parents=True)
        try:
            for name, content in contents.items():
                data = content.encode("utf-8") if isinstance(content, str) else content
                (staging / name).write_bytes(data)
            *others, last = contents
            if others:
                (target / last).unlink(missing_ok=True)
            for name in contents:
                os.replace(staging / name, target / name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"cannot write into {target}: {error.strerror}: make room, or name another folder"
        ) from None
    return [target / name for name in contents]
