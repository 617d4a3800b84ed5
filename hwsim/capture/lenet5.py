"""LeNet-5 with ReLU and max-pooling: its geometry, its first parameters and its forward pass.

LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 1998, with the changes
usual today: ReLU for tanh, max-pooling for trainable subsampling, every map of C3 reads all maps of S2, a
linear output layer. ReLU and pooling are monotonic, so pooling commutes with requantization.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hwsim.layer import Layer

if TYPE_CHECKING:
    from torch import Tensor

# Every map is named and shaped as its reader sees it: after pooling, and flattened for a linear layer.
LAYERS = (
    Layer("conv1", "conv", "image", (1, 32, 32), (6, 28, 28), (5, 5), output="pool1"),
    Layer("conv2", "conv", "pool1", (6, 14, 14), (16, 10, 10), (5, 5), output="pool2"),
    Layer("fc1", "linear", "pool2", (400, 1, 1), (120, 1, 1), output="fc1"),
    Layer("fc2", "linear", "fc1", (120, 1, 1), (84, 1, 1), output="fc2"),
    Layer("fc3", "linear", "fc2", (84, 1, 1), (10, 1, 1), relu=False),
)
POOL = {"conv1": 2, "conv2": 2}  # max-pooling behind a layer: size and stride
HIDDEN = tuple(layer.input for layer in LAYERS[1:])  # maps behind a ReLU


def initial(seed: int) -> dict[str, np.ndarray]:
    """Parameters before training, float32: ``<layer>.weight`` (M, C, Kh, Kw) and ``<layer>.bias`` (M,).

    Weights are uniform in +-sqrt(6 / fan-in) (He et al., ICCV 2015), biases zero.
    """
    random = np.random.default_rng(seed)
    parameters = {}
    for layer in LAYERS:
        bound = np.sqrt(6 / np.prod(layer.weight_shape[1:]))
        weight = random.uniform(-bound, bound, layer.weight_shape)
        parameters[f"{layer.name}.weight"] = weight.astype(np.float32)
        parameters[f"{layer.name}.bias"] = np.zeros(layer.out_shape[0], np.float32)
    return parameters


def forward(parameters: Mapping[str, Tensor], images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits (N, 10) and the maps that enter the layers, by name, each (N, C, H, W)."""
    from torch.nn import functional

    values, maps = images, {}
    for layer in LAYERS:
        maps[layer.input] = values = values.reshape(-1, *layer.in_shape)
        values = functional.conv2d(
            values, parameters[f"{layer.name}.weight"], parameters[f"{layer.name}.bias"]
        )
        if layer.relu:
            values = functional.relu(values)
        if layer.name in POOL:
            values = functional.max_pool2d(values, POOL[layer.name])
    return values.flatten(1), maps
