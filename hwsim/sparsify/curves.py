"""Training curves as a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hwsim.report.plots.style import BLUE, GREY, ORANGE, VERMILLION

Epoch = Mapping[str, float]


def draw_curves(about: Mapping[str, Any], file: Path) -> None:
    """Loss, validation accuracy and cost over the epochs of a run, stage after stage, as a PNG.

    Stages whose result was not kept are drawn faint; each one starts from the last that was kept.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    dropped = {trial["stage"] for trial in about["trials"] if not trial["kept"]}
    start = 0
    for stage, epochs in about["history"].items():
        places = range(start + 1, start + 1 + len(epochs))
        faint = 0.35 if stage in dropped else 1.0
        _line(top, places, epochs, "loss", BLUE, faint)
        _line(top, places, epochs, "penalty", ORANGE, faint)
        _line(bottom, places, epochs, "accuracy", GREY, faint)
        _line(bottom, places, epochs, "validation", VERMILLION, faint)
        for axes in (top, bottom):
            axes.axvline(start + 0.5, color=GREY, linewidth=0.5)
        bottom.annotate(
            stage, (start + 0.6, 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=7
        )
        start += len(epochs)
    floor = about["variants"]["baseline"]["validation"]["accuracy"]
    bottom.axhline(floor, color=VERMILLION, linewidth=0.8, linestyle="--")
    top.set(ylabel="mean over the training pictures", title=f"{about['network']}, {about['data']['name']}")
    bottom.set(xlabel="epoch", ylabel="accuracy")
    handles, labels = (first + second for first, second in zip(_once(top), _once(bottom), strict=True))
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)  # clear of stage names
    unfinished = file.with_name(f"{file.name}.partial")
    figure.savefig(unfinished, format="png", dpi=100, pil_kwargs={"optimize": True})
    os.replace(unfinished, file)


LABELS = {
    "loss": "cross-entropy",
    "penalty": "L1 term",
    "accuracy": "training, pictures moved and mirrored",
    "validation": "validation (dashed: the baseline's)",
}


def _line(
    axes: Any, places: Sequence[int], epochs: Sequence[Epoch], key: str, colour: str, alpha: float
) -> None:
    values = [epoch[key] for epoch in epochs]
    axes.plot(places, values, color=colour, alpha=alpha, marker=".", linewidth=1, label=LABELS[key])


def _once(axes: Any) -> tuple[list[Any], list[str]]:
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    return list(handles.values()), list(handles)
