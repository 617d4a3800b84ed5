"""From the dense baseline's cycles down to the work that its zeros leave, and up again by what is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hwsim.machine.result import Result
from hwsim.report import text
from hwsim.report.plots import bars
from hwsim.report.plots.style import (
    CAUSE_COLOURS,
    INK,
    MUTED,
    RULE,
    WIDTH,
    Plot,
    canvas,
    finish,
    hint,
    styled,
)
from hwsim.report.waterfall import GAINS, LOSSES, waterfall_rows

_PANELS = 3  # in a line
_MOST_PANELS = 12  # of layers
_NETWORK = 1.75  # inches of the network's own panel
_BETWEEN = 0.3  # inches from it to the others
_LINE = 1.12  # inches of a line of panels
_BARS = 0.64  # part of a line's height
_GAP = 1.5  # bars between panels
_COLOURS = {
    "dense": MUTED,
    "dense stalls": "#d8c69a",
    "zeros": RULE,
    **CAUSE_COLOURS,
    "skipping": INK,
}


def waterfall(result: Result) -> Plot:
    """The network once, large and with an axis; below, the layers that lose most of the machine's cycles."""
    title = "From dense to skipping"
    total, layers = waterfall_rows(result)
    worst = sorted(layers, key=lambda row: -_lost(row))[:_MOST_PANELS]
    lines = -(-len(worst) // _PANELS)
    small = _LINE * lines
    step = len(_COLOURS) + _GAP
    all_there = len(worst) == len(layers)
    which = "all layers" if all_there else f"of {len(layers)} layers the {len(worst)} that lose most"
    with styled():
        figure, axes = canvas(
            title,
            [
                "Cycles (core-cycles / cores) of an image: the dense baseline, less its own",
                "stalls, less the zeros; then compute, the work that is left, and what is lost",
                f"beside it by cause; in all, the machine. Below, {which},",
                "the one that loses most first, each on a scale of its own.",
            ],
            _NETWORK + _BETWEEN + small,
            left=0.15,
            right=0.15,
            bottom=0.72,
            marks=result.marks,
        )
        inches = figure.get_figheight()
        box = axes.get_position()
        axes.set_position((box.x0, box.y0, box.width, small / inches))
        left = 0.75 / WIDTH
        whole = figure.add_axes((left, box.y1 - _NETWORK / inches, box.x1 - left, _NETWORK / inches))
        _network(whole, total)
        axes.set_xlim(-0.5, _PANELS * step - _GAP - 0.5)
        axes.set_ylim(lines, 0)
        axes.set_axis_off()
        limit = int(WIDTH / _PANELS / 0.08)
        for number, row in enumerate(worst):
            line, column = divmod(number, _PANELS)
            _panel(axes, row, column * step, line + 0.98, limit)
        bars.legend(axes, _COLOURS, 5)
        return finish(figure, "waterfall", title)


def _lost(row: Mapping[str, Any]) -> float:
    """Cycles that the machine loses beside compute."""
    return sum(row[name] for name in LOSSES)


def _network(axes: Axes, row: Mapping[str, Any]) -> None:
    """All layers together, with an axis of cycles and the cycles of each bar above it."""
    spans = _spans(row)
    axes.set_facecolor("none")
    drawn = axes.bar(
        range(len(spans)),
        [top - bottom for bottom, top in spans],
        0.86,
        bottom=[bottom for bottom, _ in spans],
        color=list(_COLOURS.values()),
        linewidth=0,
    )
    for number, (bar, name, (bottom, top)) in enumerate(zip(drawn, _COLOURS, spans, strict=True)):
        hint(bar, f"{row['layer']}: {name}, {text.whole(top - bottom)} cycles")
        axes.annotate(
            text.count(top - bottom),
            (number, top),
            (0, 2),
            textcoords="offset points",
            ha="center",
            size=7,
            color=INK,
        )
    axes.set_ylim(0, max(top for _, top in spans) * 1.34)
    for line, colour, up in ((text.label(row["layer"]), INK, 0.97), (_gain(row), MUTED, 0.87)):
        axes.text(1, up, line, size=8.5, color=colour, ha="right", va="top", transform=axes.transAxes)
    axes.set_xticks([])
    axes.grid(axis="y")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text.count(value)))
    axes.tick_params(axis="y", labelsize=8.5, labelcolor=MUTED)


def _panel(axes: Axes, row: Mapping[str, Any], left: float, floor: float, limit: int) -> None:
    """One waterfall above the line ``floor``; the y axis points down."""
    spans = _spans(row)
    scale = _BARS / max(top for _, top in spans)
    drawn = axes.bar(
        [left + n for n in range(len(spans))],
        [(top - bottom) * scale for bottom, top in spans],
        0.86,
        bottom=[floor - top * scale for _, top in spans],
        color=list(_COLOURS.values()),
        linewidth=0,
    )
    for bar, name, (bottom, top) in zip(drawn, _COLOURS, spans, strict=True):
        hint(bar, f"{text.label(row['layer'])}: {name}, {text.whole(top - bottom)} cycles")
    axes.plot([left - 0.5, left + len(spans) - 0.5], [floor, floor], color=RULE, linewidth=0.6)
    for line, colour, up in ((text.short(row["layer"], limit), INK, 0.13), (_gain(row), MUTED, 0)):
        axes.text(left - 0.5, floor - _BARS - 0.06 - up, line, size=7.5, color=colour)


def _gain(row: Mapping[str, Any]) -> str:
    """``200 to 110: 1.82x``."""
    cycles, dense = row["cycles"], row["dense_cycles"]
    return f"{text.count(dense)} to {text.count(cycles)}: {text.factor(dense / cycles)}"


def _spans(row: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(bottom, top) of every bar, in the order of the colours."""
    level = row["dense_cycles"]
    spans = [(0.0, level)]
    for name in GAINS:
        spans.append((level - row[name], level))
        level -= row[name]
    spans.append((0.0, row["compute"]))
    for name in LOSSES:
        spans.append((level, level + row[name]))
        level += row[name]
    return [*spans, (0.0, row["cycles"])]
