"""A whole run: baseline, control, trials, the final network, and what was measured of each, in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwsim.errors import HwsimError
from hwsim.sparsify.cost import densities
from hwsim.sparsify.curves import draw_curves
from hwsim.sparsify.datasets import DataSet
from hwsim.sparsify.folder import PICTURES_FILE, claim, write_about
from hwsim.sparsify.maps import PICTURE, Map, find_maps
from hwsim.sparsify.networks import make_network
from hwsim.sparsify.record import (
    counted,
    curve_facts,
    described,
    judged,
    slack_of,
    trial_facts,
    write_pictures,
)
from hwsim.sparsify.search import Trial, Tuning, against, curve_of, first_alphas
from hwsim.sparsify.settings import Settings
from hwsim.sparsify.stages import Stage, Stages, initial, write_tensors
from hwsim.sparsify.thresholds import highest, most, sense, thresholds_of, with_thresholds
from hwsim.sparsify.training import Tensors, TrainingSchedule, evaluate, prepared, rounded, step_seconds

CHECKED = 32  # training pictures that are shown to a network before all else
DENSE = 0.99  # a map that is denser has no ReLU before it


def sparsify(
    settings: Settings,
    data: DataSet,
    folder: Path,
    *,
    weights: Path | None = None,
    resume: bool = False,
    device: str = "cpu",
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train, make sparse, measure; the folder holds it all.

    Args:
        settings: what to do.
        data: the data set.
        folder: for ``run.json``, checkpoints and curves; made if missing.
        weights: a checkpoint to take for the baseline, instead of training one.
        resume: go on with a run that was interrupted. The networks are those of an uninterrupted run.
        device: where to train, in PyTorch's words.
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
    about = described(settings, data, module, maps, weights)
    claim(folder, about, resume)
    given = rounded(module.state_dict()) if weights else None
    if settings.bfloat16:
        tell(_precision(module, data, settings, device))
    stages = Stages(folder / "stages", module, data, maps, tell, device)
    return _Running(settings, stages, folder, about).finish(given)


def train_alone(
    settings: Settings,
    data: DataSet,
    folder: Path,
    stage: str | float,
    *,
    device: str = "cpu",
    tell: Callable[[str], None] = print,
) -> None:
    """One training of a run: ``baseline``, ``control``, or the trial of an alpha.

    Control and trials depend on the baseline alone, so that processes can make them side by side, each its
    own, in the folder of one run; :func:`sparsify` then finds them done.

    Raises:
        HwsimError: the baseline is not done and something else is asked for, or a file is damaged.
    """
    module = make_network(settings.network, data.classes, settings.width)
    maps = find_maps(module, data.train.images.shape[1:])
    (folder / "stages").mkdir(parents=True, exist_ok=True)
    stages = Stages(folder / "stages", module, data, maps, tell, device)
    if stage == "baseline":
        stages.run("baseline", initial(module, settings.seed), settings.training())
        return
    tuning = Tuning(stages, stages.done("baseline"), settings.tuning(), settings.method == "both")
    if isinstance(stage, float):
        tuning.trial(stage)
    else:
        tuning.control()


class _Running:
    def __init__(self, settings: Settings, stages: Stages, folder: Path, about: dict[str, Any]) -> None:
        self.settings, self.stages, self.folder, self.about = settings, stages, folder, about
        self.maps, self.tell = stages.maps, stages.tell
        self.variants: dict[str, Stage] = {}

    def finish(self, given: Tensors | None) -> dict[str, Any]:
        """Every stage; then all variants are measured on the test part, which is looked at once."""
        baseline = self._baseline(given)
        if self.settings.method != "fatrelu":
            self._tuned(baseline)
        if self.settings.method != "l1":
            self._thresholds_alone(baseline)
        self._measure()
        self.about["finished"] = True
        self._write()
        draw_curves(self.about, self.folder / "curves.png")
        return self.about

    def _baseline(self, given: Tensors | None) -> Stage:
        """The network that all else starts from, and learns from."""
        settings, stages = self.settings, self.stages
        if given is None:
            found = stages.run("baseline", initial(stages.module, settings.seed), settings.training())
            slack = slack_of(found.history, len(stages.data.train), found.score)
            self.about["slack"] = slack
            if not slack["clear"]:
                self.tell(
                    f"no slack: training pictures {slack['training']:.2%} right, validation "
                    f"{slack['validation']:.2%}; what maps lose will be missed. A larger --width has more"
                )
        else:
            found = Stage("baseline", given, stages.score(given), [])
        self._note(found)
        self._add("baseline", found, len(found.history))
        return found

    def _tuned(self, baseline: Stage) -> None:
        """The control, the trials, and the final run."""
        settings = self.settings
        tuning = Tuning(self.stages, baseline, settings.tuning(), thresholds=settings.method == "both")
        control = tuning.control()
        self._note(control)
        epochs = len(baseline.history) + settings.tune_epochs
        self._add("control", control, epochs)
        alphas, trials = list(settings.alphas) or first_alphas(baseline.score), list[Trial]()
        for alpha in alphas:
            trials.append(tuning.trial(alpha))
            self._note(trials[-1].trained)
            facts = trial_facts(trials[-1], control.score, self.maps, settings.delta)
            self.about["trials"].append(facts)
            self._write()
        final = trials[0] if len(trials) == 1 else tuning.trial(self._chosen(trials, control, tuning))
        self._note(final.trained)
        weights = {"alpha": final.alpha, "weights": final.weights}
        self._add("l1", final.trained, epochs, **weights)
        if final.thresholded is not None and thresholds_of(final.thresholded.network):
            self._add("l1_fatrelu", final.thresholded, epochs, **weights)

    def _chosen(self, trials: list[Trial], control: Stage, tuning: Tuning) -> float:
        """The alpha that the curve through the trials allows; the least of theirs if it allows none."""
        curve = curve_of(trials, control, tuning)
        saved = curve.choose(self.settings.delta) if curve else None
        if curve is None or saved is None:
            alpha = min(trial.alpha for trial in trials)
            self.tell(f"no alpha is expected to keep what the control has: the least, {alpha:.4g}, is taken")
        else:
            alpha = float(f"{curve.alpha_at(saved):.4g}")
            if saved == curve.points[-1].saved:
                self.tell("the sparsest trial is expected to hold: a heavier --alpha may save more")
        self.about["curve"] = curve_facts(curve, saved, alpha)
        self._write()
        return alpha

    def _thresholds_alone(self, baseline: Stage) -> None:
        """As many thresholds on the baseline as leave it non-inferior to itself without them."""
        stages, start = self.stages, baseline.network

        def raised() -> Tensors:
            def holds(raises: Any) -> bool:
                score = stages.score(with_thresholds(start, highest(raises)))
                return against(score, baseline.score).no_loss(self.settings.delta)

            raises = sense(stages.module, start, stages.data.train, self.maps, stages.device)
            return with_thresholds(start, highest(most(raises, holds)))

        found = stages.once("fatrelu", raised)
        if thresholds_of(found.network):
            self._add("fatrelu", found, len(baseline.history))

    def _add(self, name: str, stage: Stage, epochs: int, **facts: Any) -> None:
        """A variant: its checkpoint, and what validation says of it."""
        file = f"{name}.safetensors"
        halves = {key: t.half() if t.ndim > 1 else t for key, t in stage.network.items()}
        write_tensors(self.folder / file, halves)
        if thresholds := thresholds_of(stage.network):
            facts["thresholds"] = thresholds
        known = {"checkpoint": file, "epochs": epochs, **facts, "validation": counted(stage.score)}
        self.variants[name] = stage
        self.about["variants"][name] = known
        self._write()

    def _measure(self) -> None:
        """The test part, the densities, the comparisons, and every picture's answer."""
        stages, delta = self.stages, self.settings.delta
        test = {
            name: evaluate(stages.module, stage.network, stages.data.test, self.maps, stages.device)
            for name, stage in self.variants.items()
        }
        validation = {name: stage.score for name, stage in self.variants.items()}
        first = densities(test["baseline"].density, self.maps)["mac_density"]
        for name, score in test.items():
            known = densities(score.density, self.maps)
            known["mac_ratio"] = first / known["mac_density"]
            self.about["variants"][name] |= {"test": counted(score), "density": score.density, **known}
            self.tell(f"{name}: test {score.accuracy:.2%}, MAC density {known['mac_density']:.3f}")
        references = [name for name in ("control", "baseline") if name in self.variants]
        for part, scores in (("validation", validation), ("test", test)):
            self.about["judged"][part] = {
                name: {
                    reference: judged(against(score, scores[reference]), delta)
                    for reference in references
                    if reference != name and name != "baseline"
                }
                for name, score in scores.items()
            }
        write_pictures(self.folder / PICTURES_FILE, {"validation": validation, "test": test})

    def _note(self, stage: Stage) -> None:
        if stage.history:
            self.about["history"][stage.name] = stage.history

    def _write(self) -> None:
        epochs = [epoch for stage in self.about["history"].values() for epoch in stage]
        self.about["training_seconds"] = round(sum(epoch["seconds"] for epoch in epochs), 1)
        write_about(self.folder, self.about)


