from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hwsim.sparsify.statistics import Paired, paired

# Ten pictures, by hand: this network answers 0 .. 6 right, the reference 2 .. 8.
RIGHT = np.arange(10) < 7
REFERENCE = (np.arange(10) >= 2) & (np.arange(10) < 9)
LOSSES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.8, 1.9, 2.0], np.float32)
REFERENCE_LOSSES = np.array([1.1, 1.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 2.0], np.float32)


def counts(pictures, gained, lost, difference=0.0, error=0.01):
    return Paired(pictures, gained, lost, difference, error)


def test_pictures_are_compared_one_by_one():
    found = paired(RIGHT, LOSSES, REFERENCE, REFERENCE_LOSSES)
    assert (found.pictures, found.gained, found.lost) == (10, 2, 2)
    assert (found.difference, found.discordant) == (0, 4)
    # Differences of the losses: -1, -1, 0 six times, 1, 1: mean 0, sum of squares 4.
    assert found.loss_difference == pytest.approx(0, abs=1e-7)
    assert found.loss_error == pytest.approx(sqrt(4 / 9 / 10))


def test_the_sign_says_which_of_the_two_is_better():
    worse = paired(RIGHT, LOSSES + 1, np.ones(10, bool), LOSSES)
    assert worse.difference == -3
    assert worse.loss_difference == pytest.approx(1)
    better = paired(np.ones(10, bool), LOSSES, RIGHT, LOSSES + 1)
    assert better.difference == 3
    assert better.loss_difference == pytest.approx(-1)


def test_non_inferiority_is_the_difference_less_164_errors_within_delta():
    # 10 000 pictures, 380 gained, 400 lost: -20 - 1.64 sqrt(780) = -65.8; half a point is 50 pictures.
    found = counts(10_000, 380, 400)
    assert found.bound == pytest.approx(-65.803, abs=1e-3)
    assert not found.keeps_answers(0.005)
    assert found.keeps_answers(0.007)
    # With 400 gained and 396 lost: 4 - 1.64 sqrt(796) = -42.3.
    assert counts(10_000, 400, 396).bound == pytest.approx(-42.270, abs=1e-3)
    assert counts(10_000, 400, 396).keeps_answers(0.005)


def test_no_difference_shown_is_not_no_loss():
    few = counts(200, 8, 8)
    assert few.p_value == 1
    assert not few.keeps_answers(0.005)


def test_a_cross_entropy_that_is_significantly_worse_is_a_loss_whatever_the_answers():
    assert counts(10_000, 500, 400, 0.0163, 0.01).no_loss(0.005)
    assert not counts(10_000, 500, 400, 0.0165, 0.01).no_loss(0.005)
    assert not counts(10_000, 300, 400, -0.1, 0.01).no_loss(0.005)


def test_the_interval_is_mcnemars_by_hand():
    # 1000 pictures, 30 gained, 50 lost: -0.02 +- 1.96 sqrt((80 - 400 / 1000) / 1000^2) = -0.02 +- 0.017487.
    low, high = counts(1000, 30, 50).interval
    assert low == pytest.approx(-0.037487, abs=1e-6)
    assert high == pytest.approx(-0.002513, abs=1e-6)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_exact_test_is_that_of_fair_coins(gained, lost):
    tail = stats.binom.cdf(min(gained, lost), gained + lost, 0.5)
    assert counts(200, gained, lost).p_value == pytest.approx(min(1, 2 * tail))


@given(st.integers(0, 2**32 - 1), st.integers(3, 200))
def test_the_losses_are_those_of_a_paired_t_test(seed, pictures):
    random = np.random.default_rng(seed)
    one, other = random.exponential(size=(2, pictures))
    right, known = random.random((2, pictures)) < 0.8
    found = paired(right, one, known, other)
    assert found.loss_difference / found.loss_error == pytest.approx(stats.ttest_rel(one, other).statistic)
    share = right.astype(float) - known
    assert found.difference == share.sum()
    width = 2 * 1.96 * share.std() / sqrt(pictures)
    assert np.ptp(found.interval) == pytest.approx(width)


def test_non_inferiority_errs_as_seldom_as_it_says():
    # A network that truly loses delta passes one time in twenty.
    random = np.random.default_rng(0)
    pictures, delta, trials = 10_000, 0.005, 4000
    split = random.multinomial(pictures, [0.03, 0.03 + delta, 0.94 - delta], trials)
    passed = np.mean([counts(pictures, int(g), int(n)).keeps_answers(delta) for g, n, _ in split])
    assert passed == pytest.approx(0.05, abs=0.012)


def test_networks_on_other_pictures_are_not_compared():
    with pytest.raises(ValueError, match="same pictures"):
        paired(RIGHT, LOSSES, REFERENCE[1:], REFERENCE_LOSSES[1:])
