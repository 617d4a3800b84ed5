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
_CHUNK_VALUES = 1 << 18  # of the noise that is smoothed at a time
PEAK_BYTES, CHANNEL_BYTES = 20, 48  # of memory, measured; the codes that are made of a map included
_NOISE_BYTES = 4  # a near-normal number is the sum of four random bytes
_NOISE_MEAN, _NOISE_VARIANCE = _NOISE_BYTES * 255 / 2, _NOISE_BYTES * (256**2 - 1) / 12


def activation_map(shape: tuple[int, int, int], density: float, rng: np.random.Generator) -> np.ndarray:
    """A spatially clustered map: float64 (C, H, W), round(density x size) of it above 0, the rest 0.

    It takes up to ``PEAK_BYTES`` of memory a value, and ``CHANNEL_BYTES`` a value of a channel.

    Args:
        shape: (C, H, W).
        density: 0 .. 1.
        rng: source of randomness.
    """
    channels, height, width = shape
    field = np.empty(shape)
    _smooth(rng, field, _OWN_SIDE)
    shared, level = np.empty((1, height, width)), np.empty((channels, 1, 1))
    _smooth(rng, shared, _SHARED_SIDE)
    _smooth(rng, level)
    field *= math.sqrt(_OWN)
    field += math.sqrt(_SHARED) * shared
    field += math.sqrt(_LEVEL) * level
    _keep_largest(field, round(density * field.size))
    stretched = field / 2
    stretched += 1
    field *= stretched
    return field


def _smooth(rng: np.random.Generator, field: np.ndarray, part: float = 0.0) -> None:
    """Fill (C, H, W) with a random field of mean 0, variance 1: noise under a box filter, twice each way."""
    length = min(field.shape[1:])
    side = 1 + max(1, round(part * length)) if length > 1 else 1
    margin = 2 * (side - 1)
    height, width = field.shape[1] + margin, field.shape[2] + margin
    box = np.ones(side, np.int64)
    gain = int((np.convolve(box, box) ** 2).sum())  # of the variance, in each direction
    together = max(1, _CHUNK_VALUES // (height * width))
    for first in range(0, len(field), together):  # some channels at a time, so that memory does not grow
        chunk = field[first : first + together]
        drawn = rng.integers(0, 256, (len(chunk), height, width, _NOISE_BYTES), np.uint8)
        sums = drawn.sum(axis=-1, dtype=np.int64)
        for axis in (1, 1, 2, 2):
            sums = _boxed(sums, axis, side)
        chunk[...] = (sums - _NOISE_MEAN * side**4) / (math.sqrt(_NOISE_VARIANCE) * gain)


def _boxed(values: np.ndarray, axis: int, side: int) -> np.ndarray:
    """Sums of ``side`` neighbours along an axis."""
    sums = np.insert(np.cumsum(values, axis=axis), 0, 0, axis=axis)
    count = sums.shape[axis] - side
    return sums.take(range(side, side + count), axis) - sums.take(range(count), axis)


def _keep_largest(field: np.ndarray, count: int) -> None:
    """Keep the ``count`` largest values (the first of equals), less the largest other; 0 elsewhere."""
    flat = field.reshape(-1)
    if not count:
        flat[:] = 0
        return
    rank = flat.size - count
    last = np.partition(flat, rank)[rank]
    kept = flat > last
    kept[np.flatnonzero(flat == last)[: count - np.count_nonzero(kept)]] = True
    below = flat.max(where=~kept, initial=-math.inf) if rank else last
    flat -= below
    np.maximum(flat, np.finfo(np.float64).tiny, out=flat)
    flat[~kept] = 0
