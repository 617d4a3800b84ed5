"""Plots of a sweep: fronts, a heat map over two fields, and which field matters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from hwsim.report import text
from hwsim.report.plots import bars
from hwsim.report.plots.style import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    RULE,
    VERMILLION,
    WIDTH,
    Plot,
    canvas,
    contrast,
    finish,
    log_ticks,
    ramp,
    styled,
)
from hwsim.report.sweep.analysis import HeatMap, levels
from hwsim.report.sweep.machines import AREA
from hwsim.report.sweep.summary import COSTS, TITLES, Summary

SHOW: dict[str, Callable[[float], str]] = {
    "cycles": text.count,
    "seconds": text.seconds,
    "energy_uj": text.energy,
    "dram_bytes": text.size,
    "luts": text.count,
    "dsps": text.whole,
    "brams": text.whole,
    "sram_bytes": text.size,
    "speedup": text.factor,
}
_MOST_TIES = 3  # that are named
_MANY = 1500  # points; more are drawn as an image within the SVG
_LEAST_RANGE = 0.03  # of an axis, each way: a smaller difference should look small
_FILES = {
    "energy_uj": "pareto_energy",
    "luts": "pareto_area",
    "sram_bytes": "pareto_sram",
    "dram_bytes": "pareto_dram",
}
_OBJECTIVE_COLOURS = {
    "cycles": BLUE,
    "seconds": BLUE,
    "energy_uj": ORANGE,
    "dram_bytes": VERMILLION,
}


def draw_sweep(summary: Summary) -> list[Plot]:
    """All plots; none if no machine is feasible."""
    heat = summary.heat_map
    if heat is None:
        return []
    return [
        *(pareto(summary, cost) for cost in COSTS),
        heat_plot(heat, summary),
        sensitivity_plot(summary),
    ]


def pareto(summary: Summary, cost: str) -> Plot:
    """Speed against a cost: every feasible machine, coloured by the field that matters most; their front."""
    machines, speed = summary.machines, summary.machines.speed
    field = summary.ranking[0]
    title = f"{TITLES[speed].capitalize()} against {TITLES[cost]}"
    fits, at = machines.feasible, summary.fronts[cost]
    x, y = machines.total[cost], machines.total[speed]
    level = levels(machines.fields[field])
    colours = ramp(len(level.labels))
    count = int(fits.sum())
    across = len(colours) if sum(map(len, level.labels)) + 4 * len(colours) < 46 else 4
    with styled():
        figure, axes = canvas(
            title,
            [
                f"{text.whole(count)} feasible machine{'s' * (count != 1)}; coloured by {field}.",
                "The line is the Pareto front: no machine is better in both.",
            ],
            3.3,
            left=0.8,
            right=0.25,
            bottom=0.6 + 0.19 * math.ceil(len(colours) / across),
            marks=machines.marks,
        )  # fmt: skip
        across_words = _scale(axes.xaxis, axes.set_xscale, axes.set_xlim, x[fits], SHOW[cost])
        up_words = _scale(axes.yaxis, axes.set_yscale, axes.set_ylim, y[fits], SHOW[speed])
        axes.grid(which="major")
        axes.tick_params(labelsize=8.5, labelcolor=MUTED)
        axes.set_xlabel(f"{TITLES[cost]}{_base(cost)}{across_words}", size=9)
        axes.set_ylabel(f"{TITLES[speed]} an image{up_words}", size=9)
        size = 26 if count < 100 else 14 if count < _MANY else 7
        axes.scatter(
            x[fits],
            y[fits],
            s=size,
            c=[colours[of] for of in level.of[fits]],
            alpha=0.85,
            linewidth=0,
            rasterized=count > _MANY,
        )
        axes.step(x[at], y[at], where="post", color=INK, linewidth=1.2, zorder=3)
        axes.scatter(
            x[at],
            y[at],
            s=size * 1.6,
            c=[colours[of] for of in level.of[at]],
            edgecolor=INK,
            linewidth=0.9,
            zorder=4,
        )
        handles = [
            Line2D([], [], marker="o", linestyle="", color=colour, label=label)
            for colour, label in zip(colours, level.labels, strict=True)
        ]
        bars.place_legend(axes, handles, across, below_ticks=True, below_label=True)
        return finish(figure, _FILES[cost], title)


def heat_plot(heat: HeatMap, summary: Summary) -> Plot:
    """The best speed for every pair of values of two fields."""
    title = f"Best {TITLES[heat.metric]} by {heat.x}" + (f" and {heat.y}" if heat.y else "")
    rows, columns = heat.best.shape
    longest = max(len(label) for label in (*heat.y_labels, "")) * 0.07 + 0.55 if heat.y else 0.3
    slanted = sum(len(label) + 2 for label in heat.x_labels) * 0.072 > WIDTH - longest
    with styled():
        figure, axes = canvas(
            title,
            [
                "The best feasible machine, whatever its other fields are;",
                "an empty cell has none.",
            ],
            max(0.5, 0.36 * rows),
            left=longest,
            right=0.25,
            bottom=0.55 + (0.5 if slanted else 0),
            marks=summary.machines.marks,
        )
        shades = _shades(heat.best)
        size = 7.5 if columns <= 9 else 6
        for y in range(rows):
            for x in range(columns):
                value = heat.best[y, x]
                if np.isnan(value):
                    continue
                axes.barh(y, 1, 1, left=x - 0.5, color=shades[y][x], edgecolor="none", linewidth=0)
                words, ink = SHOW[heat.metric](value), contrast(shades[y][x])
                axes.text(x, y, words, ha="center", va="center_baseline", size=size, color=ink)
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(-0.5, rows - 0.5)
        axes.set_xticks(range(columns), heat.x_labels, size=8.5)
        if slanted:
            for label in axes.get_xticklabels():
                label.set(rotation=30, ha="right")
        axes.set_yticks(range(rows), heat.y_labels, size=8.5)
        axes.set_xlabel(heat.x, size=9)
        if heat.y:
            axes.set_ylabel(heat.y, size=9)
        axes.tick_params(length=0, labelcolor=INK)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return finish(figure, "heatmap", title)


def sensitivity_plot(summary: Summary) -> Plot:
    """How much of the variance every field explains."""
    title = "Which parameter matters"
    with styled():
        figure, axes = bars.row_axes(
            title,
            [
                "Part of the variance of the logarithm, over the feasible machines,",
                "that the means by the field's values explain beyond chance.",
                *(
                    f"{text.short(a, 17)} and {text.short(b, 17)} are tied: each shows the share of both."
                    for a, b in summary.tied[:_MOST_TIES]
                ),
            ],
            summary.ranking,
            0.55,
            summary.machines.marks,
            bottom=0.6,
            rows_each=1.6,
        )
        height = 0.26
        for y, name in enumerate(summary.ranking):
            for number, metric in enumerate(summary.objectives):
                share, place = summary.sensitivity[name][metric], y + (number - 1) * height
                if share is None:
                    bars.note(axes, place, 0, "does not vary", MUTED, True)
                    continue
                axes.barh(place, share, height * 0.9, color=_OBJECTIVE_COLOURS[metric], linewidth=0)
                bars.note(axes, place, share, text.percent(share), INK, True)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))
        colours = {TITLES[metric]: _OBJECTIVE_COLOURS[metric] for metric in summary.objectives}
        bars.legend(axes, colours, 3, below_ticks=True)
        return finish(figure, "sensitivity", title)


def _base(metric: str) -> str:
    return "" if metric in AREA else " an image"


def _scale(axis, set_scale, set_limits, values: np.ndarray, show: Callable[[float], str]) -> str:
    """A logarithmic axis for values that differ much, with a few ticks in words; what its label must say."""
    low, high = float(values.min()), float(values.max())
    logarithmic = low > 0 and high / low > 3
    if logarithmic:
        set_scale("log")
        room = (high / low) ** 0.06
        limits = low / room, high * room
        axis.set_major_locator(FixedLocator(log_ticks(*limits)))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    else:
        room = max((high - low) * 0.06, (high + low) / 2 * _LEAST_RANGE - (high - low) / 2)
        limits = low - room, high + room
        axis.get_major_locator().set_params(nbins=5)
    set_limits(*limits)
    axis.set_major_formatter(FuncFormatter(lambda value, _: text.bare(show(value))))
    return ", logarithmic" if logarithmic else ""


def _shades(best: np.ndarray) -> Sequence[Sequence[str]]:
    """A colour a cell by the logarithm of its value, low to high."""
    logs = np.log(best)
    low, high = np.nanmin(logs), np.nanmax(logs)
    share = (logs - low) / (high - low) if high > low else np.zeros_like(logs)
    colours = ramp(101)
    return [[colours[round(100 * s)] if np.isfinite(s) else RULE for s in row] for row in share]
