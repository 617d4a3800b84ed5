from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny_networks import Tiny, bars, bars_data  # noqa: E402

from hwsim.errors import HwsimError  # noqa: E402
from hwsim.sparsify.datasets import Part  # noqa: E402
from hwsim.sparsify.maps import find_maps, watched  # noqa: E402
from hwsim.sparsify.stages import Stages, initial, read_state, write_state  # noqa: E402
from hwsim.sparsify.training import (  # noqa: E402
    State,
    TrainingSchedule,
    augmented,
    distilled,
    evaluate,
    rounded,
    train_epoch,
)


@pytest.fixture(scope="module")
def data():
    return bars_data()


def epochs(module, start, data, schedule, alpha=None, teacher=None):
    state, maps = State(0, start, {}), find_maps(module, data.train.images.shape[1:])
    for _ in range(schedule.epochs):
        state, means = train_epoch(module, state, data.train, schedule, maps, alpha, teacher)
    return state, means


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def equal(one, other):
    """Whether two scores say the same."""
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("right", "losses"))
    return arrays and one.density == other.density and one.magnitude == other.magnitude


def test_training_learns(data):
    module = Tiny()
    start = initial(module, 0)
    state, means = epochs(module, start, data, TrainingSchedule(6, batch=32))
    before, after = (evaluate(module, network, data.validation) for network in (start, state.network))
    assert after.accuracy > 0.9 > 0.6 > before.accuracy
    assert after.loss < before.loss
    assert means["penalty"] == 0


def test_training_again_gives_the_same_bits_and_another_seed_does_not(data):
    module, schedule = Tiny(), TrainingSchedule(2, batch=32)
    one, other = (epochs(module, initial(module, 0), data, schedule)[0] for _ in range(2))
    assert same(one.network, other.network)
    third, _ = epochs(module, initial(module, 0), data, replace(schedule, seed=1))
    assert not same(one.network, third.network)
    assert not same(initial(module, 0), initial(module, 1))


def test_training_leaves_the_settings_of_torch_and_its_start_alone(data):
    module, threads = Tiny(), torch.get_num_threads()
    start = initial(module, 0)
    kept = {name: tensor.clone() for name, tensor in start.items()}
    torch.set_num_threads(2)
    try:
        epochs(module, start, data, TrainingSchedule(1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert not torch.are_deterministic_algorithms_enabled()
    assert same(start, kept)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_training_that_is_taken_up_again_gives_the_bits_of_an_uninterrupted_one(data, tmp_path, bfloat16):
    module, schedule = Tiny(), TrainingSchedule(4, batch=32, bfloat16=bfloat16)
    maps = find_maps(module, (1, 8, 8))
    start, alpha = initial(module, 0), {"conv1": 1e-4}
    lines = []

    def stop_after(count):
        def tell(line):
            lines.append(line)
            if len(lines) == count:
                raise KeyboardInterrupt

        return tell

    whole = Stages(tmp_path, module, data, maps, lambda _: None).run("whole", start, schedule, alpha)
    with pytest.raises(KeyboardInterrupt):
        Stages(tmp_path, module, data, maps, stop_after(2)).run("cut", start, schedule, alpha)
    assert read_state(tmp_path / "cut.safetensors")[0].epoch == 2
    other = Tiny()  # nothing is left of the first run but its file
    cut = Stages(tmp_path, other, data, maps, lambda _: None).run("cut", start, schedule, alpha)
    assert same(cut.network, whole.network)
    assert equal(cut.score, whole.score)
    timeless = [[{**epoch, "seconds": 0} for epoch in stage.history] for stage in (cut, whole)]
    assert timeless[0] == timeless[1]
    assert len(cut.history) == 4


def test_momentum_lives_from_epoch_to_epoch(data):
    module, schedule = Tiny(), TrainingSchedule(2, batch=32)
    first, _ = train_epoch(module, State(0, initial(module, 0), {}), data.train, schedule)
    assert first.momentum.keys() == dict(module.named_parameters()).keys()
    second, _ = train_epoch(module, first, data.train, schedule)
    at_rest, _ = train_epoch(module, replace(first, momentum={}), data.train, schedule)
    assert not same(second.network, at_rest.network)


def test_a_state_on_disk_is_small(data, tmp_path):
    module = Tiny()
    state, _ = train_epoch(module, State(0, initial(module, 0), {}), data.train, TrainingSchedule(2))
    write_state(tmp_path / "state.safetensors", state, [], None)
    assert {tensor.dtype for tensor in state.momentum.values()} == {torch.bfloat16}
    parameters = sum(tensor.numel() for tensor in state.network.values())
    assert (tmp_path / "state.safetensors").stat().st_size < 6 * parameters + 4000
    assert same(read_state(tmp_path / "state.safetensors")[0].momentum, state.momentum)


def test_the_loss_with_a_teacher_is_three_tenths_labels_seven_tenths_divergence_at_temperature_3():
    logits, taught = torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 3.0], [3.0, 0.0]])

    def share(first, second):
        return np.exp(first) / (np.exp(first) + np.exp(second))

    divergence = 0.0
    for one, other in zip(logits.tolist(), taught.tolist(), strict=True):
        p, q = (share(a / 3, b / 3) for a, b in (other, one))
        divergence += (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))) / 2
    expected = 0.3 * 2.0 + 0.7 * 9 * divergence
    assert float(distilled(torch.tensor(2.0), logits, taught)) == pytest.approx(expected, rel=1e-5)


