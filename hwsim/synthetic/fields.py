"""Made-up activation maps, spatially clustered.

Each channel is the sum of a smooth random field of its own, a coarser one that all channels share (an
object lights up many channels at once) and a constant of its own (some channels are nearly always on, some
nearly always off). The largest values of the whole map, as many as the density asks for, stay, less the
threshold; the rest is zero. So zeros and values come in clusters, the largest values lie inside them, and
values fall off a little slower than exponentially.

The constants are set by hand on the maps of a trained ResNet-18 (five ImageNet pictures), so that synthetic
maps of the same density agree roughly in how zeros correlate between neighbours (real: 0.2 to 0.7, more in
larger maps), how densities differ between channels and between places, and in largest / mean value (8 to 12).

Random integers, integer sums and single float operations make all of it, in a fixed order: a seed gives the
same map on every platform.
"""

from __future__ import annotations

import math

import numpy as np

# Share of the variance, and side of the smoothing box (less 1) as a part of the map's side.
_OWN, _SHARED, _LEVEL = 0.65, 0.05, 0.3
_OWN_SIDE, _SHARED_SIDE = 1 / 24, 1 / 6
_NOISE_BYTES = 4  # a near-normal number is the sum of four random bytes
_NOISE_MEAN, _NOISE_VARIANCE = _NOISE_BYTES * 255 / 2, _NOISE_BYTES * (256**2 - 1) / 12


def activation_map(shape: tuple[int, int, int], density: float, rng: np.random.Generator) -> np.ndarray:
    """A spatially clustered map: float64 (C, H, W), round(density x size) of it above 0, the rest 0.

    Args:
        shape: (C, H, W).
        density: 0 .. 1.
        rng: source of randomness.
    """
    channels, height, width = shape
    field = (
        math.sqrt(_OWN) * _smooth(rng, shape, _OWN_SIDE)
        + math.sqrt(_SHARED) * _smooth(rng, (1, height, width), _SHARED_SIDE)
        + math.sqrt(_LEVEL) * _smooth(rng, (channels, 1, 1))
    )
    tail = _largest(field, round(density * field.size))
    return tail * (1 + tail / 2)


def _smooth(rng: np.random.Generator, shape: tuple[int, int, int], part: float = 0.0) -> np.ndarray:
    """A random field of mean 0 and variance 1: noise under a box filter, twice in each direction."""
    length = min(shape[1:])
    side = 1 + max(1, round(part * length)) if length > 1 else 1
    margin = 2 * (side - 1)
    drawn = (shape[0], shape[1] + margin, shape[2] + margin, _NOISE_BYTES)
    field = rng.integers(0, 256, drawn, np.uint8).sum(axis=-1, dtype=np.int64)
    for axis in (1, 1, 2, 2):
        sums = np.insert(np.cumsum(field, axis=axis), 0, 0, axis=axis)
        count = sums.shape[axis] - side
        field = sums.take(range(side, side + count), axis) - sums.take(range(count), axis)
    box = np.ones(side, np.int64)
    gain = int((np.convolve(box, box) ** 2).sum())  # of the variance, in each direction
    return (field - _NOISE_MEAN * side**4) / (math.sqrt(_NOISE_VARIANCE) * gain)


def _largest(field: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` largest values, less the largest of the others; 0 elsewhere. The first of equals."""
    values = np.zeros(field.size)
    flat = field.ravel()
    if count:
        rank = flat.size - count
        last = np.partition(flat, rank)[rank]
        kept = flat > last
        kept[np.flatnonzero(flat == last)[: count - np.count_nonzero(kept)]] = True
        below = flat[~kept].max() if rank else last
        values[kept] = np.maximum(flat[kept] - below, np.finfo(np.float64).tiny)
    return values.reshape(field.shape)
