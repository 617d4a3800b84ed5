"""A run as a picture: its training, and the curve through its trials."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hwsim.report.plots.style import BLUE, GREY, ORANGE, VERMILLION

Epoch = Mapping[str, float]
BASELINE, CONTROL = "baseline", "control"


def draw_curves(about: Mapping[str, Any], file: Path) -> None:
    """Losses and accuracy over the epochs, and what the trials lose over what they save, as a PNG.

    The control and the trials all start where the baseline ends.
    """
    figure = Figure(figsize=(8, 9 if about["trials"] else 6), layout="constrained")
    top, bottom, *third = figure.subplots(3 if about["trials"] else 2, 1)
    start = len(about["history"].get(BASELINE, ()))
    for stage, epochs in about["history"].items():
        first = 1 if stage == BASELINE else start + 1
        places = range(first, first + len(epochs))
        colour = {BASELINE: GREY, CONTROL: BLUE}.get(stage, ORANGE)
        _line(top, places, epochs, "loss", colour, "-")
        _line(bottom, places, epochs, "accuracy", colour, ":")
        _line(bottom, places, epochs, "validation", colour, "-")
    top.set(ylabel="cross-entropy, training", title=f"{about['network']}, {about['data']['name']}")
    bottom.set(xlabel="epoch", ylabel="accuracy (dotted: training)")
    for colour, name in ((GREY, "baseline"), (BLUE, "control"), (ORANGE, "with L1")):
        top.plot([], [], color=colour, label=name)
    top.legend(frameon=False, ncols=3)
    if third:
        _trials(third[0], about)
    unfinished = file.with_name(f"{file.name}.partial")
    figure.savefig(unfinished, format="png", dpi=100, pil_kwargs={"optimize": True})
    os.replace(unfinished, file)


def _line(
    axes: Any, places: Sequence[int], epochs: Sequence[Epoch], key: str, colour: str, style: str
) -> None:
    values = [epoch[key] for epoch in epochs]
    axes.plot(places, values, style, color=colour, marker=".", markersize=3, linewidth=1)


def _trials(axes: Any, about: Mapping[str, Any]) -> None:
    """Answers lost against the control, with the one-sided bound, over the density by MACs."""
    for name, mark in (("trained", "o"), ("thresholded", "s")):
        found = [trial[name] for trial in about["trials"] if name in trial]
        if not found:
            continue
        pictures = found[0]["images"]
        lost = np.array([-one["against_control"]["difference"] for one in found]) / pictures * 100
        most = np.array([-one["against_control"]["bound"] for one in found]) / pictures * 100
        axes.errorbar(
            [one["mac_density"] for one in found],
            lost,
            yerr=[np.zeros(len(found)), most - lost],
            fmt=mark,
            color=ORANGE if name == "trained" else VERMILLION,
            label=f"{name}; the bar ends at the 95 % bound",
        )
    axes.axhline(100 * about["settings"]["delta"], color=GREY, linestyle="--", linewidth=0.8)
    axes.set(xlabel="density by MACs, validation", ylabel="points lost to the control (dashed: most)")
    axes.legend(frameon=False)
