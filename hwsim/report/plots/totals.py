"""Compression by coder, DRAM bytes by kind and energy by component, all layers together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes

from hwsim.codec import labels
from hwsim.machine.result import Result
from hwsim.machine.runs import Mode
from hwsim.report import codecs, text
from hwsim.report.plots import bars
from hwsim.report.plots.style import (
    COMPONENT_COLOURS,
    DRAM_COLOURS,
    GREY,
    INK,
    SKIPPING,
    SKY,
    Plot,
    finish,
    styled,
)
from hwsim.report.traffic import less

MODE_NAMES: dict[str, Mode] = {"dense": "dense", "skipping": "skipping"}


def compression(maps: Sequence[codecs.CodedMap], result: Result) -> Plot:
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
                f"Ratios are against {codecs.base(maps)}. Dashed: bounds codes of single",
                "values; a code that adapts to its neighbours can be below.",
            ],
            [labels.label(coder) for coder in totals],
            1.35,
            result.marks,
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


def dram(result: Result) -> Plot:
    """DRAM bytes of the dense baseline and of the machine: weights, maps in, maps out."""
    title = "DRAM bytes by what they are"
    bytes_of = {name: result.account.totals(mode).dram for name, mode in MODE_NAMES.items()}
    total = result.overall()
    with styled():
        figure, axes = bars.row_axes(
            title,
            [
                "Over the channel, of an image; numbers in % of the bar.",
                f"Maps in and out: {less(total['maps_saved'])}; all: {less(total['dram_saved'])}.",
            ],
            list(bytes_of),
            1.0,
            result.marks,
            bottom=0.62,
            rows_each=1.6,
        )
        _stacks(axes, bytes_of, DRAM_COLOURS, lambda size: text.size(result.account.mean(size)))
        return finish(figure, "dram", title)


def energy(result: Result) -> Plot:
    """Energy of the dense baseline, of the machine, and of the estimate beside them, by component."""
    title = "Energy by component"
    parts = {name: result.account.totals(mode).energy_pj for name, mode in MODE_NAMES.items()}
    parts["dense, in registers"] = result.account.register_energy_by_part_pj
    with styled():
        figure, axes = bars.row_axes(
            title,
            [
                "Of an image, from the table of energies per event; numbers in % of the bar.",
                "In registers: an estimate of a dense machine that keeps its sums there.",
            ],
            list(parts),
            1.0,
            result.marks,
            bottom=0.62,
            rows_each=1.6,
        )
        _stacks(axes, parts, COMPONENT_COLOURS, lambda pj: text.energy(result.account.mean(pj) / 1e6))
        return finish(figure, "energy", title)


def _stacks(
    axes: Axes,
    rows: Mapping[str, Mapping[str, float]],
    colours: Mapping[str, str],
    show: Callable[[float], str],
) -> None:
    """A bar a row, its parts side by side, its sum behind it; a legend below."""
    sums = {name: sum(parts.values()) for name, parts in rows.items()}
    longest = max(sums.values()) or 1
    for y, (name, parts) in enumerate(rows.items()):
        bars.stack(axes, y, parts, colours, 0.7, 0.06 * longest, name)
        bars.note(axes, y, sums[name], show(sums[name]), INK)
    axes.set_xlim(0, longest)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    bars.legend(axes, colours, 4)
