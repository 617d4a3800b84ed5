"""LeNet-5 in floats, by scipy and numpy: what the quantized network approximates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.signal import correlate

STEPS = (("conv1", "pool1"), ("conv2", "pool2"), ("fc1", "fc1"), ("fc2", "fc2"), ("fc3", None))


def forward(
    parameters: Mapping[str, np.ndarray], image: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Maps by name, (C, H, W), and logits (10,) of one real picture (1, 32, 32)."""
    maps, values = {"image": image}, image
    for layer, made in STEPS:
        values = sums(parameters[f"{layer}.weight"], parameters[f"{layer}.bias"], values)
        if made is not None:
            values = np.maximum(values, 0)
            values = pool(values) if made.startswith("pool") else values
            values = values.reshape(-1, 1, 1) if made == "pool2" else values
            maps[made] = values
    return maps, values.ravel()


def sums(weight: np.ndarray, bias: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What a layer adds up, (M, Ho, Wo), before ReLU and pooling."""
    weight, values = np.asarray(weight, np.float64), np.asarray(values, np.float64)
    filtered = np.concatenate([correlate(values, one, "valid", "direct") for one in weight])
    return filtered + np.asarray(bias, np.float64)[:, None, None]


def pool(values: np.ndarray) -> np.ndarray:
    """2x2 max-pooling of (C, H, W): the largest of four interleaved quarters."""
    quarters = [values[:, y::2, x::2] for y in (0, 1) for x in (0, 1)]
    return np.maximum.reduce(quarters)
