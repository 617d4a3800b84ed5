from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny_networks import Tiny, bars_data  # noqa: E402

from hwsim.sparsify.cost import cost, densities, shares, weights_of  # noqa: E402
from hwsim.sparsify.maps import Map, find_maps  # noqa: E402
from hwsim.sparsify.search import Tuning, curve_of, first_alphas  # noqa: E402
from hwsim.sparsify.stages import Stage, Stages, initial  # noqa: E402
from hwsim.sparsify.thresholds import sense, thresholds_of  # noqa: E402
from hwsim.sparsify.training import Score, TrainingSchedule  # noqa: E402

MAPS = (Map("image", ("a",), 100, 900), Map("m", ("b", "c"), 300, 100))


def score(correct, density, magnitude=2.0, loss=1.0):
    return Score(
        np.arange(1000) < correct,
        np.full(1000, loss, np.float32),
        {"image": 1.0, "m": density},
        {"image": 1.0, "m": magnitude},
    )


def after(name: str) -> Any:
    """What stands for the network of a stage."""
    return {"after": name}


@dataclass
class Scripted:
    """Stages whose results are given beforehand; it notes what was asked for."""

    results: dict[str, Score]
    maps: tuple[Map, ...] = MAPS
    asked: list[tuple] = field(default_factory=list)

    def run(self, name, start, schedule, alpha=None, teacher=None):
        self.asked.append((name, start, schedule, alpha, teacher))
        return Stage(name, after(name), self.results[name], [{}] * schedule.epochs)


BASELINE = Stage("baseline", after("baseline"), score(900, 0.6), [{}])


def test_shares_are_the_mean_of_macs_and_elements():
    assert shares(MAPS) == {"image": (0.9 + 0.25) / 2, "m": (0.1 + 0.75) / 2}
    assert cost({"image": 1.0, "m": 1.0}, MAPS) == pytest.approx(1.0)


def test_the_cost_is_the_mean_of_both_densities():
    seen = {"image": 0.75, "m": 0.25}
    both = densities(seen, MAPS)
    assert both == pytest.approx({"element_density": 0.375, "mac_density": 0.7})
    assert cost(seen, MAPS) == pytest.approx((0.375 + 0.7) / 2)


def test_the_l1_term_is_alpha_times_the_cost_of_the_maps_behind_the_picture():
    weights = weights_of(3.0, score(900, 0.5, magnitude=2.0), MAPS)
    assert weights.keys() == {"m"}
    norm = 300 * 0.5 * 2.0  # of the map: elements, non-zero ones, their mean magnitude
    assert weights["m"] * norm == pytest.approx(3.0 * shares(MAPS)["m"] * 0.5)
    assert weights_of(3.0, score(900, 0.0, magnitude=0.0), MAPS) == {}


def test_control_and_trials_differ_in_the_l1_term_alone():
    stages = Scripted(dict.fromkeys(("control", "alpha-0.5", "alpha-2"), score(900, 0.5)))
    tuning = Tuning(stages, BASELINE, TrainingSchedule(2, seed=50), thresholds=False)
    tuning.control()
    trials = [tuning.trial(alpha) for alpha in (0.5, 2.0)]
    starts, schedules, alphas, teachers = zip(*(asked[1:] for asked in stages.asked), strict=True)
    assert all(one is BASELINE.network for one in starts + teachers)
    assert set(schedules) == {TrainingSchedule(2, seed=50)}
    assert alphas == (None, *(trial.weights for trial in trials))
    assert trials[1].weights["m"] == pytest.approx(4 * trials[0].weights["m"])


def test_the_curve_is_of_what_trials_save_and_lose_against_the_control():
    results = {"control": score(900, 0.6), "alpha-1": score(890, 0.5, loss=1.25), "alpha-2": score(850, 0.3)}
    tuning = Tuning(Scripted(results), BASELINE, TrainingSchedule(1), thresholds=False)
    control = tuning.control()
    curve = curve_of([tuning.trial(1.0), tuning.trial(2.0)], control, tuning)
    assert [one.saved for one in curve.points] == pytest.approx([0.1 * 0.425, 0.3 * 0.425])
    assert [one.paired.difference for one in curve.points] == [-10, -50]
    assert curve.points[0].paired.loss_difference == pytest.approx(0.25)


def test_first_alphas_lie_around_the_cross_entropy_of_the_baseline():
    assert first_alphas(score(900, 0.5, loss=0.25)) == [0.125, 0.25, 0.5]


def test_real_trials_are_sparser_the_heavier_the_term_and_thresholds_keep_its_price(tmp_path):
    data, module = bars_data(noise=180), Tiny()
    maps = find_maps(module, (1, 8, 8))
    stages = Stages(tmp_path, module, data, maps, lambda _: None)
    baseline = stages.run("baseline", initial(module, 0), TrainingSchedule(6, batch=32))
    tuning = Tuning(stages, baseline, TrainingSchedule(4, rate=0.05, batch=32), thresholds=True)
    control, (light, heavy) = tuning.control(), (tuning.trial(alpha) for alpha in (0.1, 1.0))
    costs = [cost(one.score.density, maps) for one in (control, light.trained, heavy.trained)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.9 * costs[0]
    for trial in (light, heavy):
        raised = thresholds_of(trial.thresholded.network)
        steps = sense(module, trial.trained.network, data.train, maps)
        assert set(raised.items()) <= {(one.relu, one.threshold) for one in steps if one.slope < trial.alpha}
        assert all(raised[one.relu] >= one.threshold for one in steps if one.slope < trial.alpha)
    again = tuning.trial(0.1)
    assert all(torch.equal(again.best.network[name], t) for name, t in light.best.network.items())
