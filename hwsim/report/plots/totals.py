"""Compression by coder and energy by component, all layers together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hwsim.codec import labels
from hwsim.machine.result import Result
from hwsim.machine.runs import Mode
from hwsim.report import codecs, text
from hwsim.report.plots import bars
from hwsim.report.plots.style import COMPONENT_COLOURS, GREY, INK, SKIPPING, SKY, Plot, finish, styled


def compression(maps: Sequence[codecs.MapSizes], result: Result) -> Plot:
    """Bytes of all maps under every coder."""
    totals = codecs.total_bits(maps)
    images = len(result.images)
    title = "DRAM bytes of the maps by codec"
    colours = {"raw": GREY, "seg": SKIPPING, labels.STORED: SKIPPING}
    with styled():
        figure, axes = bars.row_axes(
            title,
            [
                "Bytes of an image if every map crosses the channel once.",
                f"Ratios are against {codecs.base(maps)}.",
            ],
            [labels.label(coder) for coder in totals],
            1.35,
            result.synthetic,
        )
        for y, (coder, bits) in enumerate(totals.items()):
            bound = coder == labels.BOUND
            axes.barh(
                y,
                bits,
                0.66,
                color="none" if bound else colours.get(coder, SKY),
                edgecolor=INK if bound else "none",
                linewidth=1 if bound else 0,
                linestyle=(0, (3, 2)) if bound else "-",
            )
            ratio = text.factor(codecs.ratio(totals, coder))
            words = text.size(bits / 8 / images) + ("" if coder == "raw" else f", {ratio}")
            bars.note(axes, y, bits, words, INK)
        axes.set_xlim(0, max(totals.values()) * 1.0)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        return finish(figure, "compression", title)


def energy(result: Result) -> Plot:
    """Energy of the dense baseline and of skipping, by component."""
    title = "Energy by component"
    modes: dict[str, Mode] = {"dense": "dense", "skipping": "skipping"}
    with styled():
        figure, axes = bars.row_axes(
            title,
            ["Of an image, from the table of energies per event; numbers in % of the bar."],
            list(modes),
            1.0,
            result.synthetic,
            bottom=0.62,
            rows_each=1.6,
        )
        images = len(result.images)
        for y, mode in enumerate(modes.values()):
            totals = result.account.totals(mode)
            whole = totals.total_energy_pj
            enough = 0.06 * result.energy_pj("dense")
            bars.stack(axes, y, totals.energy_pj, COMPONENT_COLOURS, 0.7, enough, mode)
            bars.note(axes, y, whole, text.energy(whole / images / 1e6), INK)
        axes.set_xlim(0, max(result.energy_pj("dense"), result.energy_pj("skipping")) or math.nan)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        bars.legend(axes, COMPONENT_COLOURS, 4)
        return finish(figure, "energy", title)