def test_a_teacher_is_learnt_from(data):
    module, schedule = Tiny(), TrainingSchedule(3, batch=32)
    teacher, _ = epochs(module, initial(module, 1), data, TrainingSchedule(6, batch=32))
    wrong = replace(data.train, labels=(data.train.labels + 1) % 4)  # the labels lie, the teacher does not
    start = State(0, initial(module, 0), {})
    found = {}
    for name, of in (("alone", None), ("taught", teacher.network)):
        state = start
        for _ in range(schedule.epochs):
            state, _ = train_epoch(module, state, wrong, schedule, teacher=of)
        found[name] = evaluate(module, state.network, data.validation).accuracy
    assert found["taught"] > 0.5 > found["alone"]


def test_a_network_that_is_its_own_teacher_has_nothing_to_learn_from_it():
    logits = torch.randn(8, 4)
    assert float(distilled(torch.tensor(0.0), logits, logits)) == pytest.approx(0, abs=1e-6)


def test_a_stage_that_is_done_is_not_trained_again(data, tmp_path):
    module, lines = Tiny(), []
    maps = find_maps(module, (1, 8, 8))
    stages = Stages(tmp_path, module, data, maps, lines.append)
    first = stages.run("one", initial(module, 0), TrainingSchedule(1))
    again = stages.run("one", initial(module, 0), TrainingSchedule(1))
    assert len(lines) == 1
    assert same(first.network, again.network)
    assert equal(first.score, again.score)


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: b"", lambda data: b"x" * 200])
def test_a_damaged_state_is_told_in_one_line(data, tmp_path, damage):
    module = Tiny()
    stages = Stages(tmp_path, module, data, find_maps(module, (1, 8, 8)), lambda _: None)
    stages.run("one", initial(module, 0), TrainingSchedule(1))
    file = tmp_path / "one.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(HwsimError, match=r"no state of a training .*remove it") as told:
        stages.run("one", initial(module, 0), TrainingSchedule(1))
    assert "\n" not in str(told.value)


def test_checkpoints_fit_half_precision(data, tmp_path):
    module = Tiny()
    stage = Stages(tmp_path, module, data, (), lambda _: None).run(
        "one", initial(module, 0), TrainingSchedule(1)
    )
    for tensor in stage.network.values():
        if tensor.ndim > 1:
            assert torch.equal(tensor, tensor.half().float())
    assert equal(evaluate(module, stage.network, data.validation), stage.score)


@pytest.mark.parametrize("name", ["conv1", "conv2"])
def test_an_l1_norm_makes_the_map_that_it_weighs_sparser(data, name):
    module, schedule = Tiny(), TrainingSchedule(3, batch=32)
    maps = find_maps(module, (1, 8, 8))
    trained, _ = epochs(module, initial(module, 0), data, schedule)
    found = {}
    for alpha in (0.0, 1e-2):
        state, means = epochs(module, trained.network, data, schedule, {name: alpha})
        found[alpha] = evaluate(module, state.network, data.validation, maps).density[name]
        assert (means["penalty"] > 0) == (alpha > 0)
    assert found[1e-2] < 0.8 * found[0.0]


