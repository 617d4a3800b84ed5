"""LeNet-5 in floats, by scipy and numpy: what the quantized network approximates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.signal import correlate

LAYERS = {"conv1": "bn1", "conv2": "bn2", "fc1": "bn3", "fc2": "bn4", "fc3": None}  # and their normalization
POOLED = ("conv1", "conv2")
EPSILON = 1e-5  # PyTorch's, of batch normalization


def folded(checkpoint: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weights (M, C, Kh, Kw) and bias (M,) of every layer, batch normalization among them; float64."""
    found = {}
    for layer, norm in LAYERS.items():
        weight = checkpoint[f"{layer}.weight"].astype(np.float64)
        weight = weight.reshape(*weight.shape, *(1,) * (4 - weight.ndim))
        if norm is None:
            found[layer] = weight, checkpoint[f"{layer}.bias"].astype(np.float64)
            continue
        gamma, beta, mean, variance = (
            checkpoint[f"{norm}.{name}"].astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + EPSILON)
        found[layer] = weight * factor[:, None, None, None], beta - mean * factor
    return found


def forward(
    network: Mapping[str, tuple[np.ndarray, np.ndarray]], image: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The maps that layers make, (C, H, W) by the layer, and logits (10,) of one real picture (1, 28, 28)."""
    maps, values = {"image": image}, image
    for layer, (weight, bias) in network.items():
        values = sums(weight, bias, values.reshape(-1, 1, 1) if layer == "fc1" else values)
        if LAYERS[layer] is not None:
            values = np.maximum(values, 0)
            maps[layer] = values = pool(values) if layer in POOLED else values
    return maps, values.ravel()


def sums(weight: np.ndarray, bias: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What a layer adds up, (M, Ho, Wo), before ReLU and pooling. The picture gets a border of two zeros."""
    if values.shape == (1, 28, 28):
        values = np.pad(values, ((0, 0), (2, 2), (2, 2)))
    filtered = np.concatenate(
        [correlate(np.asarray(values, np.float64), one, "valid", "direct") for one in weight]
    )
    return filtered + np.asarray(bias, np.float64)[:, None, None]


def pool(values: np.ndarray) -> np.ndarray:
    """2x2 max-pooling of (C, H, W): the largest of four interleaved quarters."""
    quarters = [values[:, y::2, x::2] for y in (0, 1) for x in (0, 1)]
    return np.maximum.reduce(quarters)
