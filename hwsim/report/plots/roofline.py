"""Valid MACs per cycle against valid MACs per DRAM byte, and the roof of the machine.

The roofline is Williams et al.'s (CACM 2009). Its work is what the layer asks for, zeros included, so that
dense and skipping are the same work: skipping moves a layer up, fewer bytes move it right, and above the flat
roof lies what no dense machine of these multipliers can reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from hwsim.arch import Arch
from hwsim.machine.result import Result
from hwsim.machine.runs import Mode
from hwsim.report import text
from hwsim.report.plots.style import (
    DENSE,
    INK,
    MUTED,
    PAPER,
    SKIPPING,
    Plot,
    canvas,
    finish,
    log_ticks,
    styled,
)

Points = dict[str, tuple[float, float]]
_MOST_NAMES = 10
_SLOPE_BOXES = 40  # along the slope of the roof, which no name may cross
_PLACES = ((6, -9, "left"), (6, 4, "left"), (-6, -9, "right"), (-6, 4, "right"))  # of a label, in points


def roofline(result: Result) -> Plot:
    """Every layer as two points, dense and skipping, joined by a line.

    A layer without a valid MAC or a byte has no place on logarithmic axes and is left out.
    """
    title = "Roofline"
    dense, skipping = layer_points(result, "dense"), layer_points(result, "skipping")
    with styled():
        figure, axes = canvas(
            title,
            [
                "Valid MACs, zeros included; a line leads from dense (grey) to skipping (blue).",
                "Above the flat roof: MACs that were skipped. Above the slope: data came while",
                "the layer before was at work. Left of the knee DRAM is the limit.",
            ],
            3.4,
            left=0.75,
            right=0.3,
            bottom=0.6,
            marks=result.marks,
        )
        _roof(axes, result, [*dense.values(), *skipping.values()])
        for name in skipping:
            axes.plot(*zip(dense[name], skipping[name], strict=True), color=MUTED, linewidth=0.6)
        size = 16 if len(dense) > 12 else 30
        for points, colour in ((dense, DENSE), (skipping, SKIPPING)):
            if points:
                x, y = zip(*points.values(), strict=True)
                axes.scatter(x, y, s=size, color=colour, linewidth=0, zorder=3)
        above = {name: x * bytes_a_cycle(result.arch) < y for name, (x, y) in skipping.items()}
        heaviest = sorted(
            (row for row in result.per_layer() if row["layer"] in skipping),
            key=lambda row: (not above[row["layer"]], -row["cycles"]),
        )
        names = [row["layer"] for row in heaviest]
        _name_points(axes, skipping, dense, names, result.arch)
        return finish(figure, "roofline", title)


def layer_points(result: Result, mode: Mode) -> Points:
    """Of every layer that has valid MACs and moves a byte: (valid MACs / DRAM byte, valid MACs / cycle)."""
    sums = {name: account.totals(mode) for name, account in result.accounts.items()}
    return {
        name: (of.macs / of.dram_bytes, of.macs / of.cycles)
        for name, of in sums.items()
        if of.macs and of.dram_bytes
    }


def bytes_a_cycle(arch: Arch) -> float:
    """What the channel moves in a cycle."""
    moved, cycles = arch.dram_rate
    return moved / cycles


def _roof(axes: Axes, result: Result, points: Sequence[tuple[float, float]]) -> None:
    peak, slope = result.arch.peak_macs, bytes_a_cycle(result.arch)
    knee = peak / slope
    left = min([x for x, _ in points] + [knee]) / 2
    right = max([x for x, _ in points] + [knee]) * 3
    floor = min([y for _, y in points] + [peak / 8]) / 2
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left, right)
    ceiling = max([y for _, y in points] + [peak]) * 2
    axes.set_ylim(floor, ceiling)
    for axis, limits in ((axes.xaxis, (left, right)), (axes.yaxis, (floor, ceiling))):
        axis.set_major_locator(FixedLocator(log_ticks(*limits)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    axes.tick_params(which="major", labelsize=8.5, labelcolor=MUTED)
    axes.grid(which="major")
    axes.set_xlabel("valid MACs per DRAM byte", size=9)
    axes.set_ylabel("valid MACs per cycle", size=9)
    axes.plot([left, knee, right], [left * slope, peak, peak], color=INK, linewidth=1.4)
    ground = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
    style: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "size": 8.5, "bbox": ground}
    axes.annotate(f"peak: {peak} MACs/cycle", (right, peak), xytext=(-2, 4), zorder=4, **style)
    axes.annotate(f"DRAM: {slope:g} B/cycle", (knee, peak), xytext=(-6, 4), zorder=4, **style)


def _name_points(axes: Axes, named: Points, others: Points, names: Sequence[str], arch: Arch) -> None:
    """Write names beside their points where they hide neither a point nor a name; the first ones first."""
    to_points = 72 / axes.figure.dpi
    taken = [
        (x - 4, y - 4, x + 4, y + 4)
        for points in (named, others)
        for x, y in (axes.transData.transform(list(points.values())) * to_points if points else ())
    ]
    edge, roof = axes.transData.transform((axes.get_xlim()[1], arch.peak_macs)) * to_points
    left_edge, bottom = axes.transData.transform((axes.get_xlim()[0], axes.get_ylim()[0])) * to_points
    taken.append((0, roof - 1, edge, roof + 14))  # the roof and what is written on it
    rate = bytes_a_cycle(arch)
    knee, floor = arch.peak_macs / rate, axes.get_ylim()[0] / rate
    slope = np.geomspace(floor, knee, _SLOPE_BOXES)
    taken += [
        (x - 2, y - 4, x + 2, y + 4)
        for x, y in axes.transData.transform(np.column_stack([slope, slope * rate])) * to_points
    ]
    left = len(taken) + _MOST_NAMES
    for name in names:
        if len(taken) == left:
            break
        words = text.short(name, 18)
        x, y = axes.transData.transform(named[name]) * to_points
        width = 5.6 * len(words)
        for right, up, side in _PLACES:
            start = x + right - (width if side == "right" else 0)
            box = (start, y + up, start + width, y + up + 9)
            inside = left_edge < box[0] and box[2] < edge and bottom < box[1]
            if inside and not any(_overlap(box, other) for other in taken):
                axes.annotate(words, named[name], (right, up), textcoords="offset points", ha=side, size=8.5)
                taken.append(box)
                break


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
