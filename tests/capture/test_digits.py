import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.capture import digits

SEEDS = st.integers(0, 2**32 - 1)


def pictures(seed: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 17, (count, 8, 8)).astype(np.float32) / 16


def bilinear(image: np.ndarray, y: int, x: int) -> float:
    """One pixel of the large picture, by the textbook."""
    total = 0.0
    for row in range(8):
        for column in range(8):
            at_y = min(max((y + 0.5) / 4 - 0.5, 0), 7)
            at_x = min(max((x + 0.5) / 4 - 0.5, 0), 7)
            total += max(0, 1 - abs(at_y - row)) * max(0, 1 - abs(at_x - column)) * float(image[row, column])
    return total


@given(SEEDS, st.integers(0, 31), st.integers(0, 31))
def test_upscaling_is_bilinear_and_exact(seed, y, x):
    images = pictures(seed)
    large = digits.upscale(images)
    assert large.shape == (2, 32, 32)
    assert large.dtype == np.float32
    assert large[1, y, x] == bilinear(images[1], y, x)


def test_black_stays_black():
    image = np.zeros((1, 8, 8), np.float32)
    image[0, :, 3] = 1
    assert not digits.upscale(image)[0, :, np.r_[:10, 18:32]].any()


@given(SEEDS)
def test_nine_places_hold_the_picture_moved_by_up_to_a_pixel(seed):
    images = pictures(seed)
    split = digits.Split(digits.upscale(images)[:, None], np.array([3, 4]), np.array([7, 9]))
    moved = split.shifted()
    assert moved.labels.tolist() == [3, 4] * 9
    assert moved.sources.tolist() == [7, 9] * 9
    places = moved.images.reshape(9, 2, 32, 32)
    np.testing.assert_array_equal(places[4], split.images[:, 0])
    np.testing.assert_array_equal(places[0][:, 1:, 1:], split.images[:, 0, :-1, :-1])
    np.testing.assert_array_equal(places[5][:, :, :-1], split.images[:, 0, :, 1:])
    assert not places[0][:, 0].any()
    assert not places[5][:, :, -1].any()


def test_the_parts_share_no_picture_and_hold_them_all():
    pytest.importorskip("sklearn")
    data = digits.load(0)
    sources = [part.sources for part in (data.train, data.validation, data.test)]
    assert [len(part) for part in sources] == [897, 450, 450]
    assert sorted(np.concatenate(sources)) == list(range(1797))
    again = digits.load(0)
    np.testing.assert_array_equal(data.test.images, again.test.images)
    assert not np.array_equal(data.test.sources, digits.load(1).test.sources)


def test_pictures_and_labels_belong_together():
    datasets = pytest.importorskip("sklearn.datasets")
    bundled, part = datasets.load_digits(), digits.load(5).validation
    np.testing.assert_array_equal(part.labels, bundled.target[part.sources])
    # Four pixels of the large picture have the small one's centre in their middle.
    centres = part.images.reshape(-1, 8, 4, 8, 4)[:, :, 1:3, :, 1:3].mean(axis=(2, 4))
    assert np.corrcoef(centres.ravel(), bundled.images[part.sources].ravel())[0, 1] > 0.99
