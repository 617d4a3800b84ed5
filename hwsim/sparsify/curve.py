"""Trials as points of one curve: what a sparser network loses over what it saves, and what alpha that allows.

The best of several trials is partly luck. So no trial is picked: a curve is fitted to all of them, and the
alpha of the final run is read off it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.optimize import nnls

from hwsim.sparsify.statistics import ONE_SIDED, Paired

STEPS = 1000  # of the search along the curve


@dataclass(frozen=True)
class TrialPoint:
    """One trial beside the control.

    Attributes:
        alpha: weight of the L1 term.
        saved: cost of the control minus the trial's, above 0.
        paired: the trial against the control, on the validation part.
    """

    alpha: float
    saved: float
    paired: Paired


@dataclass(frozen=True)
class Curve:
    """What is lost at x, the cost saved: a x + b x^2 with a, b >= 0, for answers and for cross-entropy.

    It starts at the control, loses more and more, and is known up to the sparsest trial.

    Attributes:
        points: the trials, the least saving first.
        answers: (a, b) of right answers lost.
        loss: (a, b) of cross-entropy gained, in nats.
    """

    points: tuple[TrialPoint, ...]
    answers: tuple[float, float]
    loss: tuple[float, float]

    def answers_lost(self, saved: float) -> float:
        """Right answers fewer than the control's."""
        return self.answers[0] * saved + self.answers[1] * saved**2

    def loss_gained(self, saved: float) -> float:
        """Mean cross-entropy above the control's."""
        return self.loss[0] * saved + self.loss[1] * saved**2

    def holds(self, saved: float, delta: float) -> bool:
        """Whether a network on the curve may be expected to pass both tests of :class:`Paired`."""
        savings = [point.saved for point in self.points]
        discordant = np.interp(saved, savings, [point.paired.discordant for point in self.points])
        error = np.interp(saved, savings, [point.paired.loss_error for point in self.points])
        most = delta * self.points[0].paired.pictures - ONE_SIDED * sqrt(discordant)
        return bool(self.answers_lost(saved) <= most and self.loss_gained(saved) <= ONE_SIDED * error)

    def alpha_at(self, saved: float) -> float:
        """Alpha between those of the trials, by linear interpolation; alpha is 0 at the control."""
        savings = [0.0, *(point.saved for point in self.points)]
        return float(np.interp(saved, savings, [0.0, *(point.alpha for point in self.points)]))

    def choose(self, delta: float) -> float | None:
        """The most that can be saved while the curve holds; None if that is nothing."""
        for saved in np.linspace(self.points[-1].saved, 0, STEPS, endpoint=False):
            if self.holds(float(saved), delta):
                return float(saved)
        return None


def fit(points: Sequence[TrialPoint]) -> Curve | None:
    """The curve nearest to the points, each weighed by the inverse of its standard error.

    Returns:
        The curve; None if no trial is sparser than the control.
    """
    known = tuple(sorted((one for one in points if one.saved > 0), key=lambda one: one.saved))
    if not known:
        return None
    fewer = [(-one.paired.difference, sqrt(max(one.paired.discordant, 1))) for one in known]
    more = [(one.paired.loss_difference, max(one.paired.loss_error, 1e-9)) for one in known]
    return Curve(known, _parabola(known, fewer), _parabola(known, more))


def _parabola(points: Sequence[TrialPoint], measured: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(a, b), not negative, of the parabola through the origin nearest to (value, standard error)."""
    saved = np.array([one.saved for one in points])
    values, errors = np.array(measured).T
    (first, second), _ = nnls(np.stack([saved, saved**2], 1) / errors[:, None], values / errors)
    return float(first), float(second)
