"""From the dense baseline's cycles down to the work that its zeros leave, and up again by what is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

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
_MOST_PANELS = 30
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
    """A small waterfall for the network and for each layer, of many layers for those with the most cycles."""
    title = "From dense to skipping"
    total, layers = waterfall_rows(result)
    heaviest = sorted(layers, key=lambda row: -row["cycles"])[: _MOST_PANELS - 1]
    rows = [total, *(row for row in layers if row in heaviest)]
    left_out = len(layers) + 1 - len(rows)
    lines = -(-len(rows) // _PANELS)
    step = len(_COLOURS) + _GAP
    with styled():
        figure, axes = canvas(
            title,
            [
                "Cycles (core-cycles / cores), each panel on a scale of its own: the dense",
                "baseline, less its own stalls, less the zeros; then compute, the work that is",
                "left, and what is lost beside it by cause; in all, the skipping machine.",
                *([f"The {left_out} layers with the fewest cycles are left out."] if left_out else ()),
            ],
            _LINE * lines,
            left=0.15,
            right=0.15,
            bottom=0.72,
            marks=result.marks,
        )
        axes.set_xlim(-0.5, _PANELS * step - _GAP - 0.5)
        axes.set_ylim(lines, 0)
        axes.set_axis_off()
        limit = int(WIDTH / _PANELS / 0.08)
        for number, row in enumerate(rows):
            line, column = divmod(number, _PANELS)
            _panel(axes, row, column * step, line + 0.98, limit)
        bars.legend(axes, _COLOURS, 5)
        return finish(figure, "waterfall", title)


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
    words = (
        f"{text.count(row['dense_cycles'])} to {text.count(row['cycles'])}: "
        f"{text.factor(row['dense_cycles'] / row['cycles'])}"
    )
    for line, colour, up in ((text.label(row["layer"], limit), INK, 0.13), (words, MUTED, 0)):
        axes.text(left - 0.5, floor - _BARS - 0.06 - up, line, size=7.5, color=colour)


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