def test_under_an_l1_norm_the_factors_of_batch_normalization_stand_still(data):
    module, schedule = Tiny(), TrainingSchedule(2, batch=32)
    start = initial(module, 0)
    start["bn1.weight"] += 0.5
    weighed, _ = epochs(module, start, data, schedule, {"conv2": 1e-3})
    plain, _ = epochs(module, start, data, schedule)
    for name in ("bn1.weight", "bn2.weight"):
        assert torch.equal(weighed.network[name], start[name])
        assert not torch.equal(plain.network[name], start[name])
    assert not torch.equal(weighed.network["bn2.bias"], start["bn2.bias"])


def test_scores_count_elements_and_right_answers(data):
    module = Tiny()
    network, maps = initial(module, 0), find_maps(module, (1, 8, 8))
    part = bars(10, 5)
    score = evaluate(module, network, part, maps)
    module.eval()
    with torch.no_grad(), watched(module, maps) as values:
        logits = module(torch.from_numpy(part.images / np.float32(255)))
    np.testing.assert_array_equal(score.right, logits.argmax(1).numpy() == part.labels)
    assert score.correct == score.right.sum()
    shares = np.exp(logits.numpy().astype(float))
    shares /= shares.sum(1, keepdims=True)
    np.testing.assert_allclose(score.losses, -np.log(shares[np.arange(10), part.labels]), rtol=1e-5)
    assert score.loss == pytest.approx(score.losses.mean())
    for one in maps:
        seen = values[one.name].numpy()
        assert score.density[one.name] == np.count_nonzero(seen) / seen.size
        assert score.magnitude[one.name] == pytest.approx(np.abs(seen[seen != 0]).mean(), rel=1e-5)
    assert [one.name for one in maps] == ["image", "conv1", "conv2"]
    assert [one.elements for one in maps] == [64, 8 * 64, 8 * 16]
    assert maps[2].macs == 8 * 16 * 4


def test_a_loss_that_is_no_number_stops_the_training(data):
    module = Tiny()
    start = initial(module, 0)
    start["fc.weight"][0, 0] = float("nan")
    with pytest.raises(HwsimError, match="lost its way"):
        epochs(module, start, data, TrainingSchedule(1))


def test_the_rate_rises_then_falls_to_almost_nothing():
    schedule = TrainingSchedule(2, rate=0.5)
    rates = [schedule.rate_at(step, 100) for step in range(100)]
    top = int(np.argmax(rates))
    assert max(rates) == pytest.approx(0.5, rel=0.05)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 15 <= top <= 25
    assert rates[-1] < 0.02 * 0.5


def test_pictures_move_by_an_eighth_at_most_and_only_colour_is_mirrored():
    image = np.zeros((400, 1, 16, 16), np.uint8)
    image[:, 0, 8, 5] = 1
    _, _, y, x = np.nonzero(augmented(torch.from_numpy(image), np.random.default_rng(0)).numpy())
    assert set(zip(y, x, strict=True)) == {(a, b) for a in range(6, 11) for b in range(3, 8)}
    colour = np.repeat(image, 3, axis=1)
    picture, channel, _, x = np.nonzero(augmented(torch.from_numpy(colour), np.random.default_rng(0)).numpy())
    assert set(x) == {*range(3, 8), *range(8, 13)}
    per_picture = {(p, place) for p, _, place in zip(picture, channel, x, strict=True)}
    assert len(per_picture) == 400  # all channels move together


def test_rounding_keeps_vectors_and_halves_weights():
    network = {"weight": torch.tensor([[1.0001, 70.03]]), "running_var": torch.tensor([1e-6, 1.0001])}
    found = rounded(network)
    assert torch.equal(found["running_var"], network["running_var"])
    assert torch.equal(found["weight"], network["weight"].half().float())
    assert not torch.equal(found["weight"], network["weight"])


def test_a_part_is_cut_with_its_labels():
    part = bars(8, 0)
    chosen = part[np.array([3, 1])]
    assert isinstance(chosen, Part)
    np.testing.assert_array_equal(chosen.labels, part.labels[[3, 1]])
    np.testing.assert_array_equal(chosen.images, part.images[[3, 1]])
