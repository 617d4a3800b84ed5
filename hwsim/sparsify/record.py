"""What a run writes down: ``run.json``, and every picture's answer and loss."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from hwsim.errors import HwsimError
from hwsim.files import plain_file
from hwsim.sparsify.cost import densities
from hwsim.sparsify.curve import Curve
from hwsim.sparsify.datasets import DataSet
from hwsim.sparsify.folder import FORMAT, VERSION
from hwsim.sparsify.maps import Map
from hwsim.sparsify.networks import preprocessing_of
from hwsim.sparsify.search import Trial, against
from hwsim.sparsify.settings import Settings
from hwsim.sparsify.statistics import Paired
from hwsim.sparsify.training import Score

AIM = {"mac_ratio": 1.6, "element_density": 0.32}
"""Georgiadis (CVPR 2019) has networks 1.6 times faster, and 16-bit maps 6 times smaller than 32-bit floats.
For these the element density has to be about 0.32: a non-zero value takes 16.5 to 18 bits, a zero one."""


def described(
    settings: Settings, data: DataSet, module: nn.Module, maps: Sequence[Map], weights: Path | None
) -> dict[str, Any]:
    """The head of ``run.json``, before anything is trained."""
    parts = {name: len(getattr(data, name)) for name in ("train", "validation", "test")}
    cut = {"split_seed": data.seed, "validation_share": data.share, "sha256": data.digest()}
    given = sha256(plain_file(weights).read_bytes()).hexdigest() if weights else None
    return {
        "format": FORMAT,
        "version": VERSION,
        "finished": False,
        "network": settings.network,
        "width": settings.width,
        "classes": data.classes,
        "picture": list(data.train.images.shape[1:]),
        "preprocessing": preprocessing_of(module).to_dict(),
        "data": {"name": data.name, **cut, **parts},
        "settings": asdict(settings) | {"alphas": list(settings.alphas), "weights_sha256": given},
        "aim": AIM,
        "machine": f"{os.cpu_count()} CPU cores, 1 used",
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("hwsim", "numpy", "torch")},
        "maps": [asdict(one) for one in maps],
        "variants": {},
        "trials": [],
        "curve": None,
        "judged": {},
        "history": {},
    }


def counted(score: Score) -> dict[str, Any]:
    """Right answers and loss of a network on a part."""
    return {"images": score.images, "correct": score.correct, "accuracy": score.accuracy, "loss": score.loss}


def judged(found: Paired, delta: float) -> dict[str, Any]:
    """All that a comparison says, by the names of :class:`Paired`."""
    return {
        **asdict(found),
        "difference": found.difference,
        "discordant": found.discordant,
        "bound": found.bound,
        "interval": list(found.interval),
        "p_value": found.p_value,
        "delta": delta,
        "keeps_answers": found.keeps_answers(delta),
        "keeps_loss": found.keeps_loss,
        "no_loss": found.no_loss(delta),
    }


def trial_facts(trial: Trial, control: Score, maps: Sequence[Map], delta: float) -> dict[str, Any]:
    """One trial: what was trained, and what thresholds make of it."""
    facts: dict[str, Any] = {"alpha": trial.alpha, "weights": trial.weights}
    for name, stage in (("trained", trial.trained), ("thresholded", trial.thresholded)):
        if stage is not None:
            facts[name] = {
                "stage": stage.name,
                **counted(stage.score),
                **densities(stage.score.density, maps),
                "against_control": judged(against(stage.score, control), delta),
            }
    return facts


def curve_facts(curve: Curve | None, chosen: float | None, alpha: float) -> dict[str, Any]:
    """The fitted curve, and the alpha that was read off it."""
    facts: dict[str, Any] = {"saved": chosen, "alpha": alpha}
    if curve is not None:
        facts |= {
            "points": [[point.saved, point.alpha] for point in curve.points],
            "answers_lost": list(curve.answers),
            "loss_gained": list(curve.loss),
        }
    return facts


def slack_of(history: Sequence[Mapping[str, float]], train: int, validation: Score) -> dict[str, Any]:
    """Whether a baseline has capacity to spare: it is better on its training pictures than on others.

    The training pictures are moved and mirrored, and met before the network was done, so this says too
    little rather than too much. Two standard errors of the two shares count as clear.
    """
    training = history[-1]["accuracy"]
    spread = training * (1 - training) / train
    spread += validation.accuracy * (1 - validation.accuracy) / validation.images
    error = float(np.sqrt(spread))
    clear = training - validation.accuracy > 2 * error
    return {"training": training, "validation": validation.accuracy, "error": error, "clear": clear}


def write_pictures(file: Path, scores: Mapping[str, Mapping[str, Score]]) -> None:
    """Every picture's answer and loss: ``PART/VARIANT/right`` (bool) and ``.../loss`` (float32, nats).

    Args:
        file: the ``.npz`` to write, in one step.
        scores: by part of the data, then by variant.

    Raises:
        HwsimError: it cannot be written.
    """
    arrays: dict[str, Any] = {}
    for part, variants in scores.items():
        for variant, score in variants.items():
            arrays[f"{part}/{variant}/right"] = score.right
            arrays[f"{part}/{variant}/loss"] = score.losses
    unfinished = file.with_name(f"{file.name}.partial")
    try:
        with unfinished.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
        os.replace(unfinished, file)
    except OSError as error:
        raise HwsimError(f"{file} cannot be written ({error}): make room, or choose another --out") from error
