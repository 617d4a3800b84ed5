"""The handwritten digits that come with scikit-learn, as pictures of the size of MNIST's."""

from __future__ import annotations

import numpy as np

from hwsim.errors import DataError

NAME = "digits"  # what a user gives for the data
LARGEST_PIXEL = 16
SCALE, BORDER = 3, 2  # 8x8 pixels become 24x24, in 28x28
TEST = 450  # of 1797 pictures


def read_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All digits in a fixed shuffled order; the last :data:`TEST` of them are for the test.

    Returns:
        images: uint8 (1797, 1, 28, 28).
        labels: int64 (1797,), 0 .. 9.
        numbers: int64 (1797,), place of each in ``sklearn.datasets.load_digits``.

    Raises:
        DataError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as missing:
        raise DataError(
            "the digits come with scikit-learn, which is not installed: pip install 'hwsim[train]'"
        ) from missing
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    return enlarged(data.images[order])[:, None], data.target[order].astype(np.int64), order


def enlarged(images: np.ndarray) -> np.ndarray:
    """Bilinear, three times as large, pixel centres aligned and edges repeated, with a black border.

    Args:
        images: integers 0 .. 16, (N, 8, 8).

    Returns:
        uint8 (N, 28, 28), 0 .. 255, rounded half to even. Black stays 0.
    """
    small = images.shape[-1]
    position = np.clip((np.arange(SCALE * small) + 0.5) / SCALE - 0.5, 0, small - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(small)))
    large = np.rint((weights @ images @ weights.T) * (255 / LARGEST_PIXEL)).astype(np.uint8)
    return np.pad(large, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))
