from __future__ import annotations

from dataclasses import dataclass, field

import pytest

torch = pytest.importorskip("torch")

from tiny_networks import Tiny, bars_data  # noqa: E402

from hwsim.sparsify.maps import Map, find_maps  # noqa: E402
from hwsim.sparsify.search import (  # noqa: E402
    MOST_PLAIN,
    accepted,
    cost,
    fixed_alpha,
    plain_training,
    search_alpha,
    shares,
    weights_of,
)
from hwsim.sparsify.stages import Stage, Stages, initial  # noqa: E402
from hwsim.sparsify.training import Schedule, Score  # noqa: E402

MAPS = (Map("image", ("a",), 100, 900), Map("m", ("b", "c"), 300, 100))


def score(correct, density, magnitude=2.0):
    return Score(1000, correct, 1.0, {"image": 1.0, "m": density}, {"image": 1.0, "m": magnitude})


@dataclass
class Scripted:
    """Stages whose results are given beforehand; it notes what was asked for."""

    results: list[Score]
    maps: tuple[Map, ...] = MAPS
    asked: list[tuple] = field(default_factory=list)

    def run(self, name, start, schedule, alpha=None):
        self.asked.append((name, start, schedule.seed, alpha))
        return Stage(name, {"after": name}, self.results[len(self.asked) - 1], [{}] * schedule.epochs)


BASELINE = Stage("baseline", {"after": "baseline"}, score(900, 0.6), [{}])


def search(*results):
    stages = Scripted(list(results))
    return search_alpha(stages, BASELINE, Schedule(2, seed=50), len(results)), stages.asked


def test_shares_are_the_mean_of_macs_and_elements():
    assert shares(MAPS) == {"image": (0.9 + 0.25) / 2, "m": (0.1 + 0.75) / 2}
    assert cost({"image": 1.0, "m": 1.0}, MAPS) == pytest.approx(1.0)


def test_the_l1_term_is_alpha_times_the_cost_of_the_maps_behind_the_picture():
    weights = weights_of(3.0, score(900, 0.5, magnitude=2.0), MAPS)
    assert weights.keys() == {"m"}
    norm = 300 * 0.5 * 2.0  # of the map: elements, non-zero ones, their mean magnitude
    assert weights["m"] * norm == pytest.approx(3.0 * shares(MAPS)["m"] * 0.5)
    assert weights_of(3.0, score(900, 0.0, magnitude=0.0), MAPS) == {}


def test_alpha_rises_while_validation_holds_and_every_trial_goes_on_from_the_best():
    trials, asked = search(score(905, 0.5), score(900, 0.4), score(903, 0.3))
    assert [trial.alpha for trial in trials] == [1.0, 2.0, 4.0]
    assert all(trial.kept for trial in trials)
    assert [start["after"] for _, start, *_ in asked] == ["baseline", "l1-1", "l1-2"]
    assert len({seed for *_, seed, _ in asked}) == 3


def test_a_fall_of_validation_is_never_kept_and_alpha_backs_off():
    trials, asked = search(score(905, 0.5), score(899, 0.2), score(899, 0.3), score(900, 0.45))
    assert [trial.kept for trial in trials] == [True, False, False, True]
    assert [trial.alpha for trial in trials] == pytest.approx([1.0, 2.0, 2**0.5, 2**0.25])
    assert [start["after"] for _, start, *_ in asked] == ["baseline", "l1-1", "l1-1", "l1-1"]


def test_alpha_falls_until_validation_holds_for_the_first_time():
    trials, _ = search(score(800, 0.1), score(850, 0.2), score(900, 0.4), score(901, 0.3))
    assert [trial.alpha for trial in trials] == [1.0, 0.25, 0.0625, 0.125]
    assert [trial.kept for trial in trials] == [False, False, True, True]


def test_alpha_rises_if_validation_holds_but_no_map_got_sparser():
    trials, _ = search(score(900, 0.6), score(900, 0.7), score(900, 0.5))
    assert [trial.alpha for trial in trials] == [1.0, 2.0, 4.0]
    assert [trial.kept for trial in trials] == [False, False, True]


def test_small_steps_become_none_and_no_trial_is_lost():
    results = [
        score(900, 0.5),
        score(0, 0.1),
        score(0, 0.1),
        score(0, 0.1),
        score(0, 0.1),
        score(900, 0.4),
        score(900, 0.3),
    ]
    trials, _ = search(*results)
    assert [trial.alpha for trial in trials] == pytest.approx([1, 2, 2**0.5, 2**0.25, 1, 1, 1])
    assert [trial.kept for trial in trials] == [True, False, False, False, False, True, True]


@pytest.mark.parametrize(
    ("correct", "density", "good"),
    [(900, 0.5, True), (899, 0.1, False), (950, 0.6, False), (950, 0.59, True)],
)
def test_what_is_accepted_is_sparser_and_no_worse(correct, density, good):
    assert accepted(score(correct, density), score(910, 0.6), score(900, 0.7), MAPS) == good


def test_plain_training_goes_on_while_it_helps():
    for gains, expected in (((910, 905), 2), ((900,), 1), ((910, 920, 930), MOST_PLAIN)):
        stages = Scripted([score(correct, 0.6) for correct in gains])
        done = plain_training(stages, BASELINE, Schedule(2))
        assert len(done) == 1 + expected
        assert all(alpha is None for *_, alpha in stages.asked)
        assert [start["after"] for _, start, *_ in stages.asked] == [stage.name for stage in done[:-1]]


def test_an_alpha_that_is_given_is_kept_whatever_comes_out():
    stages = Scripted([score(1, 0.1)])
    trial = fixed_alpha(stages, BASELINE, Schedule(2), 7.0)
    assert (trial.kept, trial.alpha, len(stages.asked)) == (True, 7.0, 1)


def test_a_real_search_makes_maps_sparser_and_loses_no_answer(tmp_path):
    data, module = bars_data(noise=180), Tiny()
    maps = find_maps(module, (1, 8, 8))
    stages = Stages(tmp_path, module, data, maps, lambda _: None)
    schedule = Schedule(6, batch=32)
    baseline = stages.run("baseline", initial(module, 0), schedule)
    trials = search_alpha(stages, baseline, Schedule(2, rate=0.05, batch=32), trials=6)
    kept = [trial for trial in trials if trial.kept]
    assert kept
    costs = [cost(trial.stage.score.density, maps) for trial in kept]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.9 * cost(baseline.score.density, maps)
    assert all(trial.stage.score.correct >= baseline.score.correct for trial in kept)
