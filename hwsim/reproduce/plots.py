"""Per-layer plots as in the paper's Figure 1: non-zero values and compression gain, first layer to last."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes

from hwsim.codec.labels import SEG
from hwsim.report import text
from hwsim.report.plots.style import (
    BLUE,
    GREEN,
    GREY,
    MUTED,
    ORANGE,
    PURPLE,
    VERMILLION,
    Plot,
    canvas,
    finish,
    styled,
)
from hwsim.reproduce.entry import Entry
from hwsim.reproduce.tables import own_width, ratio

COLOURS = (GREY, BLUE, GREEN, ORANGE, PURPLE, VERMILLION)  # baseline, then the others
PANEL, GAP, NAMES_BELOW = 1.5, 0.45, 0.95  # inches
MAX_NAME = 100  # letters of a file's name, which may have 255


def layer_plots(entries: Sequence[Entry]) -> list[Plot]:
    """A plot for each network and data set of which there is a trace, all variants in it."""
    pairs = dict.fromkeys((entry.network, entry.data) for entry in entries if entry.simulated)
    return [
        _plot([e for e in entries if (e.network, e.data) == pair and e.simulated], name)
        for pair, name in zip(pairs, file_names(pairs), strict=True)
    ]


def file_names(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A name without suffix for each network and data set, in letters that any file may have; all differ."""
    found: list[str] = []
    for pair in pairs:
        plain = "reproduce_" + re.sub("[^a-z0-9]+", "_", "_".join(pair).lower())[:MAX_NAME].strip("_")
        name, number = plain, 1
        while name in found:
            number += 1
            name = f"{plain}_{number}"
        found.append(name)
    return found


def _plot(entries: Sequence[Entry], name: str) -> Plot:
    first = entries[0]
    found = [entry.simulated for entry in entries if entry.simulated]
    names = [known.name for known in found[0].maps]
    bits = " or ".join(sorted({own_width(known)[0] for one in found for known in one.maps}, key=int))
    title = f"{text.label(first.network)}, {text.label(first.data)}"
    with styled():
        subtitle = [
            "Above: non-zero values of each map in %. Below: times smaller in SEG",
            f"than raw words, {bits}-bit. First map to last, the picture first.",
        ]
        figure, lower = canvas(title, subtitle, 2 * PANEL + GAP, 0.55, 0.2, NAMES_BELOW)
        left, bottom, width, height = lower.get_position().bounds
        part = height * PANEL / (2 * PANEL + GAP)
        lower.set_position((left, bottom, width, part))
        upper = figure.add_axes((left, bottom + height - part, width, part))
        for entry, simulated, colour in zip(entries, found, COLOURS, strict=False):
            maps = {known.name: known for known in simulated.maps}
            there = [maps[name] for name in names if name in maps]
            label = text.label(entry.variant)
            _line(
                upper, [100 * own_width(known)[1].nonzeros / known.values for known in there], colour, label
            )
            smaller = [ratio([own_width(known)[1]], SEG) or math.nan for known in there]
            _line(lower, smaller, colour, label)
        for axes in (upper, lower):
            axes.set_facecolor("none")
            axes.set_xlim(-0.5, len(names) - 0.5)
            axes.grid(axis="y")
            axes.tick_params(labelsize=8)
        upper.set_ylim(0, 102)
        upper.set_xticks(range(len(names)), [""] * len(names))
        lower.set_ylim(bottom=0)
        lower.axhline(1, color=MUTED, linewidth=0.8)
        size = 7 if len(names) <= 32 else 5
        lower.set_xticks(range(len(names)), [text.label(n, 16) for n in names], rotation=90, size=size)
        upper.legend(loc="upper right", fontsize=8, frameon=False, ncols=len(entries))
        return finish(figure, name, title)


def _line(axes: Axes, values: Sequence[float], colour: str, label: str) -> None:
    axes.plot(range(len(values)), values, color=colour, label=label, marker="o", markersize=3, linewidth=1.4)
