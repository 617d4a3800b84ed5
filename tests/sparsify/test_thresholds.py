from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny_networks import Tiny, bars_data  # noqa: E402

from hwsim.errors import HwsimError  # noqa: E402
from hwsim.sparsify.maps import find_maps  # noqa: E402
from hwsim.sparsify.networks import FatReLU  # noqa: E402
from hwsim.sparsify.search import cost  # noqa: E402
from hwsim.sparsify.stages import Stages, initial  # noqa: E402
from hwsim.sparsify.thresholds import (  # noqa: E402
    LEVELS,
    SENSED,
    Raise,
    highest,
    raise_thresholds,
    sense,
    thresholds_of,
    with_thresholds,
)
from hwsim.sparsify.training import Schedule, evaluate  # noqa: E402

MAPS = find_maps(Tiny(), (1, 8, 8))


@pytest.fixture(scope="module")
def data():
    return bars_data(noise=180)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    stages = Stages(folder, Tiny(), data, MAPS, lambda _: None)
    return stages.run("baseline", initial(Tiny(), 0), Schedule(6, batch=32))


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


def test_thresholds_are_raised_as_far_as_validation_holds(data, trained):
    floor = trained.score
    found = raise_thresholds(Tiny(), trained.network, floor, data, MAPS, lambda _: None)
    assert thresholds_of(found.network)
    assert found.score == evaluate(Tiny(), found.network, data.validation, MAPS)
    assert found.score.correct >= floor.correct
    assert cost(found.score.density, MAPS) < cost(floor.density, MAPS)
    counts = [count for count, *_ in found.tried]
    assert len(set(counts)) == len(counts) >= 3
    fell = [correct for _, _, correct, kept in found.tried if not kept and correct < floor.correct]
    assert fell  # else there was more to gain
    assert all(correct >= floor.correct for _, _, correct, kept in found.tried if kept)


def test_a_map_has_no_value_between_zero_and_its_threshold(data, trained):
    found = raise_thresholds(Tiny(), trained.network, trained.score, data, MAPS, lambda _: None)
    module = Tiny()
    module.load_state_dict(found.network)
    module.eval()
    seen = {}
    for name, part in module.named_modules():
        if isinstance(part, FatReLU):
            part.register_forward_hook(lambda _, __, made, name=name: seen.update({name: made.numpy()}))
    with torch.no_grad():
        module(torch.from_numpy(data.test.images / np.float32(255)))
    for name, threshold in thresholds_of(found.network).items():
        assert seen[name][seen[name] > 0].min() > threshold > 0


def test_a_floor_that_nothing_reaches_leaves_the_network_as_it_is(data, trained):
    module = Tiny()
    perfect = evaluate(module, trained.network, data.validation, MAPS)
    unreachable = type(perfect)(**{**vars(perfect), "correct": perfect.images + 1})
    found = raise_thresholds(module, trained.network, unreachable, data, MAPS, lambda _: None)
    assert thresholds_of(found.network) == {}
    assert all(torch.equal(found.network[name], tensor) for name, tensor in trained.network.items())


def test_a_network_without_relus_of_ours_is_told(data):
    plain = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
    with pytest.raises(HwsimError, match=r"no FatReLU.* --method l1"):
        raise_thresholds(plain, plain.state_dict(), None, data, (), lambda _: None)


def test_thresholds_are_tensors_of_the_network():
    network = Tiny().state_dict()
    changed = with_thresholds(network, {"relu1": 0.25})
    assert changed["relu1.threshold"] == 0.25
    assert changed["relu2.threshold"] == 0
    assert changed.keys() == network.keys()
    assert thresholds_of(changed) == {"relu1": 0.25}


def test_raises_are_in_the_order_of_what_they_lose_by_what_they_save(data, trained):
    raises = sense(Tiny(), trained.network, data.train, MAPS)
    assert [one.slope for one in raises] == sorted(one.slope for one in raises)
    assert {one.relu for one in raises} == {"relu1", "relu2"}
    plain = evaluate(Tiny(), trained.network, data.train[:SENSED], MAPS)
    for one in raises[:2]:
        changed = with_thresholds(trained.network, {one.relu: one.threshold})
        score = evaluate(Tiny(), changed, data.train[:SENSED], MAPS)
        lost, saved = score.loss - plain.loss, cost(plain.density, MAPS) - cost(score.density, MAPS)
        assert one.slope == pytest.approx(lost / saved)


def test_a_relu_gets_the_highest_of_its_thresholds():
    raises = [Raise("a", 0.1, 0.0), Raise("b", 0.3, 0.0), Raise("a", 0.2, 0.1), Raise("b", 0.2, 0.2)]
    assert highest(raises) == {"a": 0.2, "b": 0.3}
    assert highest(raises[:1]) == {"a": 0.1}
    assert highest([]) == {}


def test_levels_take_away_the_share_of_values_that_they_say(data, trained):
    raises = sense(Tiny(), trained.network, data.train, MAPS)
    module = Tiny()
    module.load_state_dict(trained.network)
    module.eval()
    with torch.no_grad():
        values = module.relu1(module.bn1(module.conv1(torch.from_numpy(data.train.images[:100]) / 255)))
    values = values[values > 0]
    thresholds = sorted(one.threshold for one in raises if one.relu == "relu1")
    for level, threshold in zip(LEVELS, thresholds, strict=True):
        assert float((values <= threshold).float().mean()) == pytest.approx(level, abs=0.01)
