"""The digits of scikit-learn as a data set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import DataError
from hwsim.sparsify import digits
from hwsim.sparsify.datasets import open_dataset


def bilinear(image: np.ndarray, y: int, x: int) -> float:
    """One pixel of the large picture, by the textbook."""
    total = 0.0
    for row in range(8):
        for column in range(8):
            at_y = min(max((y + 0.5) / 3 - 0.5, 0), 7)
            at_x = min(max((x + 0.5) / 3 - 0.5, 0), 7)
            total += max(0, 1 - abs(at_y - row)) * max(0, 1 - abs(at_x - column)) * float(image[row, column])
    return total


@given(st.integers(0, 2**32 - 1), st.integers(0, 23), st.integers(0, 23))
def test_pictures_are_enlarged_bilinearly_and_rounded(seed, y, x):
    images = np.random.default_rng(seed).integers(0, 17, (2, 8, 8))
    large = digits.enlarged(images)
    assert (large.shape, large.dtype) == ((2, 28, 28), np.uint8)
    assert abs(large[1, y + 2, x + 2] - bilinear(images[1], y, x) * 255 / 16) < 0.5001


def test_black_stays_black_and_is_around_the_picture():
    image = np.full((1, 8, 8), 16)
    image[0, :, 3] = 0
    large = digits.enlarged(image)[0]
    assert not large[:, 2 + 10].any()  # the middle of the column
    assert large[2:-2, 2:-2][:, [0, -1]].all()
    large[2:-2, 2:-2] = 0
    assert not large.any()


def test_every_digit_is_in_one_part_beside_its_label():
    datasets = pytest.importorskip("sklearn.datasets")
    bundled, data = datasets.load_digits(), open_dataset("digits", seed=5)
    parts = (data.train, data.validation, data.test)
    assert [len(part) for part in parts] == [1078, 269, 450]
    assert (data.name, data.classes) == ("digits", 10)
    assert np.array_equal(data.test.images, open_dataset("digits", seed=6).test.images)
    numbers = [part.numbers for part in parts]
    assert sorted(np.concatenate(numbers)) == list(range(1797))
    for part in parts:
        np.testing.assert_array_equal(part.labels, bundled.target[part.numbers])
        centres = part.images[:, 0, 3:27:3, 3:27:3] * (16 / 255)  # pixels in the middle of the small ones
        np.testing.assert_allclose(centres, bundled.images[part.numbers], atol=0.04)


def test_without_scikit_learn_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(
        DataError, match=r"scikit-learn, which is not installed: pip install 'hwsim\[train\]'"
    ):
        open_dataset("digits")
