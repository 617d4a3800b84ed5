"""A layer in time: tracks of a few cores and of the DRAM channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hwsim.report import text
from hwsim.report.plots import bars
from hwsim.report.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    RULE,
    SKY,
    VERMILLION,
    YELLOW,
    Plot,
    canvas,
    finish,
    styled,
)

if TYPE_CHECKING:
    from hwsim.report.timeline import Busy, Timeline

_COLOURS = {
    "decode": ORANGE,
    "tap": BLUE,
    "no tap": SKY,
    "wait for weights": PURPLE,
    "drain": GREEN,
    "beside passes": YELLOW,
    "this layer": VERMILLION,
    "other layers": GREY,
}
_LEFT = 1.25  # inches
_BINS = 800  # across; a longer layer shows shares of several cycles
_TRACK = 0.19  # inches
_TICKS = 4  # of nine digits and more, with room between
_GROUP_GAP = 0.55  # tracks
_BEFORE = 0.4  # of the layer's length: how far back its transfers are shown


def timeline_plot(shown: Timeline) -> Plot:
    """What decoders, scatter units, drains and DRAM do, from the model's events."""
    title = f"Timeline of {text.label(shown.layer, 40)}"
    groups: list[tuple[str, list[tuple[str, list[tuple[str, Busy]]]]]] = [
        (
            f"core {tracks.core}",
            [
                ("decode", [("decode", tracks.decode)]),
                (
                    "scatter",
                    [
                        ("tap", tracks.compute),
                        ("no tap", tracks.idle_taps),
                        ("wait for weights", tracks.waits),
                    ],
                ),
                ("drain", [("drain", tracks.drain)]),
            ],
        )
        for tracks in shown.cores
    ]
    if shown.steps:
        beside = [(name, [("beside passes", busy)]) for name, busy in shown.steps.items()]
        groups.append(("layer", beside))
    kinds = {kind.replace("_", " "): busy for kind, busy in shown.dram.items()}
    own = [(kind, [("this layer", busy)]) for kind, busy in kinds.items()]
    groups.append(("DRAM", [*own, ("others", [("other layers", shown.others)])]))
    count = sum(len(group) for _, group in groups) + _GROUP_GAP * (len(groups) - 1)
    edges = _edges(shown)
    a_bin = edges[1] - edges[0]
    with styled():
        figure, axes = canvas(
            title,
            [
                f"Cycles since image {shown.image} began; {len(shown.cores)} of {shown.working} cores, "
                "first and last done among them.",
                "A track is full where something happens in every cycle"
                + (f"; bins of {a_bin:.0f}." if a_bin > 1 else "."),
            ],
            _TRACK * count,
            left=_LEFT,
            right=0.4,  # half of a number at the last tick
            bottom=0.97,
            marks=shown.marks,
        )
        y, ticks = 0.0, []
        for name, group in groups:
            axes.annotate(
                name,
                (0, y - 0.5 + len(group) / 2),
                xycoords=("axes fraction", "data"),
                xytext=(-82, 0),
                textcoords="offset points",
                va="center_baseline",
                weight="bold",
                size=8.5,
            )
            for label, layers in group:
                _track(axes, y, edges, layers)
                if label in kinds and not kinds[label].share(edges).any():
                    _remark(axes, y, _earlier(kinds[label]))
                ticks.append((y, label))
                y += 1
            y += _GROUP_GAP
        for at in (shown.start, shown.end):
            axes.axvline(at, color=INK, linewidth=0.8)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(count - 0.4, -0.6)
        axes.set_yticks([at for at, _ in ticks], [label for _, label in ticks], size=8)
        axes.tick_params(axis="x", labelsize=8.5, labelcolor=MUTED)
        axes.xaxis.set_major_locator(MaxNLocator(_TICKS, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.spines["left"].set_visible(False)
        used = {name for _, group in groups for _, layers in group for name, _ in layers}
        colours = {name: colour for name, colour in _COLOURS.items() if name in used}
        bars.legend(axes, colours, 3, below_ticks=True)
        return finish(figure, "timeline", title)


def _edges(shown: Timeline) -> np.ndarray:
    """Bins of whole cycles, from the layer's transfers not long before it to its end."""
    length = shown.end - shown.start
    earliest = shown.start - round(_BEFORE * length)
    begins = [int(b) for busy in shown.dram.values() for b in busy.begin if b >= earliest]
    first = min([shown.start - max(1, length // 50), *begins])
    last = shown.end + max(1, length // 50)
    each = -(-(last - first) // _BINS)
    return np.arange(first, last + each, each)


def _earlier(busy: Busy) -> str:
    return f"through by cycle {busy.end[-1]:,}" if busy.cycles else "none"


def _remark(axes: Axes, y: float, words: str) -> None:
    axes.annotate(
        words,
        (0, y),
        xycoords=("axes fraction", "data"),
        xytext=(12, 0),
        textcoords="offset points",
        va="center_baseline",
        size=7.5,
        color=MUTED,
    )


def _track(axes: Axes, y: float, edges: np.ndarray, layers: Sequence[tuple[str, Busy]]) -> None:
    """Shares of every bin, one upon the other, on a pale ground."""
    height = 0.8
    axes.barh(y, edges[-1] - edges[0], height, left=edges[0], color=RULE, alpha=0.35, linewidth=0)
    low = np.zeros(len(edges) - 1)
    for name, busy in layers:
        high = low + busy.share(edges)
        changes = np.flatnonzero(np.diff(low, prepend=np.nan) + 1j * np.diff(high, prepend=np.nan))
        at = np.append(changes, len(low) - 1)
        floor = y + height / 2
        axes.fill_between(
            np.append(edges[changes], edges[-1]),
            floor - height * low[at],
            floor - height * high[at],
            step="post",
            color=_COLOURS[name],
            linewidth=0,
        )
        low = high
