"""Networks for small pictures, with batch normalization and a ReLU of its own for every map.

Every ReLU has a threshold (FATReLU; Kurtz et al., ICML 2020), 0 at first, that a checkpoint holds among the
other tensors: a network is its factory and its checkpoint, whatever made its maps sparse.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from hwsim.capture.preprocessing import Preprocessing
from hwsim.capture.sources import load_weights, open_network
from hwsim.capture.torch_network import TorchNetwork
from hwsim.errors import HwsimError
from hwsim.networks.mobilenet import BLOCKS

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ModuleNotFoundError as missing:
    raise HwsimError(
        "training needs PyTorch, which is not installed: pip install 'hwsim[train]'"
    ) from missing

# Means and standard deviations of the training pictures' channels, scaled to 0 .. 1. MNIST is left as it is,
# so that black stays zero.
CIFAR10 = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}
MNIST = {"mean": [0.0], "std": [1.0]}

RESNET_FILTERS = (64, 128, 256, 512)


class FatReLU(nn.Module):
    """x where x > threshold, else 0; with threshold 0 it is ReLU.

    Attributes:
        threshold: float32 scalar, 0 or more; part of the checkpoint.
    """

    threshold: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = functional.relu(values)
        least = self.threshold.item()
        return functional.threshold(values, least, 0.0) if least else values


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al., 1998) with ReLU, max-pooling, all connections of C3 and batch normalization.

    MNIST's 28x28 pictures are padded to 32x32.
    """

    preprocessing: ClassVar[Mapping[str, Any]] = MNIST

    def __init__(self, classes: int = 10, width: float = 1.0) -> None:
        super().__init__()
        first, second, third, fourth = (_scaled(filters, width, 1) for filters in (6, 16, 120, 84))
        self.conv1, self.bn1, self.relu1 = (
            nn.Conv2d(1, first, 5, padding=2, bias=False),
            nn.BatchNorm2d(first),
            FatReLU(),
        )
        self.conv2, self.bn2, self.relu2 = (
            nn.Conv2d(first, second, 5, bias=False),
            nn.BatchNorm2d(second),
            FatReLU(),
        )
        self.fc1, self.bn3, self.relu3 = (
            nn.Linear(25 * second, third, bias=False),
            nn.BatchNorm1d(third),
            FatReLU(),
        )
        self.fc2, self.bn4, self.relu4 = (
            nn.Linear(third, fourth, bias=False),
            nn.BatchNorm1d(fourth),
            FatReLU(),
        )
        self.fc3 = nn.Linear(fourth, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) of pictures (N, 1, 28, 28)."""
        values = functional.max_pool2d(self.relu1(self.bn1(self.conv1(images))), 2)
        values = functional.max_pool2d(self.relu2(self.bn2(self.conv2(values))), 2).flatten(1)
        values = self.relu3(self.bn3(self.fc1(values)))
        return self.fc3(self.relu4(self.bn4(self.fc2(values))))


class MobileNetV1(nn.Module):
    """MobileNet-V1 for 32x32 pictures: the first convolution has stride 1, all padding is 1 on both sides."""

    preprocessing: ClassVar[Mapping[str, Any]] = CIFAR10

    def __init__(self, classes: int = 10, width: float = 0.25) -> None:
        super().__init__()
        channels = _scaled(32, width)
        self.conv0, self.bn0, self.relu0 = _conv(3, channels, 3), nn.BatchNorm2d(channels), FatReLU()
        self.blocks = [f"conv{number}" for number in range(1, len(BLOCKS) + 1)]
        for name, (full, stride) in zip(self.blocks, BLOCKS, strict=True):
            filters = _scaled(full, width)
            parts = {
                "dw": _conv(channels, channels, 3, stride, groups=channels),
                "dw_bn": nn.BatchNorm2d(channels),
                "dw_relu": FatReLU(),
                "pw": _conv(channels, filters, 1),
                "pw_bn": nn.BatchNorm2d(filters),
                "pw_relu": FatReLU(),
            }
            self.add_module(name, nn.Sequential(OrderedDict(parts)))
            channels = filters
        self.fc = nn.Linear(channels, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) of pictures (N, 3, H, W)."""
        values = self.relu0(self.bn0(self.conv0(images)))
        for name in self.blocks:
            values = getattr(self, name)(values)
        return self.fc(values.mean((2, 3)))


