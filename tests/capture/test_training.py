from __future__ import annotations

import numpy as np
import pytest

from hwsim.capture import lenet5
from hwsim.capture.digits import Split

torch = pytest.importorskip("torch")
training = pytest.importorskip("hwsim.capture.training")


@pytest.fixture(scope="module")
def bars() -> Split:
    """Pictures of a bar at one of ten heights: the height is the label."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 160)
    images = np.zeros((160, 1, 32, 32), np.float32)
    for image, label in zip(images, labels, strict=True):
        image[0, 3 * label : 3 * label + 3, 4:28] = random.random((3, 24))
    return Split(images, labels, np.arange(160))


@pytest.fixture(scope="module")
def trained(bars):
    return training.fit(lenet5.forward, lenet5.initial(0), bars, training.Schedule(6, shift=0))


def test_training_learns(bars, trained):
    before = training.evaluate(lenet5.forward, lenet5.initial(0), bars)
    after = training.evaluate(lenet5.forward, trained, bars)
    assert after.correct > 2 * before.correct
    assert after.loss < before.loss


def test_training_again_gives_the_same_bits_and_another_seed_does_not(bars, trained):
    again = training.fit(lenet5.forward, lenet5.initial(0), bars, training.Schedule(6, shift=0))
    other = training.fit(lenet5.forward, lenet5.initial(0), bars, training.Schedule(6, shift=0, seed=1))
    assert all(np.array_equal(again[name], values) for name, values in trained.items())
    assert not np.array_equal(other["fc3.weight"], trained["fc3.weight"])


def test_parameters_fit_half_precision(trained):
    for values in trained.values():
        np.testing.assert_array_equal(values, values.astype(np.float16).astype(np.float32))


def test_training_leaves_the_settings_of_torch_and_its_start_alone(bars):
    start, threads = lenet5.initial(0), torch.get_num_threads()
    torch.set_num_threads(2)
    training.fit(lenet5.forward, start, bars, training.Schedule(1))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert not torch.are_deterministic_algorithms_enabled()
    np.testing.assert_array_equal(start["conv1.weight"], lenet5.initial(0)["conv1.weight"])


@pytest.mark.parametrize("name", lenet5.HIDDEN)
def test_an_l1_norm_makes_the_map_that_it_weighs_sparser(bars, trained, name):
    schedule = training.Schedule(3, shift=0)
    plain = training.fit(lenet5.forward, trained, bars, schedule)
    weighed = training.fit(lenet5.forward, trained, bars, schedule, {name: 0.02})
    densities = [training.evaluate(lenet5.forward, network, bars).density for network in (plain, weighed)]
    assert densities[1][name] < 0.8 * densities[0][name]


def test_scores_count_what_a_network_gets_right(bars):
    score = training.evaluate(lambda _, images: (images[:, 0, ::3, 10][:, :10], {"image": images}), {}, bars)
    assert (score.images, score.correct, score.accuracy) == (160, 160, 1.0)
    assert score.density == {"image": pytest.approx(np.count_nonzero(bars.images) / bars.images.size)}


def steps(trials):
    """The one map whose weight a trial raises, and by which factor, from the last trial that was kept."""
    weights = {"pool1": 5e-5, "fc1": 5e-5}
    for trial in trials:
        (name,) = (name for name in weights if trial.alpha[name] != weights[name])
        yield name, trial.alpha[name] / weights[name]
        weights = trial.alpha if trial.kept else weights


def test_sparsification_keeps_what_loses_nothing_and_stops(bars, trained):
    network, trials = training.sparsify(
        lenet5.forward, trained, bars, [bars], ("pool1", "fc1"), training.Schedule(1, shift=0), factor=16.0
    )
    floor = training.evaluate(lenet5.forward, trained, bars)
    final = training.evaluate(lenet5.forward, network, bars)
    assert final.correct >= floor.correct
    assert any(trial.kept for trial in trials)
    assert sum(not trial.kept for trial in trials) == 2 * 3  # 16, 4 and 2 fail once for either map
    density = floor.density
    for trial, name in zip(trials, (raised for raised, _ in steps(trials)), strict=True):
        score = trial.scores[0]
        sparser = score.density[name] < density[name]
        assert trial.kept == (score.correct >= floor.correct and sparser)
        density = score.density if trial.kept else density
    last = [trial for trial in trials if trial.kept][-1]
    assert last.scores[0] == final


def test_sparsification_raises_one_weight_at_a_time_from_the_last_that_was_kept(bars, trained):
    network, trials = training.sparsify(
        lenet5.forward, trained, bars, [bars], ("pool1", "fc1"), training.Schedule(1, shift=0), factor=16.0
    )
    assert all(by > 1 for _, by in steps(trials))
    assert {name for name, _ in steps(trials)} == {"pool1", "fc1"}
    best = trained
    for number, trial in enumerate(trials):
        if trial.kept:
            schedule = training.Schedule(1, shift=0, seed=number)
            best = training.fit(lenet5.forward, best, bars, schedule, trial.alpha)
    assert all(np.array_equal(network[name], values) for name, values in best.items())


def test_a_baseline_that_nothing_equals_is_given_back(bars, trained, monkeypatch):
    wrong = Split(bars.images, (bars.labels + 1) % 10, bars.sources)
    perfect = training.fit(lenet5.forward, trained, wrong, training.Schedule(40, shift=0))
    floor = training.evaluate(lenet5.forward, perfect, wrong)
    assert floor.accuracy > 0.95
    network, trials = training.sparsify(
        lenet5.forward, perfect, bars, [wrong], ("pool1",), training.Schedule(5, shift=0)
    )
    assert [trial.kept for trial in trials] == [False, False]
    assert all(np.array_equal(network[name], values) for name, values in perfect.items())


def test_sparsification_ends_when_a_map_gets_no_sparser(bars, trained):
    wrong = Split(bars.images, (bars.labels + 1) % 10, bars.sources)
    nothing_right = {name: np.zeros_like(values) for name, values in trained.items()}
    nothing_right["fc3.bias"] = np.arange(10, dtype=np.float32)
    never = Split(bars.images, np.zeros_like(bars.labels), bars.sources)
    assert training.evaluate(lenet5.forward, nothing_right, never).correct == 0
    network, trials = training.sparsify(
        lenet5.forward, nothing_right, wrong, [never], ("pool2",), training.Schedule(1, shift=0)
    )
    assert [trial.kept for trial in trials] == [False, False]
    assert all(np.array_equal(network[name], values) for name, values in nothing_right.items())


def test_pictures_move_by_whole_pixels_and_no_further_than_asked():
    image = np.zeros((200, 1, 32, 32), np.float32)
    image[:, 0, 16, 16] = 1
    moved = training.shifted(image, 2, np.random.default_rng(0))
    _, _, y, x = np.nonzero(moved)
    assert len(y) == 200
    assert set(zip(y, x, strict=True)) == {(row, column) for row in range(14, 19) for column in range(14, 19)}
