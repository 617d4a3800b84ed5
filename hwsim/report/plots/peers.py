"""Where the slots of multipliers go, on the machine and on published ones."""

from __future__ import annotations

from hwsim.report import text
from hwsim.report.peers import USES, Beside
from hwsim.report.plots import bars
from hwsim.report.plots.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Plot,
    finish,
    styled,
)

_COLOURS = dict(zip(USES, (BLUE, GREY, SKY, ORANGE, VERMILLION, PURPLE), strict=True))


def slots(beside: Beside) -> list[Plot]:
    """Shares of the slots of every machine, with its cycles: one plot a kind of layer."""
    return [_slots(beside, layers) for layers in dict.fromkeys(part.layer for part in beside.sums)]


def _slots(beside: Beside, layers: str) -> Plot:
    title = f"Where the slots of the multipliers go: {layers}"
    images = len(beside.result.images)
    parts = [part for part in beside.sums if part.layer == layers]
    with styled():
        figure, axes = bars.row_axes(
            title,
            [
                "Shares of cycles x multipliers, numbers in %; cycles of an image behind.",
                "Models from papers, compute only; hwsim with DRAM and loads of weights.",
                "Equal multipliers, not equal storage or area; "
                + ("zero weights are zeros." if beside.real_weights else "weights dense."),
            ],
            [part.machine for part in parts],
            0.8,
            beside.result.marks,
            bottom=0.62,
            rows_each=1.4,
            wrapped=20,
        )
        for y, part in enumerate(parts):
            whole = sum(part.uses.values())
            shares = {use: size / whole if whole else 0.0 for use, size in part.uses.items()}
            bars.stack(axes, y, shares, _COLOURS, 0.7, 0.05, part.machine)
            bars.note(axes, y, 1.0, text.count(part.cycles / images), INK)
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        bars.legend(axes, _COLOURS, 3)
        return finish(figure, f"slots_{layers.replace(' ', '_')}", title)
