from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny_networks import Tiny, bars_data  # noqa: E402

from hwsim.errors import HwsimError  # noqa: E402
from hwsim.sparsify.cost import cost  # noqa: E402
from hwsim.sparsify.maps import find_maps  # noqa: E402
from hwsim.sparsify.networks import FatReLU  # noqa: E402
from hwsim.sparsify.stages import Stages, initial  # noqa: E402
from hwsim.sparsify.thresholds import (  # noqa: E402
    LEVELS,
    SENSED,
    Raise,
    _levels,
    _steps,
    highest,
    most,
    sense,
    thresholds_of,
    with_thresholds,
    worth,
)
from hwsim.sparsify.training import Score, TrainingSchedule, evaluate  # noqa: E402

MAPS = find_maps(Tiny(), (1, 8, 8))


@pytest.fixture(scope="module")
def data():
    return bars_data(noise=180)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    stages = Stages(folder, Tiny(), data, MAPS, lambda _: None)
    return stages.run("baseline", initial(Tiny(), 0), TrainingSchedule(6, batch=32))


def test_a_threshold_takes_what_is_not_above_it_and_leaves_the_rest():
    relu = FatReLU()
    values = torch.tensor([-3.0, -0.0, 0.2, 0.5, 0.500001, 7.0])
    assert relu(values).tolist() == pytest.approx([0, 0, 0.2, 0.5, 0.500001, 7])
    relu.load_state_dict({"threshold": torch.tensor(0.5)})
    assert relu(values).tolist() == pytest.approx([0, 0, 0, 0, 0.500001, 7])


def test_gradients_pass_what_is_above_the_threshold_alone():
    relu = FatReLU()
    relu.load_state_dict({"threshold": torch.tensor(0.5)})
    values = torch.tensor([-1.0, 0.3, 2.0], requires_grad=True)
    relu(values).sum().backward()
    assert values.grad.tolist() == [0, 0, 1]


def test_as_many_are_raised_as_hold_together():
    raises = [Raise("a", 0.1 * number, float(number)) for number in range(7)]
    for limit in range(8):
        asked = []

        def holds(some, limit=limit, asked=asked):
            asked.append(len(some))
            return len(some) <= limit

        assert most(raises, holds) == raises[:limit]
        assert len(set(asked)) == len(asked) <= 3


def test_raises_are_worth_it_below_the_price():
    raises = [Raise("a", 0.1, -1.0), Raise("b", 0.1, 0.5), Raise("a", 0.2, 2.0)]
    assert worth(raises, 0.5) == raises[:1]
    assert worth(raises, 1.0) == raises[:2]
    assert worth(raises, 9.0) == raises


def test_a_map_has_no_value_between_zero_and_its_threshold(data, trained):
    raises = sense(Tiny(), trained.network, data.train, MAPS)
    network = with_thresholds(trained.network, highest(raises[: len(raises) // 2]))
    module = Tiny()
    module.load_state_dict(network)
    module.eval()
    seen = {}
    for name, part in module.named_modules():
        if isinstance(part, FatReLU):
            part.register_forward_hook(lambda _, __, made, name=name: seen.update({name: made.numpy()}))
    with torch.no_grad():
        module(torch.from_numpy(data.test.images / np.float32(255)))
    assert thresholds_of(network)
    for name, threshold in thresholds_of(network).items():
        assert seen[name][seen[name] > 0].min() > threshold > 0


def test_a_network_without_relus_of_ours_is_told(data):
    plain = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
    with pytest.raises(HwsimError, match=r"no FatReLU.* --method l1"):
        sense(plain, plain.state_dict(), data.train, ())


def test_thresholds_are_tensors_of_the_network():
    network = Tiny().state_dict()
    changed = with_thresholds(network, {"relu1": 0.25})
    assert changed["relu1.threshold"] == 0.25
    assert changed["relu2.threshold"] == 0
    assert changed.keys() == network.keys()
    assert thresholds_of(changed) == {"relu1": 0.25}


def test_every_step_has_its_own_slope_and_the_least_comes_first(data, trained):
    raises = sense(Tiny(), trained.network, data.train, MAPS)
    assert [one.slope for one in raises] == sorted(one.slope for one in raises)
    assert {one.relu for one in raises} == {"relu1", "relu2"}
    for relu in ("relu1", "relu2"):
        steps = [one for one in raises if one.relu == relu]
        assert [one.threshold for one in steps] == sorted(one.threshold for one in steps)
        before = evaluate(Tiny(), trained.network, data.train[:SENSED], MAPS)
        for one in steps:
            changed = with_thresholds(trained.network, {relu: one.threshold})
            after = evaluate(Tiny(), changed, data.train[:SENSED], MAPS)
            lost, saved = after.loss - before.loss, cost(before.density, MAPS) - cost(after.density, MAPS)
            assert one.slope == pytest.approx(lost / saved)
            before = after


def made_up(loss, density):
    """A score with a mean loss; the two other maps stay full."""
    names = [one.name for one in MAPS]
    return Score(np.ones(1, bool), np.float32([loss]), dict(zip(names, (1.0, 1.0, density), strict=True)), {})


def test_steps_follow_the_convex_hull():
    # Saving 1, 2, 3 parts at losses 4, 2, 9: the first level lies above the way to the second.
    tried = [(0.0, made_up(0, 1.0)), (0.1, made_up(4, 0.9)), (0.2, made_up(2, 0.8)), (0.3, made_up(9, 0.7))]
    steps = _steps("relu", tried, MAPS)
    assert [one.threshold for one in steps] == [0.2, 0.3]
    part = cost(tried[0][1].density, MAPS) - cost(tried[1][1].density, MAPS)
    assert [one.slope for one in steps] == pytest.approx([1 / part, 7 / part])


def test_a_threshold_that_saves_nothing_is_no_step_whatever_it_gains():
    tried = [(0.0, made_up(3, 0.8)), (0.1, made_up(1, 0.9)), (0.2, made_up(2, 0.8)), (0.3, made_up(5, 0.7))]
    assert [one.threshold for one in _steps("relu", tried, MAPS)] == [0.3]


def test_a_relu_gets_the_highest_of_its_thresholds():
    raises = [Raise("a", 0.1, 0.0), Raise("b", 0.3, 0.0), Raise("a", 0.2, 0.1), Raise("b", 0.2, 0.2)]
    assert highest(raises) == {"a": 0.2, "b": 0.3}
    assert highest(raises[:1]) == {"a": 0.1}
    assert highest([]) == {}


def test_levels_take_away_the_share_of_values_that_they_say(data, trained):
    levels = _levels(Tiny(), trained.network, data.train[:100], ["relu1"], "cpu")["relu1"]
    module = Tiny()
    module.load_state_dict(trained.network)
    module.eval()
    with torch.no_grad():
        values = module.relu1(module.bn1(module.conv1(torch.from_numpy(data.train.images[:100]) / 255)))
    values = values[values > 0]
    for level, threshold in zip(LEVELS, levels, strict=True):
        assert float((values <= threshold).float().mean()) == pytest.approx(level, abs=0.01)
