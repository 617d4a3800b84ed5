"""Fine-tuning for sparse maps: trials of several alphas beside a control, and the alpha that they allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.sparsify.cost import cost, weights_of
from hwsim.sparsify.curve import Curve, TrialPoint, fit
from hwsim.sparsify.stages import Stage, Stages
from hwsim.sparsify.statistics import Paired, paired
from hwsim.sparsify.thresholds import highest, sense, with_thresholds, worth
from hwsim.sparsify.training import Score, TrainingSchedule

FIRST_ALPHAS = (0.5, 1.0, 2.0)  # of the baseline's cross-entropy


@dataclass(frozen=True)
class Trial:
    """One fine-tuning with an L1 term.

    Attributes:
        alpha: weight of the whole term.
        weights: alpha_l of every map.
        trained: what came out.
        thresholded: the same with thresholds that cost less than the term paid; None if none were asked for.
    """

    alpha: float
    weights: dict[str, float]
    trained: Stage
    thresholded: Stage | None

    @property
    def best(self) -> Stage:
        """The sparsest network of the trial."""
        return self.thresholded or self.trained


@dataclass(frozen=True)
class Tuning:
    """How every run behind the baseline is made: one schedule, one seed, one teacher.

    Attributes:
        stages: where they run.
        baseline: where each starts, and their teacher.
        schedule: of each.
        thresholds: whether thresholds follow.
    """

    stages: Stages
    baseline: Stage
    schedule: TrainingSchedule
    thresholds: bool

    def control(self) -> Stage:
        """The same training without an L1 term: what all others are judged by."""
        start = self.baseline.network
        return self.stages.run("control", start, self.schedule, teacher=start)

    def trial(self, alpha: float) -> Trial:
        """The training with an L1 term. It is the same whenever it is asked for again."""
        stages, start = self.stages, self.baseline.network
        weights = weights_of(alpha, self.baseline.score, stages.maps)
        name = f"alpha-{alpha:.4g}"
        trained = stages.run(name, start, self.schedule, weights, teacher=start)
        thresholded = None
        if self.thresholds:
            thresholded = stages.once(f"{name}-thresholds", lambda: self._raised(trained, alpha))
        return Trial(alpha, weights, trained, thresholded)

    def _raised(self, trained: Stage, alpha: float) -> dict:
        stages = self.stages
        raises = sense(stages.module, trained.network, stages.data.train, stages.maps, stages.device)
        return with_thresholds(trained.network, highest(worth(raises, alpha)))


def first_alphas(baseline: Score) -> list[float]:
    """The alphas to try if none are given: the L1 term starts near the cost's part of the cross-entropy."""
    return [share * baseline.loss for share in FIRST_ALPHAS]


def against(found: Score, reference: Score) -> Paired:
    """A network beside another on the same part of the data."""
    return paired(found.right, found.losses, reference.right, reference.losses)


def curve_of(trials: Sequence[Trial], control: Stage, tuning: Tuning) -> Curve | None:
    """The curve through the trials; None if none is sparser than the control."""
    maps = tuning.stages.maps
    whole = cost(control.score.density, maps)
    return fit(
        [
            TrialPoint(
                trial.alpha,
                whole - cost(trial.best.score.density, maps),
                against(trial.best.score, control.score),
            )
            for trial in trials
        ]
    )
