"""Horizontal bars, one row an entry: readable for five layers and for a hundred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hwsim.machine.totals import ratio
from hwsim.report import text
from hwsim.report.plots.style import CHARACTER, MUTED, canvas, contrast, hint

LONGEST_LABEL = 24  # characters
LEGEND_GAP, TICKS = 0.1, 0.2  # inches below the axes


def row_height(rows: int) -> float:
    """Inches a row takes: less, the more there are."""
    return 0.32 if rows <= 12 else 0.24 if rows <= 40 else 0.185


def row_axes(
    title: str,
    subtitle: Sequence[str],
    names: Sequence[str],
    right: float,
    marks: Sequence[str],
    bottom: float = 0.3,
    rows_each: float = 1,
    wrapped: int | None = None,
) -> tuple[Figure, Axes]:
    """Axes with a named row for every entry, the first at the top, row ``i`` at y = ``i``.

    Names are cut in the middle, or with ``wrapped`` go over lines of so many characters.
    """
    labels = [fill(text.label(n), wrapped) if wrapped else text.short(n, LONGEST_LABEL) for n in names]
    height = row_height(len(names)) * rows_each
    size = 9.5 if len(names) <= 40 else 8
    left = 0.3 + max(len(line) for label in labels for line in label.split("\n")) * CHARACTER * size / 10
    figure, axes = canvas(title, subtitle, height * len(names) + 0.1, left, right, bottom, marks)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), labels, size=size)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.tick_params(axis="x", labelsize=8.5)
    return figure, axes


def note(axes: Axes, row: float, x: float, words: str, colour: str = MUTED, dense: bool = False) -> None:
    """Words to the right of a point in a row."""
    axes.annotate(
        words,
        (x, row),
        xytext=(4, 0),
        textcoords="offset points",
        va="center_baseline",
        size=7.5 if dense else 8.5,
        color=colour,
    )


def stack(
    axes: Axes,
    row: float,
    parts: Mapping[str, float],
    colours: Mapping[str, str],
    height: float,
    enough: float,
    entry: str,
) -> None:
    """Parts side by side; a part of at least ``enough`` carries its share of the whole; all hint at it."""
    start, whole = 0.0, sum(parts.values())
    for name, part in parts.items():
        (bar,) = axes.barh(row, part, height, left=start, color=colours[name], linewidth=0)
        hint(bar, f"{text.label(entry)}: {name.replace('_', ' ')}, {text.percent(ratio(part, whole))}")
        if part >= enough:
            axes.text(
                start + part / 2,
                row,
                f"{part / whole * 100:.0f}",
                ha="center",
                va="center_baseline",
                size=8,
                color=contrast(colours[name]),
            )
        start += part


def legend(axes: Axes, colours: Mapping[str, str], columns: int, below_ticks: bool = False) -> None:
    """Names of the colours, in a block below the axes."""
    handles = [Patch(color=colour, label=name.replace("_", " ")) for name, colour in colours.items()]
    place_legend(axes, handles, columns, below_ticks)


def place_legend(
    axes: Axes, handles: Sequence[Artist], columns: int, below_ticks: bool = False, below_label: bool = False
) -> None:
    """A legend of labelled artists, in a block below the axes."""
    height = axes.get_window_extent().height / axes.figure.dpi
    gap = (LEGEND_GAP + TICKS * below_ticks + TICKS * below_label) / height
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, -gap),
        ncols=columns,
        frameon=False,
        fontsize=9,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.3,
        borderaxespad=0,
        borderpad=0,
    )
