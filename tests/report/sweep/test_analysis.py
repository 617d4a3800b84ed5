"""Fronts, sensitivities and heat maps against slow definitions and cases solved by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweeps import grid

from hwsim.report.sweep.analysis import explained, front, heat_map, levels, sensitivity
from hwsim.report.sweep.summary import Summary

numbers = st.one_of(st.integers(0, 6).map(float), st.just(math.nan))


@given(st.lists(st.tuples(numbers, numbers), max_size=30))
def test_the_front_is_what_nobody_dominates(points):
    x, y = (np.array([point[axis] for point in points]) for axis in (0, 1))
    known = [i for i in range(len(points)) if not any(map(math.isnan, points[i]))]

    def dominated(i):
        return any(
            x[j] <= x[i] and y[j] <= y[i] and (x[j] < x[i] or y[j] < y[i] or j < i) for j in known if j != i
        )

    found = front(x, y).tolist()
    assert sorted(found) == [i for i in known if not dominated(i)]
    assert x[found].tolist() == sorted(x[found])


def test_few_values_are_levels_and_many_are_ranges_of_equal_size():
    few = levels([4, 1, 2, 4])
    assert (few.labels, few.of.tolist()) == (("1", "2", "4"), [2, 0, 1, 2])
    many = levels(list(range(80)))
    assert len(many.labels) == 8
    assert many.labels[:2] == ("0 to 9", "10 to 19")
    assert np.bincount(many.of).tolist() == [10] * 8
    words = levels(["contiguous", "balanced", "balanced"])
    assert (words.labels, words.of.tolist()) == (("balanced", "contiguous"), [1, 0, 0])
    assert levels([524288, 2097152]).labels == ("524288", "2097152")


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=200))
def test_every_machine_has_a_level_that_holds_its_value(values):
    found = levels(values)
    for low, high in zip(range(len(found.labels)), range(1, len(found.labels)), strict=False):
        ours, above = (np.array(values)[found.of == level] for level in (low, high))
        assert ours.max() < above.min()
    assert set(found.of.tolist()) == set(range(len(found.labels)))


def test_a_field_that_alone_decides_explains_everything(machines):
    shares = sensitivity(machines, ("cycles", "energy_uj", "dram_bytes"))
    assert shares["cores"]["cycles"] == pytest.approx(1)
    assert shares["columns"]["cycles"] == shares["dram_latency"]["cycles"] == 0
    assert shares["columns"]["energy_uj"] > 0.9
    assert shares["cores"]["dram_bytes"] is None  # nothing varies


def test_effects_that_add_up_share_the_variance_by_hand():
    """Logs: a in {0, 2}, b in {0, 1}; variances 1 and 1/4, so 4/5 and 1/5; chance takes a little of each."""
    many = list(range(1, 51))
    machines = grid(
        {"cores": [1, 2], "columns": [4, 8], "dram_latency": many},
        lambda cores, columns, dram_latency: math.exp(2 * (cores - 1) + (columns / 4 - 1)),
    )
    shares = sensitivity(machines, ("cycles",))
    n, k = 200, 2
    for name, share in (("cores", 0.8), ("columns", 0.2)):
        assert shares[name]["cycles"] == pytest.approx(1 - (n - 1) / (n - k) * (1 - share))
    assert shares["dram_latency"]["cycles"] == 0


def test_chance_explains_nothing():
    rng = np.random.default_rng(1)
    shares = [explained(rng.integers(0, 8, 40), rng.lognormal(size=40)) for _ in range(300)]
    plain = 7 / 39  # what eta squared would give on average
    assert np.mean(shares) < plain / 3


def test_nothing_is_explained_where_nothing_varies_or_a_value_is_zero():
    level = np.array([0, 0, 1, 1])
    assert explained(level, np.array([3.0, 3.0, 3.0, 3.0])) is None
    assert explained(level, np.array([0.0, 1.0, 2.0, 3.0])) is None
    assert explained(np.arange(4), np.array([1.0, 2.0, 3.0, 4.0])) is None  # every value a level of its own


def test_one_swept_field_explains_all_that_varies():
    machines = grid({"cores": [1, 2, 4]}, lambda cores: 100.0 / cores)
    assert sensitivity(machines, ("cycles", "energy_uj")) == {"cores": {"cycles": 1.0, "energy_uj": None}}


def test_a_heat_map_holds_the_best_of_the_other_fields():
    machines = grid(
        {"dram_latency": [8, 16], "cores": [1, 2], "columns": [4, 8, 16]},
        lambda cores, columns, dram_latency: 1000.0 / cores / columns + dram_latency,
        {"cycles": {"min": 40}},
    )
    heat = heat_map(machines, "cycles", "columns", "cores")
    assert heat.x_labels == ("4", "8", "16")
    assert heat.best[0].tolist() == [258, 133, 70.5]
    assert heat.best[1].tolist()[:2] == [133, 70.5]
    assert heat.machine[1].tolist() == [3, 4, 11]  # with the smaller latency the last one breaks a constraint
    one = grid({"cores": [1, 2]}, lambda cores: 5.0 * cores, {"cycles": {"max": 7}})
    empty = heat_map(one, "cycles", "cores", None).to_dict()
    assert (empty["best"], empty["machine"]) == ([[5.0, None]], [[0, None]])


def test_of_machines_that_cost_the_same_the_fastest_is_the_best():
    equal = Summary(grid({"cores": [2, 4, 1]}, lambda cores: 8000.0 / cores, energy_uj=lambda cores: 5.0))
    assert (equal.best["energy_uj"], equal.best["cycles"]) == (1, 1)