def _precision(module: nn.Module, data: DataSet, settings: Settings, device: str) -> str:
    """A step in each precision, timed: bfloat16 is slower on a processor without its instructions."""
    start = initial(module, settings.seed)
    seconds = {
        half: step_seconds(module, start, data.train, TrainingSchedule(1, bfloat16=half), device)
        for half in (False, True)
    }
    advice = "" if seconds[True] < seconds[False] else ": leave --bfloat16 out here"
    return f"a step takes {seconds[True]:.3f} s in bfloat16, {seconds[False]:.3f} s in float32{advice}"


def _check(name: str, module: nn.Module, data: DataSet, maps: tuple[Map, ...]) -> None:
    """See that a network can tell the classes apart, and that its maps can have zeros."""
    some = data.train[:CHECKED]
    module.eval()
    with torch.no_grad():
        outputs = module(prepared(module, torch.from_numpy(some.images))).shape[-1]
    if outputs < data.classes:
        raise HwsimError(
            f"{name} has {outputs} outputs, the data set {data.classes} classes: give a network with as many"
        )
    density = evaluate(module, module.state_dict(), some, maps).density
    if all(density[one.name] > DENSE for one in maps if one.name != PICTURE):
        raise HwsimError(
            f"no map of {name} has zeros, which L1 and thresholds make more of: put a ReLU behind its layers"
        )
