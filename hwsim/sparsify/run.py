"""A whole run: baseline, fine-tuning, thresholds, and what was measured of each, in a folder."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwsim.errors import HwsimError
from hwsim.sparsify.curves import draw_curves
from hwsim.sparsify.datasets import DataSet
from hwsim.sparsify.folder import FORMAT, VERSION, open_run, write_about
from hwsim.sparsify.maps import PICTURE, Map, find_maps
from hwsim.sparsify.networks import make_network, preprocessing_of
from hwsim.sparsify.search import fixed_alpha, plain_training, search_alpha
from hwsim.sparsify.stages import Stage, Stages, initial, write_tensors
from hwsim.sparsify.thresholds import raise_thresholds, thresholds_of
from hwsim.sparsify.training import Schedule, Score, Tensors, evaluate, prepared, rounded

METHODS = ("l1", "fatrelu", "both")
CHECKED = 32  # training pictures that are shown to a network before all else
DENSE = 0.99  # a map that is denser has no ReLU before it


@dataclass(frozen=True)
class Settings:
    """What a run does; two runs of the same settings on the same data give the same networks.

    Attributes:
        network: as :func:`hwsim.sparsify.networks.make_network` takes it.
        width: factor on the filters.
        method: ``l1``, ``fatrelu``, or ``both``: each alone, and thresholds behind L1.
        alpha: weight of the L1 term, or None to search it.
        epochs: of the baseline's training.
        trial_epochs: of every fine-tuning.
        trials: of the search, at most.
        rate: highest learning rate of the baseline's training.
        trial_rate: of every fine-tuning.
        seed: of everything that is random.
        bfloat16: train in bfloat16 (automatic mixed precision).
    """

    network: str
    width: float = 1.0
    method: str = "l1"
    alpha: float | None = None
    epochs: int = 15
    trial_epochs: int = 2
    trials: int = 8
    rate: float = 0.1
    trial_rate: float = 0.03
    seed: int = 0
    bfloat16: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise HwsimError(f"method {self.method!r}: give {', '.join(METHODS)}")
        if min(self.epochs, self.trial_epochs, self.trials) < 1:
            raise HwsimError("epochs and trials are 1 or more")
        if min(self.rate, self.trial_rate, self.width) <= 0 or (self.alpha or 0) < 0:
            raise HwsimError("learning rates, alpha and width are above 0")


def sparsify(
    settings: Settings,
    data: DataSet,
    folder: Path,
    *,
    weights: Path | None = None,
    resume: bool = False,
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train, make sparse, measure; the folder holds it all.

    Args:
        settings: what to do.
        data: the data set.
        folder: for ``run.json``, checkpoints and curves; made if missing.
        weights: a checkpoint to take for the baseline, instead of training one.
        resume: go on with a run that was interrupted. The networks are those of an uninterrupted run.
        tell: called with a line now and then.

    Returns:
        The contents of ``run.json``.

    Raises:
        HwsimError: the folder is of another run, or has one and ``resume`` is not given; a file is damaged;
            the network has too few outputs, or no zeros in its maps.
    """
    module = make_network(settings.network, data.classes, settings.width, weights)
    maps = find_maps(module, data.train.images.shape[1:])
    _check(settings.network, module, data, maps)
    about = _about(settings, data, module, maps, weights)
    _claim(folder, about, resume)
    run = _Running(settings, data, folder, module, maps, about, tell)
    return run.finish(run.baseline(trained=weights is not None))


