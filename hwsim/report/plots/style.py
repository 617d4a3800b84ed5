"""The look that all plots share: palette, type, canvas, and how a figure becomes SVG and PNG.

Colours are those of Okabe and Ito (2008), which colour-blind people can tell apart. Text in SVG stays text.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, SKY, GREEN, ORANGE = "#0072b2", "#56b4e9", "#009e73", "#e69f00"
VERMILLION, PURPLE, YELLOW, GREY = "#d55e00", "#cc79a7", "#f0e442", "#9a9ea6"
INK, MUTED, RULE, PAPER = "#1b1b1f", "#5c6068", "#d9dce1", "#fefefe"  # a page puts its own in their place

SKIPPING, DENSE = BLUE, GREY
CAUSE_COLOURS = {
    "compute": BLUE,
    "taps": SKY,
    "decode": ORANGE,
    "dram": VERMILLION,
    "weights": PURPLE,
    "drain": GREEN,
    "pool": YELLOW,
    "imbalance": GREY,
}
COMPONENT_COLOURS = {
    "mac": BLUE,
    "accumulators": SKY,
    "weights": PURPLE,
    "decode": ORANGE,
    "encode": YELLOW,
    "map_buffer": GREEN,
    "dram": VERMILLION,
}
DRAM_COLOURS = {
    "weights": PURPLE,
    "scales": VERMILLION,
    "programs": GREY,
    "index": YELLOW,
    "maps_in": GREEN,
    "maps_out": SKY,
    "pooled": BLUE,
    "residuals": ORANGE,
}
# An order of levels, low to high: lightness rises, and both ends stand out on white and on black.
_RAMP = ("#4b62d6", "#9a4fd0", "#dc4f8d", "#ef7b4a", "#eeb121")

WIDTH = 5.4  # inches; shown 360 to 570 pixels wide, so that 10 point letters are 9 to 14 pixels high
PNG_DPI = 200
CHARACTER = 0.074  # inches, about the width of a character at 10 points
_SETTINGS: Any = {  # names of settings that matplotlib checks
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollar signs
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.color": RULE,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "hwsim",
}


@dataclass(frozen=True)
class Plot:
    """A finished plot.

    Attributes:
        name: of its files, without suffix.
        title: what it shows.
        svg: a whole SVG document; the same input gives the same text.
        png: the same as a picture.
    """

    name: str
    title: str
    svg: str
    png: bytes


@contextmanager
def styled() -> Iterator[None]:
    """Figures made within have the common look; no global state is left behind."""
    with warnings.catch_warnings(), matplotlib.rc_context(_SETTINGS):
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script that the font lacks
        yield


def canvas(
    title: str,
    subtitle: Sequence[str],
    height: float,
    left: float,
    right: float = 0.25,
    bottom: float = 0.5,
    marks: Sequence[str] = (),
) -> tuple[Figure, Axes]:
    """A figure with one pair of axes below a title; all lengths in inches.

    Args:
        title: one line.
        subtitle: lines that state base and units.
        height: of the axes.
        left, right, bottom: margins around them.
        marks: lines that stand wherever totals stand (hwsim.machine.marks).
    """
    lines = [*subtitle, *marks]
    top = 0.42 + 0.19 * len(lines) + 0.1
    total = top + height + bottom
    figure = Figure(figsize=(WIDTH, total), facecolor=PAPER)
    FigureCanvasAgg(figure)
    figure.text(0.12 / WIDTH, 1 - 0.12 / total, title, va="top", weight="bold", size=11.5)
    for number, line in enumerate(lines):
        figure.text(
            0.12 / WIDTH,
            1 - (0.38 + 0.19 * number) / total,
            line,
            va="top",
            size=9,
            color=MUTED if number < len(subtitle) else VERMILLION,
        )
    box = (left / WIDTH, bottom / total, (WIDTH - left - right) / WIDTH, height / total)
    axes = figure.add_axes(box)
    axes.set_facecolor("none")
    return figure, axes


def hint(artist: Artist, words: str) -> None:
    """Words that the SVG shows where the pointer rests on the artist."""
    artist.set_gid(f"hint: {words}")


def finish(figure: Figure, name: str, title: str) -> Plot:
    """Draw the figure."""
    svg, png = io.StringIO(), io.BytesIO()
    figure.savefig(svg, format="svg", dpi=PNG_DPI, metadata={"Date": None, "Creator": None, "Title": title})
    figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None, "Title": title})
    text = re.sub(r"[ \t]+\n", "\n", svg.getvalue())
    text = re.sub(r'<g id="hint: ([^"]*)">', r"<g><title>\1</title>", text)
    return Plot(name, title, text, png.getvalue())


def contrast(colour: str) -> str:
    """Black or white, whichever can be read on the colour."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else "#101010"


def ramp(count: int) -> list[str]:
    """Colours for ``count`` levels in their order."""
    return [_between(k * (len(_RAMP) - 1) / max(count - 1, 1)) for k in range(count)]


def _between(place: float) -> str:
    low = min(int(place), len(_RAMP) - 2)
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in _RAMP[low : low + 2]]
    mixed = [round(a + (b - a) * (place - low)) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def log_ticks(low: float, high: float) -> list[float]:
    """Some digits times powers of ten within the limits of an axis: fewer where it has more powers of ten."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    span = math.log10(high / low)
    digits = (1, 2, 3, 5, 7) if span < 1 else (1, 2, 5) if span < 2.2 else (1,)
    return [tick for d in decades for digit in digits if low <= (tick := digit * 10.0**d) <= high]