class ResNet18(nn.Module):
    """ResNet-18 for 32x32 pictures; names of torchvision.

    The first convolution is 3x3 of stride 1, no max-pooling follows.
    """

    preprocessing: ClassVar[Mapping[str, Any]] = CIFAR10

    def __init__(self, classes: int = 10, width: float = 0.25) -> None:
        super().__init__()
        channels = _scaled(RESNET_FILTERS[0], width)
        self.conv1, self.bn1, self.relu = _conv(3, channels, 3), nn.BatchNorm2d(channels), FatReLU()
        self.stages = [f"layer{stage}" for stage in range(1, 5)]
        for name, full in zip(self.stages, RESNET_FILTERS, strict=True):
            filters = _scaled(full, width)
            stride = 1 if name == "layer1" else 2
            self.add_module(
                name, nn.Sequential(_BasicBlock(channels, filters, stride), _BasicBlock(filters, filters))
            )
            channels = filters
        self.fc = nn.Linear(channels, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) of pictures (N, 3, H, W)."""
        values = self.relu(self.bn1(self.conv1(images)))
        for name in self.stages:
            values = getattr(self, name)(values)
        return self.fc(values.mean((2, 3)))


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; He et al., CVPR 2016."""

    def __init__(self, channels: int, filters: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(channels, filters, 3, stride), nn.BatchNorm2d(filters)
        self.conv2, self.bn2 = _conv(filters, filters, 3), nn.BatchNorm2d(filters)
        self.relu1, self.relu2 = FatReLU(), FatReLU()
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = nn.Sequential(_conv(channels, filters, 1, stride), nn.BatchNorm2d(filters))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        # The shortcut goes first, so that the sum is complete when conv2 is done.
        shortcut = self.downsample(values)
        values = self.relu1(self.bn1(self.conv1(values)))
        return self.relu2(self.bn2(self.conv2(values)) + shortcut)


def _conv(channels: int, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, kernel, stride, kernel // 2, groups=groups, bias=False)


def _scaled(filters: int, width: float, least: int = 8) -> int:
    """So many filters at a width, a multiple of ``least``."""
    return max(least, least * round(filters * width / least))


NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "lenet5": LeNet5,
    "mobilenet_v1": MobileNetV1,
    "resnet18": ResNet18,
}


def make_network(source: str, classes: int, width: float = 1.0, weights: Path | None = None) -> nn.Module:
    """A network to train.

    Args:
        source: one of :data:`NETWORKS`; or ``torchvision:NAME`` or ``package.module:factory``, which make
            their own number of outputs.
        classes: outputs of one of ours.
        width: factor on the filters of one of ours.
        weights: a checkpoint, as :func:`hwsim.capture.sources.load_weights` takes it.

    Returns:
        A module with an attribute ``preprocessing``, a mapping with at least ``mean`` and ``std``.

    Raises:
        HwsimError: there is no such network, or the checkpoint is not its own.
    """
    if source in NETWORKS:
        module = NETWORKS[source](classes, width)
        if weights is not None:
            load_weights(module, weights)
        return module
    if ":" not in source:
        raise HwsimError(
            f"{source!r} is no network: give {', '.join(NETWORKS)}, torchvision:NAME or "
            "package.module:factory"
        )
    opened, preprocessing = open_network(source, weights)
    if not isinstance(opened, TorchNetwork):
        raise HwsimError(f"{source} cannot be trained: give a PyTorch network")
    known = preprocessing or Preprocessing()
    opened.module.preprocessing = {"mean": list(known.mean), "std": list(known.std)}  # type: ignore[assignment]
    return opened.module


def preprocessing_of(module: nn.Module) -> Preprocessing:
    """What a network of :func:`make_network` takes: 8-bit pictures scaled to 0 .. 1, then normalized."""
    known: Any = module.preprocessing
    return Preprocessing(mean=tuple(known["mean"]), std=tuple(known["std"]))