class _Running:
    def __init__(
        self,
        settings: Settings,
        data: DataSet,
        folder: Path,
        module: nn.Module,
        maps: tuple[Map, ...],
        about: dict[str, Any],
        tell: Callable[[str], None],
    ) -> None:
        self.settings, self.data, self.folder, self.module = settings, data, folder, module
        self.maps, self.about, self.tell = maps, about, tell
        (folder / "stages").mkdir(exist_ok=True)
        self.stages = Stages(folder / "stages", module, data, maps, tell)
        self.long = Schedule(
            settings.epochs, settings.rate, seed=1000 * settings.seed, bfloat16=settings.bfloat16
        )
        self.short = replace(self.long, epochs=settings.trial_epochs, rate=settings.trial_rate)
        self.found: dict[str, tuple[Tensors, dict[str, Any]]] = {}
        self.epochs_of: dict[str, int] = {}  # of training in all, by the name of the stage

    def baseline(self, trained: bool) -> Stage:
        """The network that all else is compared with; ``trained`` if the module holds it already."""
        if not trained:
            start = initial(self.module, self.settings.seed)
            first = self.stages.run("baseline", start, self.long)
        else:
            network = rounded(self.module.state_dict())
            score = evaluate(self.module, network, self.data.validation, self.maps)
            first = Stage("baseline", network, score, [])
        stages = [first]
        if self.settings.method != "fatrelu":
            stages = plain_training(self.stages, first, self.short)
        best = max(stages, key=lambda stage: stage.score.correct)
        kept = stages[: stages.index(best) + 1]
        self._note(stages)
        self._add("baseline", best, {"epochs": sum(len(stage.history) for stage in kept)})
        return best

    def finish(self, baseline: Stage) -> dict[str, Any]:
        """All variants but the baseline; then everything is measured on the test part."""
        best = baseline if self.settings.method == "fatrelu" else self._l1(baseline)
        if self.settings.method != "l1":
            self._fatrelu("fatrelu", baseline, baseline)
            if best is not baseline:
                self._fatrelu("l1_fatrelu", best, baseline)
        for name, (network, facts) in self.found.items():
            score = evaluate(self.module, network, self.data.test, self.maps)
            facts |= {"test": _right(score), "density": score.density, **densities(score, self.maps)}
            self.tell(f"{name}: test {score.accuracy:.2%}, MAC density {facts['mac_density']:.3f}")
        self.about["finished"] = True
        self._write()
        draw_curves(self.about, self.folder / "curves.png")
        return self.about

    def _l1(self, baseline: Stage) -> Stage:
        """Trials; the last that was kept is a variant. Returns it, or the baseline if there is none."""
        settings = self.settings
        if settings.alpha is None:
            trials = search_alpha(self.stages, baseline, self.short, settings.trials)
        else:
            trials = [fixed_alpha(self.stages, baseline, self.short, settings.alpha)]
        self._note([trial.stage for trial in trials])
        self.about["trials"] = [
            {"stage": trial.stage.name, "alpha": trial.alpha, "weights": trial.weights, "kept": trial.kept}
            | _right(trial.stage.score)
            | densities(trial.stage.score, self.maps)
            for trial in trials
        ]
        kept = [trial for trial in trials if trial.kept]
        if not kept:
            self.tell("no trial kept validation accuracy: try more --trial-epochs, or more --epochs")
            return baseline
        epochs = sum(len(trial.stage.history) for trial in kept)
        last = kept[-1]
        facts = {"epochs": self.epochs_of[baseline.name] + epochs, "alpha": last.weights}
        self._add("l1", last.stage, facts)
        return last.stage

    def _fatrelu(self, name: str, start: Stage, baseline: Stage) -> None:
        """A variant with thresholds, that is no worse than the baseline, or none."""
        found = raise_thresholds(self.module, start.network, baseline.score, self.data, self.maps, self.tell)
        keys = ("raised", "cost", "correct", "kept")
        self.about["thresholds"][name] = [dict(zip(keys, tried, strict=True)) for tried in found.tried]
        if thresholds_of(found.network):
            self._add(
                name, Stage(name, found.network, found.score, []), {"epochs": self.epochs_of[start.name]}
            )

    def _add(self, name: str, stage: Stage, facts: dict[str, Any]) -> None:
        """A variant: its checkpoint, and what validation says of it."""
        file, network = f"{name}.safetensors", stage.network
        write_tensors(self.folder / file, {key: t.half() if t.ndim > 1 else t for key, t in network.items()})
        if thresholds := thresholds_of(network):
            facts["thresholds"] = thresholds
        facts = {"checkpoint": file, **facts, "validation": _right(stage.score)}
        self.epochs_of[stage.name] = facts["epochs"]
        self.found[name] = network, facts
        self.about["variants"][name] = facts
        self._write()

    def _note(self, stages: list[Stage]) -> None:
        self.about["history"] |= {stage.name: stage.history for stage in stages if stage.history}

    def _write(self) -> None:
        epochs = [epoch for stage in self.about["history"].values() for epoch in stage]
        self.about["training_seconds"] = round(sum(epoch["seconds"] for epoch in epochs), 1)
        write_about(self.folder, self.about)


