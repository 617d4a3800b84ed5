"""Accuracy, bytes, cycles and energy over the width of the maps."""

from __future__ import annotations

from matplotlib.ticker import FuncFormatter

from hwsim.report.plots import Plot, bars
from hwsim.report.plots.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    VERMILLION,
    canvas,
    finish,
    styled,
)
from hwsim.report.tables import title as trace_title
from hwsim.reproduce.widths import Widths

_LINES = {
    "map_bytes": ("maps in SEG", BLUE),
    "dram_bytes": ("all DRAM", VERMILLION),
    "cycles": ("cycles", GREEN),
    "energy_uj": ("energy", ORANGE),
}


def widths_plot(widths: Widths) -> Plot:
    """A line each for bytes, cycles and energy, in parts of the widest; accuracy as it is."""
    rows = widths.rows()
    result = widths.runs[0].result
    title = "Bytes, cycles and accuracy by the width of the maps"
    bits = [row["bits"] for row in rows]
    with styled():
        figure, axes = canvas(
            title,
            [
                f"{trace_title(result)}. Of an image, in parts of that at {bits[0]} bits;",
                "accuracy in parts of all pictures, maps rounded in the loop.",
            ],
            3.0,
            left=0.7,
            right=0.3,
            bottom=1.0,
            marks=result.marks,
        )
        drawn = []
        for key, (name, colour) in _LINES.items():
            parts = [row[key] / rows[0][key] if rows[0][key] else 0.0 for row in rows]
            drawn += axes.plot(bits, parts, color=colour, marker="o", markersize=4, label=name)
        known = [(row["bits"], row["accuracy"]) for row in rows if row["accuracy"] is not None]
        if known:
            drawn += axes.plot(
                *zip(*known, strict=True),
                color=INK,
                linestyle="--",
                marker="s",
                markersize=4,
                label="accuracy",
            )
        axes.set_xticks(bits)
        axes.invert_xaxis()
        axes.set_ylim(0, None)
        axes.grid(axis="y")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))
        axes.tick_params(labelsize=8.5, labelcolor=MUTED)
        axes.set_xlabel("bits of the maps", size=9)
        bars.place_legend(axes, drawn, 3, below_ticks=True, below_label=True)
        return finish(figure, "widths", title)
