from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from hwsim.sparsify.curve import Curve, TrialPoint, fit
from hwsim.sparsify.statistics import Paired

PICTURES = 10_000


def point(alpha, saved, lost, entropy=0.0, discordant=400, error=0.002):
    """A trial that loses answers and gains cross-entropy."""
    return TrialPoint(
        alpha, saved, Paired(PICTURES, (discordant - lost) // 2, (discordant + lost) // 2, entropy, error)
    )


def test_points_on_a_parabola_give_the_parabola():
    # 60 x + 1000 x^2 answers, 0.1 x of cross-entropy.
    found = fit([point(0.2, 0.1, 16, 0.01), point(0.4, 0.2, 52, 0.02), point(0.8, 0.4, 184, 0.04)])
    assert found.answers == pytest.approx((60, 1000))
    assert found.loss == pytest.approx((0.1, 0), abs=1e-6)
    assert found.answers_lost(0.3) == pytest.approx(108)


def test_a_curve_chooses_where_the_margin_ends():
    # Answers: 1000 x^2 lost, of 50 that may be, less 1.64 sqrt(400) = 32.8: x = sqrt(17.2 / 1000).
    curve = Curve((point(1.0, 0.4, 160),), (0.0, 1000.0), (0.0, 0.0))
    assert curve.choose(0.005) == pytest.approx(sqrt(17.2 / 1000), abs=0.4 / 1000)
    # Cross-entropy: 0.05 x gained, of 1.64 * 0.002 that may be: x = 0.0656.
    curve = Curve((point(1.0, 0.4, 160),), (0.0, 1000.0), (0.05, 0.0))
    assert curve.choose(0.005) == pytest.approx(0.0656, abs=0.4 / 1000)


def test_a_curve_ends_at_its_sparsest_trial():
    curve = fit([point(0.2, 0.1, 0), point(0.4, 0.2, 0)])
    assert curve.choose(0.005) == 0.2
    assert curve.alpha_at(0.2) == 0.4


def test_too_few_pictures_allow_nothing():
    curve = fit([point(0.2, 0.1, 0, discordant=1000)])  # 1.64 sqrt(1000) is more than half a point
    assert curve.choose(0.005) is None


def test_alpha_lies_between_its_neighbours_and_starts_at_none():
    curve = fit([point(0.8, 0.3, 0), point(0.2, 0.1, 0)])
    assert [one.saved for one in curve.points] == [0.1, 0.3]
    assert curve.alpha_at(0.05) == pytest.approx(0.1)
    assert curve.alpha_at(0.2) == pytest.approx(0.5)


def test_no_single_trial_decides():
    # One lucky trial among three that lose: the curve does not follow it.
    curve = fit([point(0.1, 0.1, 20), point(0.2, 0.2, -20), point(0.3, 0.3, 60)])
    assert curve.answers_lost(0.2) > 0


def test_trials_that_save_nothing_make_no_curve():
    assert fit([point(0.2, 0.0, 0), point(0.3, -0.1, 0)]) is None


@given(
    st.lists(
        st.tuples(st.floats(0.01, 0.5), st.integers(-50, 100).map(lambda half: 2 * half)),
        min_size=1,
        max_size=5,
    )
)
def test_the_fit_is_the_nearest_of_all_that_never_gain(trials):
    points = [point(1.0, saved, lost) for saved, lost in trials]
    curve = fit(points)
    saved, lost = (
        np.array([one.saved for one in points]),
        -np.array([one.paired.difference for one in points]),
    )

    def distance(ab):
        return float((((ab[0] * saved + ab[1] * saved**2) - lost) ** 2).sum())

    other = minimize(distance, [1.0, 1.0], bounds=[(0, None), (0, None)], method="L-BFGS-B")
    assert distance(curve.answers) <= other.fun * (1 + 1e-6) + 1e-6
    assert min(curve.answers) >= 0
