"""MAC ratio, and simulated and measured speedup, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from hwsim.machine.result import Result
from hwsim.report import text
from hwsim.report.measured import DEVICES, PRECISION, measured_total
from hwsim.report.plots import bars
from hwsim.report.plots.style import (
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    RULE,
    SKIPPING,
    Plot,
    finish,
    log_ticks,
    styled,
)

_COLUMN = 0.6  # inches of a number on the right
_MARKS = {
    "MAC ratio": ("mac_ratio", INK, "|"),
    "simulated": ("simulated_speedup", SKIPPING, "o"),
    "cpu": ("cpu_speedup", ORANGE, "s"),
    "cuda": ("cuda_speedup", PURPLE, "D"),
}


def measured(result: Result, rows: Sequence[Mapping[str, Any]]) -> Plot:
    """Every layer's speedups on a common, logarithmic scale; left of 1 skipping is slower than not to skip.

    Args:
        result: of the simulation.
        rows: of :func:`hwsim.report.measured.measured_rows`.
    """
    lines = [measured_total(rows, result.overall()), *rows]
    title = "Speedup: simulated and measured"
    shown = {name: mark for name, mark in _MARKS.items() if any(line[mark[0]] for line in lines)}
    with styled():
        figure, axes = bars.row_axes(
            title,
            [
                f"Measured: fastest dense / fastest sparse kernel, {PRECISION}, same device.",
                "Simulated: dense baseline / skipping. Logarithmic; left of 1 is slower than dense.",
            ],
            [line["layer"] for line in lines],
            0.1 + _COLUMN * len(shown),
            result.marks,
            bottom=0.72,
        )
        values = [line[key] for line in lines for key, *_ in shown.values()]
        known = [value for value in values if value]
        axes.set_xscale("log")
        axes.set_xlim(min(*known, 1) / 1.25, max(*known, 1) * 1.25)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(log_ticks(*axes.get_xlim()))
        axes.axvline(1, color=MUTED, linewidth=0.8)
        crowded = len(lines) > 40
        for y, line in enumerate(lines):
            points = {name: line[key] for name, (key, *_) in shown.items()}
            there = [value for value in points.values() if value]
            axes.hlines(y, min(there), max(there), color=RULE, linewidth=2, zorder=1)
            for number, (name, value) in enumerate(points.items()):
                _, colour, marker = shown[name]
                if value:
                    _mark(axes, value, y, colour, marker, 4 if crowded else 6)
                words = text.factor(line[shown[name][0]]) if value or name == "MAC ratio" else "-"
                _number(axes, y, number, words, 7.5 if crowded else 8.5)
        for number, name in enumerate(shown):
            _number(axes, -0.75, number, DEVICES.get(name, name), 7.5, MUTED)
        _legend(axes, shown)
        return finish(figure, "measured", title)


def _mark(axes: Axes, x: float, y: float, colour: str, marker: str, size: float) -> None:
    tick = marker == "|"
    axes.plot(
        x, y, marker=marker, markersize=size * (2 if tick else 1), color=colour, zorder=2 if tick else 3,
        markeredgewidth=1.6 if tick else 0, linestyle="",
    )  # fmt: skip


def _number(axes: Axes, row: float, column: int, words: str, size: float, colour: str = INK) -> None:
    axes.annotate(
        words,
        (1, row),
        xycoords=("axes fraction", "data"),
        xytext=((column + 1) * _COLUMN * 72, 0),
        textcoords="offset points",
        ha="right",
        va="center_baseline",
        size=size,
        color=colour,
    )


def _legend(axes: Axes, shown: Mapping[str, tuple[str, str, str]]) -> None:
    """Marks by name; a device without a record is named as not measured."""
    handles = []
    for name, (_, colour, marker) in _MARKS.items():
        label = f"measured, {DEVICES[name]}" if name in DEVICES else name
        if name not in shown:
            label = f"{DEVICES.get(name, name)}: {text.NOT_MEASURED}"
            colour, marker = "none", ""
        handles.append(
            Line2D([], [], marker=marker, color=colour, linestyle="", label=label, markeredgewidth=1.6)
        )
    bars.place_legend(axes, handles, 2, below_ticks=True)
