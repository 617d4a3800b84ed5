"""Two results beside each other, layer by layer."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.patches import Patch

from hwsim.report import text
from hwsim.report.comparison import Comparison
from hwsim.report.plots import bars
from hwsim.report.plots.style import BLUE, INK, ORANGE, Plot, finish, styled


def cycles(comparison: Comparison) -> Plot:
    """Cycles of an image, as a part of A's."""
    return _relative(comparison, "cycles", "cycles", "Cycles", "speedup_b_over_a")


def dram(comparison: Comparison) -> Plot:
    """DRAM bytes of an image, as a part of A's."""
    return _relative(comparison, "dram", "dram_bytes", "DRAM bytes", "dram_a_over_b")


def energy(comparison: Comparison) -> Plot:
    """Energy of an image, as a part of A's."""
    return _relative(comparison, "energy", "energy_uj", "Energy", "energy_a_over_b")


def densities(comparison: Comparison) -> Plot:
    """Density of the input maps."""
    return _paired(
        comparison,
        "density",
        "Density of the input maps",
        ["Part of the values that are not zero."],
        [(row["density_a"], row["density_b"]) for row in _rows(comparison)],
        lambda row: f"{row['density_a']:.2f} / {row['density_b']:.2f}",
        _rows(comparison),
    )


def speedups(comparison: Comparison) -> Plot:
    """Speedup of each over its own dense baseline."""
    return _paired(
        comparison,
        "speedup",
        "Speedup over the dense baseline",
        ["Dense cycles / cycles, each on its own machine with its own trace."],
        [(row["speedup_a"], row["speedup_b"]) for row in _rows(comparison)],
        lambda row: f"{text.factor(row['speedup_a'])} / {text.factor(row['speedup_b'])}",
        _rows(comparison),
    )


def _rows(comparison: Comparison) -> list[dict]:
    return [comparison.total(), *comparison.rows()]


def _relative(comparison: Comparison, name: str, key: str, title: str, ratio: str) -> Plot:
    a, b = comparison.names
    total, *layers = _rows(comparison)
    differing = [row for row in layers if text.factor(row[ratio]) != text.factor(1)]
    same = len(layers) - len(differing)
    rows = [total, *differing]
    return _paired(
        comparison,
        name,
        title,
        [
            f"Of an image, each layer in parts of {a}'s; on the right {a} / {b}.",
            *(
                [f"Left out: {same} of {len(layers)} layers, in which both are the same ({text.factor(1)})."]
                * (same > 0)
            ),
        ],
        [(1.0, row[f"{key}_b"] / row[f"{key}_a"]) if row[f"{key}_a"] else (0, 0) for row in rows],
        lambda row: text.factor(row[ratio]),
        rows,
    )


def _paired(
    comparison: Comparison,
    name: str,
    title: str,
    subtitle: list[str],
    values: list[tuple[float, float]],
    words: Callable[[dict], str],
    rows: list[dict],
) -> Plot:
    colours = dict(zip(comparison.names, (ORANGE, BLUE), strict=True))
    with styled():
        figure, axes = bars.row_axes(
            title,
            subtitle,
            [row["layer"] for row in rows],
            1.15,
            comparison.marks,
            bottom=0.6,
            rows_each=1.35,
        )
        limit = max(max(pair) for pair in values) or 1
        for y, (row, pair) in enumerate(zip(rows, values, strict=True)):
            for value, colour, place in zip(pair, colours.values(), (-0.19, 0.19), strict=True):
                axes.barh(y + place, value, 0.36, color=colour, alpha=1 if y else 0.7, linewidth=0)
            bars.note(axes, y, limit, words(row), INK, len(rows) > 40)
        axes.set_xlim(0, limit)
        names = [Patch(color=colour, label=name) for name, colour in colours.items()]
        bars.place_legend(axes, names, 2, below_ticks=True)
        return finish(figure, name, title)
