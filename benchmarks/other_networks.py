"""Trained networks from weights in .npz files, as modules: what measure_networks.py runs.

- resnet18: torchvision's names, batch normalization as ``<bn>.scale`` and ``<bn>.shift``.
- squeezenet: SqueezeNet 1.0, Caffe's names (``fire2.squeeze1x1.weight`` ...), BGR, 0 .. 255.
- resnet20: the CIFAR-10 network with option-A shortcuts, a PyTorch state dict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hwsim.capture.sources import load_weights

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


class Resnet20(nn.Module):
    """ResNet-20 for CIFAR-10 (He et al., 2016, section 4.2)."""

    preprocessing: ClassVar[Mapping[str, Any]] = IMAGENET

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        widths = (16, 16, 32, 64)
        for stage in (1, 2, 3):
            before, after = widths[stage - 1], widths[stage]
            blocks = [_Block(before if j == 0 else after, after) for j in range(3)]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10)."""
        values = functional.relu(self.bn1(self.conv1(images)))
        values = self.layer3(self.layer2(self.layer1(values)))
        return self.fc(values.mean((2, 3)))


class _Block(nn.Module):
    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.grows = filters > channels
        self.conv1 = nn.Conv2d(channels, filters, 3, 1 + self.grows, 1, bias=False)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(filters), nn.BatchNorm2d(filters)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        made = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(values)))))
        if self.grows:  # every second pixel, and channels of zeros on both sides
            spare = made.shape[1] // 4
            values = functional.pad(values[:, :, ::2, ::2], (0, 0, 0, 0, spare, spare))
        return functional.relu(made + values)


class Squeezenet(nn.Module):
    """SqueezeNet 1.0 as Caffe has it (Iandola et al., 2016)."""

    preprocessing: ClassVar[Mapping[str, Any]] = {
        "mean": [104 / 255, 117 / 255, 123 / 255],
        "std": [1 / 255] * 3,
        "size": 256,
        "crop": 227,
        "bgr": True,
    }

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 7, 2)
        channels = 96
        for fire, squeeze in zip(range(2, 10), (16, 16, 32, 32, 48, 48, 64, 64), strict=True):
            parts = {
                "squeeze1x1": nn.Conv2d(channels, squeeze, 1),
                "expand1x1": nn.Conv2d(squeeze, 4 * squeeze, 1),
                "expand3x3": nn.Conv2d(squeeze, 4 * squeeze, 3, padding=1),
            }
            self.add_module(f"fire{fire}", nn.ModuleDict(parts))
            channels = 8 * squeeze
        self.conv10 = nn.Conv2d(512, 1000, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 1000)."""
        values = functional.max_pool2d(functional.relu(self.conv1(images)), 3, 2, ceil_mode=True)
        for number in range(2, 10):
            fire = getattr(self, f"fire{number}")
            values = functional.relu(fire["squeeze1x1"](values))
            wide = [functional.relu(fire[name](values)) for name in ("expand1x1", "expand3x3")]
            values = torch.cat(wide, 1)
            if number in (4, 8):
                values = functional.max_pool2d(values, 3, 2, ceil_mode=True)
        values = functional.pad(values, (1, 1, 1, 1))  # more zeros than a layer of the machine adds itself
        return functional.relu(self.conv10(values)).mean((2, 3))


def resnet18(weights: Path) -> nn.Module:
    """torchvision's ResNet-18, its batch normalization as factors and offsets."""
    # torchvision looks for these operators of its own; a torch for the CPU alone does not have them.
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.models import resnet18 as make

    module = make(weights=None)
    state = {}
    with np.load(weights) as arrays:
        for name, values in arrays.items():
            state[name] = torch.from_numpy(values.astype(np.float32))
    for name, part in module.named_modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 0.0
            state[f"{name}.weight"], state[f"{name}.bias"] = (
                state.pop(f"{name}.{key}") for key in ("scale", "shift")
            )
            state[f"{name}.running_mean"] = torch.zeros_like(part.running_mean)
            state[f"{name}.running_var"] = torch.ones_like(part.running_var)
    module.load_state_dict(state, strict=False)
    module.preprocessing = {**IMAGENET, "size": 256, "crop": 224}
    return module


def _loaded(make: Callable[[], nn.Module]) -> Callable[[Path], nn.Module]:
    def load(weights: Path) -> nn.Module:
        module = make()
        load_weights(module, weights)
        return module

    return load


NETWORKS: Mapping[str, Callable[[Path], nn.Module]] = {
    "resnet18": resnet18,
    "squeezenet": _loaded(Squeezenet),
    "resnet20": _loaded(Resnet20),
}
