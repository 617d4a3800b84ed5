"""Made-up maps have exactly the density asked for, and come in clusters."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.synthetic import activation_map
from hwsim.synthetic.fields import _keep_largest


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 40), st.integers(1, 40)),
    density=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_the_density_is_met_to_the_nearest_value(shape, density, seed):
    values = activation_map(shape, density, rng(seed))
    assert values.shape == shape
    assert values.min() >= 0
    assert np.count_nonzero(values) == round(density * values.size)


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_values_and_zeros_are_clustered_in_space(density):
    on = activation_map((32, 56, 56), density, rng()) > 0
    # White noise would agree with its neighbour with this probability.
    chance = density**2 + (1 - density) ** 2
    for neighbours in (on[:, 1:] == on[:, :-1], on[:, :, 1:] == on[:, :, :-1]):
        assert neighbours.mean() > chance + 0.5 * (1 - chance)


def test_channels_differ_in_density_far_more_than_noise():
    on = activation_map((64, 28, 28), 0.5, rng()) > 0
    channel = on.mean(axis=(1, 2))
    assert channel.std() > 0.15  # of independent values: 0.018
    assert channel.min() < 0.2
    assert channel.max() > 0.8


def test_channels_share_where_they_are_active():
    on = activation_map((256, 28, 28), 0.5, rng()) > 0
    assert on.mean(axis=0).std() > 0.06  # of independent channels: at most 0.5 / sqrt(256) = 0.031


def test_values_fall_off_like_a_tail():
    values = activation_map((64, 56, 56), 0.3, rng())
    values = values[values > 0]
    # The share of values below the mean: 0.63 of an exponential, 0.575 of a half-normal, 0.5 of a uniform.
    assert 0.55 < (values < values.mean()).mean() < 0.68
    histogram, _ = np.histogram(values, bins=8)
    assert (np.diff(histogram) < 0).all()


def plain_field(
    source: np.random.Generator, shape: tuple[int, int, int], side: int
) -> list[list[list[float]]]:
    """Smoothed noise by loops: sums of four bytes, weighted by how two boxes of ``side`` overlap."""
    channels, height, width = shape
    margin = 2 * (side - 1)
    noise = source.integers(0, 256, (channels, height + margin, width + margin, 4), np.uint8).tolist()
    overlap = [side - abs(side - 1 - i) for i in range(2 * side - 1)]
    gain = sum(weight * weight for weight in overlap)
    field = []
    for channel in noise:
        rows = []
        for y in range(height):
            row = []
            for x in range(width):
                total = sum(
                    wy * wx * sum(channel[y + i][x + j])
                    for i, wy in enumerate(overlap)
                    for j, wx in enumerate(overlap)
                )
                row.append((total - 510.0 * side**4) / (math.sqrt(4 * 65535 / 12) * gain))
            rows.append(row)
        field.append(rows)
    return field


@pytest.mark.parametrize(
    ("shape", "own_side", "shared_side"), [((3, 20, 18), 2, 4), ((4, 7, 9), 2, 2), ((5, 1, 1), 1, 1)]
)
def test_loops_over_plain_numbers_give_the_same_bits(shape, own_side, shared_side):
    # Integers and single IEEE operations only: so it is the same on every platform.
    channels, height, width = shape
    source = rng(9)
    own = plain_field(source, shape, own_side)
    shared = plain_field(source, (1, height, width), shared_side)
    level = plain_field(source, (channels, 1, 1), 1)
    pixels = [(c, y, x) for c in range(channels) for y in range(height) for x in range(width)]
    field = {
        (c, y, x): math.sqrt(0.65) * own[c][y][x]
        + math.sqrt(0.05) * shared[0][y][x]
        + math.sqrt(0.3) * level[c][0][0]
        for c, y, x in pixels
    }
    ranked = sorted(pixels, key=field.__getitem__, reverse=True)
    count = round(0.4 * len(pixels))
    expected = np.zeros(shape)
    for pixel in ranked[:count]:
        tail = field[pixel] - field[ranked[count]]
        expected[pixel] = tail * (1 + tail / 2)
    np.testing.assert_array_equal(activation_map(shape, 0.4, rng(9)), expected)


def test_of_equal_values_the_first_stay():
    values = np.array([[[3.0, 1.0, 2.0, 2.0, 2.0]]])
    _keep_largest(values, 3)
    np.testing.assert_array_equal(values > 0, [[[True, False, True, True, False]]])


def test_seeds_differ():
    assert (activation_map((8, 14, 14), 0.4, rng(1)) != activation_map((8, 14, 14), 0.4, rng(2))).any()
