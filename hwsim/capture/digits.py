"""The handwritten digits bundled with scikit-learn, as 32x32 pictures in three fixed parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.errors import HwsimError

SIZE, SCALE = 32, 4
LARGEST_PIXEL = 16
VALIDATION = TEST = 450  # of 1797; the rest is for training


@dataclass(frozen=True)
class Split:
    """Pictures and their labels.

    Attributes:
        images: float32 (N, 1, 32, 32), 0 .. 1.
        labels: int64 (N,), 0 .. 9.
        sources: int64 (N,), index of every picture in ``sklearn.datasets.load_digits``.
    """

    images: np.ndarray
    labels: np.ndarray
    sources: np.ndarray

    def first(self, count: int) -> Split:
        """The first ``count`` pictures."""
        return Split(self.images[:count], self.labels[:count], self.sources[:count])

    def shifted(self) -> Split:
        """Every picture at nine places: moved by -1, 0 and 1 pixels in y and x; black comes in."""
        padded = np.pad(self.images, ((0, 0), (0, 0), (1, 1), (1, 1)))
        moved = [padded[..., y : y + SIZE, x : x + SIZE] for y in range(3) for x in range(3)]
        return Split(np.concatenate(moved), np.tile(self.labels, 9), np.tile(self.sources, 9))


@dataclass(frozen=True)
class Digits:
    """The data set, cut in three."""

    train: Split
    validation: Split
    test: Split


def load(seed: int) -> Digits:
    """All 1797 digits, shuffled by ``seed`` and cut into 897 for training, 450 for validation, 450 for test.

    Raises:
        HwsimError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as missing:
        raise HwsimError(
            "the digits come with scikit-learn, which is not installed: pip install 'hwsim[train]'"
        ) from missing
    data = load_digits()
    images = upscale(data.images.astype(np.float32) / LARGEST_PIXEL)[:, None]
    order = np.random.default_rng(seed).permutation(len(images))
    parts = np.split(order, [len(order) - VALIDATION - TEST, len(order) - TEST])
    return Digits(*(Split(images[part], data.target[part].astype(np.int64), part) for part in parts))


def upscale(images: np.ndarray) -> np.ndarray:
    """Bilinear, 8x8 to 32x32, pixel centres aligned and edges repeated: float32 (N, 8, 8) to (N, 32, 32).

    The weights are eighths, so that pixels of 1/16 steps come out exact, and black stays exactly 0.
    """
    small = images.shape[-1]
    position = np.clip((np.arange(SIZE) + 0.5) / SCALE - 0.5, 0, small - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(small))).astype(np.float32)
    return weights @ images @ weights.T