def _check(name: str, module: nn.Module, data: DataSet, maps: tuple[Map, ...]) -> None:
    """See that a network can tell the classes apart, and that its maps can have zeros."""
    some = data.train[:CHECKED]
    module.eval()
    with torch.no_grad():
        outputs = module(prepared(module, some.images)).shape[-1]
    if outputs < data.classes:
        raise HwsimError(
            f"{name} has {outputs} outputs, the data set {data.classes} classes: give a network with as many"
        )
    density = evaluate(module, module.state_dict(), some, maps).density
    if all(density[one.name] > DENSE for one in maps if one.name != PICTURE):
        raise HwsimError(
            f"no map of {name} has zeros, which L1 and thresholds make more of: put a ReLU behind its layers"
        )


def densities(score: Score, maps: tuple[Map, ...]) -> dict[str, float]:
    """Mean density by elements and by MACs, of all maps, the picture among them.

    ``mac_density`` takes all elements of a map to have as many MACs: borders are not told apart.
    """
    elements = sum(one.elements * score.density[one.name] for one in maps)
    macs = sum(one.macs * score.density[one.name] for one in maps)
    return {
        "element_density": elements / sum(one.elements for one in maps),
        "mac_density": macs / sum(one.macs for one in maps),
    }


def _right(score: Score) -> dict[str, Any]:
    return {"images": score.images, "correct": score.correct, "accuracy": score.accuracy, "loss": score.loss}


def _about(
    settings: Settings, data: DataSet, module: nn.Module, maps: tuple[Map, ...], weights: Path | None
) -> dict[str, Any]:
    parts = {name: len(getattr(data, name)) for name in ("train", "validation", "test")}
    given = sha256(weights.read_bytes()).hexdigest() if weights else None
    return {
        "format": FORMAT,
        "version": VERSION,
        "finished": False,
        "network": settings.network,
        "width": settings.width,
        "classes": data.classes,
        "picture": list(data.train.images.shape[1:]),
        "preprocessing": preprocessing_of(module).to_dict(),
        "data": {"name": data.name, "split_seed": data.seed, "sha256": data.digest(), **parts},
        "settings": asdict(settings) | {"weights_sha256": given},
        "machine": f"{os.cpu_count()} CPU cores, 1 used",
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("hwsim", "numpy", "torch")},
        "maps": [asdict(one) for one in maps],
        "variants": {},
        "trials": [],
        "thresholds": {},
        "history": {},
    }


def _claim(folder: Path, about: dict[str, Any], resume: bool) -> None:
    """Make the folder, or see that what is in it is of the same run."""
    file = folder / "run.json"
    if file.exists():
        if not resume:
            raise HwsimError(f"{folder} has a run already: give --resume to go on with it, or another --out")
        known = open_run(folder).about
        for what in ("settings", "data"):
            for name, value in about[what].items():
                if (before := known[what].get(name)) != value:
                    raise HwsimError(
                        f"{folder} is of a run with another {name} ({before}, now {value}): "
                        "give the same options, or another --out"
                    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HwsimError(f"{folder} cannot be made ({error.strerror}): choose another --out") from error
    write_about(folder, about)
