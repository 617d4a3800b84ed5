"""Density, speedup and stalls, layer by layer."""

from __future__ import annotations

import math

from hwsim.machine.result import Result
from hwsim.machine.runs import CAUSES
from hwsim.report import text
from hwsim.report.plots import bars
from hwsim.report.plots.style import (
    CAUSE_COLOURS,
    INK,
    MUTED,
    RULE,
    SKIPPING,
    Plot,
    finish,
    styled,
)

_FARTHEST_TICK = 2.2  # times the largest speedup; one beyond is written, not drawn: bars keep their room


def density(result: Result) -> Plot:
    """Part of every input map that is not zero."""
    rows = [result.overall(), *result.per_layer()]
    title = "Density of the input maps"
    with styled():
        figure, axes = bars.row_axes(
            title,
            ["Part of the values that are not zero; the pale rest of a bar is skipped."],
            [row["layer"] for row in rows],
            0.6,
            result.marks,
        )
        crowded = len(rows) > 40
        for y, row in enumerate(rows):
            axes.barh(y, 1, 0.68, color=RULE, alpha=0.45, linewidth=0)
            axes.barh(y, row["density"], 0.68, color=SKIPPING, alpha=1 if y else 0.65, linewidth=0)
            bars.note(axes, y, 1, f"{row['density']:.2f}", INK, crowded)
        axes.set_xlim(0, 1)
        axes.grid(False)
        return finish(figure, "density", title)


def speedup(result: Result) -> Plot:
    """Speedup over the dense baseline beside the MACs that are saved."""
    rows = [result.overall(), *result.per_layer()]
    title = "Speedup over the dense baseline"
    ratios = [row["mac_ratio"] for row in rows]
    fastest = max(row["speedup"] for row in rows)
    reach = min(_FARTHEST_TICK * fastest, max((ratio for ratio in ratios if ratio is not None), default=1))
    limit = max(reach, fastest, 1) * 1.04
    beyond = [y for y, ratio in enumerate(ratios) if ratio is not None and ratio > limit]
    with styled():
        figure, axes = bars.row_axes(
            title,
            [
                "Dense cycles / cycles, same machine. The tick is the MAC ratio:",
                "valid MACs / MACs with a non-zero activation. It is no bound: where the",
                "baseline loses more cycles a MAC than the machine, the bar goes beyond.",
                *(["An arrow at the edge: the tick lies beyond it."] if beyond else []),
            ],
            [row["layer"] for row in rows],
            1.25,
            result.marks,
        )
        crowded = len(rows) > 40
        for y, (row, ratio) in enumerate(zip(rows, ratios, strict=True)):
            axes.barh(y, row["speedup"], 0.62, color=SKIPPING, alpha=1 if y else 0.65, linewidth=0)
            if ratio is not None and ratio <= limit:
                axes.vlines(ratio, y - 0.42, y + 0.42, color=INK, linewidth=1.6)
            words = f"{text.factor(row['speedup'])} of {text.factor(ratio)}"
            bars.note(axes, y, limit, words, INK, crowded)
        axes.plot([limit * 0.985] * len(beyond), beyond, ">", color=INK, markersize=4)
        axes.axvline(1, color=MUTED, linewidth=0.8)
        axes.set_xlim(0, limit)
        return finish(figure, "speedup", title)


def breakdown(result: Result) -> Plot:
    """Where the core-cycles of every layer go."""
    rows = [result.overall(), *result.per_layer()]
    whole = rows[0]["cycles"]
    title = "Where the cycles go"
    with styled():
        figure, axes = bars.row_axes(
            title,
            [
                f"Core-cycles by cause, in % of the layer's cycles {text.TIMES} {result.arch.cores} cores.",
                "On the right: cycles of an image, and their part of all.",
            ],
            [row["layer"] for row in rows],
            1.35,
            result.marks,
            bottom=0.62,
        )
        crowded = len(rows) > 40
        for y, row in enumerate(rows):
            shares = {cause: row[f"cause_{cause}"] for cause in CAUSES}
            enough = math.inf if crowded else 0.07
            bars.stack(axes, y, shares, CAUSE_COLOURS, 0.74, enough, row["layer"])
            part = row["cycles"] / whole * 100
            words = f"{text.count(row['cycles'])}, {part:.{0 if part > 9.95 else 1}f} %"
            bars.note(axes, y, 1, words, INK, crowded)
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        bars.legend(axes, CAUSE_COLOURS, 4)
        return finish(figure, "breakdown", title)
