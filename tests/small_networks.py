"""Small networks for the tests of the capture, and what hooks see of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SHAPE = (3, 12, 10)


def normalized(channels: int, rng: torch.Generator) -> nn.BatchNorm2d:
    """A batch normalization with statistics of its own."""
    norm = nn.BatchNorm2d(channels)
    norm.running_mean = torch.randn(channels, generator=rng) * 0.2
    norm.running_var = torch.rand(channels, generator=rng) + 0.5
    norm.weight.data = torch.rand(channels, generator=rng) + 0.5
    norm.bias.data = torch.randn(channels, generator=rng) * 0.2
    return norm


class Residual(nn.Module):
    """Two convolutions and a shortcut, added in place, as ResNet has them."""

    def __init__(self, channels: int, filters: int, stride: int, rng: torch.Generator) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = normalized(filters, rng)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = normalized(filters, rng)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = (
            nn.Sequential(nn.Conv2d(channels, filters, 1, stride), normalized(filters, rng))
            if stride > 1 or channels != filters
            else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        made += x if self.shortcut is None else self.shortcut(x)
        return self.relu(made)


class Branches(nn.Module):
    """Three branches from one map, one of them pooled, concatenated."""

    def __init__(self, channels: int, rng: torch.Generator) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, 4, 1)
        self.three = nn.Sequential(nn.Conv2d(channels, 6, (1, 3), padding=(0, 1)), normalized(6, rng))
        self.pooled = nn.Conv2d(channels, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = functional.avg_pool2d(x, 3, 1, 1)
        parts = [functional.relu(part) for part in (self.one(x), self.three(x), self.pooled(pool))]
        return torch.cat(parts, 1)


class Everything(nn.Module):
    """All that a capture follows: residuals, branches, depthwise, padding, pooling, two linear layers."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        rng = torch.Generator().manual_seed(seed)
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.same = Residual(8, 8, 1, rng)
        self.down = Residual(8, 12, 2, rng)
        self.branches = Branches(12, rng)
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.depthwise = nn.Conv2d(15, 15, 3, 2, groups=15, bias=False)
        self.norm = normalized(15, rng)
        self.point = nn.Conv2d(15, 10, 1)
        self.hidden = nn.Linear(10, 9)
        self.last = nn.Linear(9, 4, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = functional.relu(functional.max_pool2d(self.stem(images), 2))
        x = self.branches(self.down(self.same(x)))
        x = functional.relu6(self.norm(self.depthwise(self.pad(x))))
        x = functional.dropout(functional.relu(self.point(x)), training=self.training)
        x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.last(self.hidden(x).relu())


class Kinds(nn.Module):
    """Convolutions of every kind in a row."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.grouped = nn.Conv2d(3, 6, 3, padding=1, groups=3)
        self.resnext = nn.Conv2d(6, 8, 3, padding=1, groups=2)
        self.dilated = nn.Conv2d(8, 6, 3, padding=(2, 1), dilation=(2, 1))
        self.strided = nn.Conv2d(6, 8, 3, padding=1, stride=(2, 1))
        self.up = nn.ConvTranspose2d(8, 6, (2, 3), stride=(2, 1), padding=(0, 1), groups=2)
        self.further = nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, dilation=2)
        self.deconv = nn.ConvTranspose2d(4, 4, 3, groups=4)
        self.last = nn.Conv2d(4, 4, 1, dilation=3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = images
        for part in self.children():
            values = functional.relu(part(values))
        return values


def pictures(count: int, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> list[np.ndarray]:
    """Random pictures, float32 (C, H, W), with values below 0."""
    return list(np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32))


def seen_by_hooks(
    module: nn.Module, image: np.ndarray, of: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What enters each convolution and linear layer and what leaves the modules ``of``: (C, H, W) by name."""
    entered: dict[str, np.ndarray] = {}
    left: dict[str, np.ndarray] = {}

    def keep(kept: dict[str, np.ndarray], name: str, values: torch.Tensor) -> None:
        shape = values.shape[1:] if values.ndim == 4 else (values.numel(), 1, 1)
        kept.setdefault(name, values.detach().clone().reshape(shape).numpy())

    hooks = []
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            hooks.append(part.register_forward_pre_hook(lambda _, given, n=name: keep(entered, n, given[0])))
        if name in of:
            hooks.append(part.register_forward_hook(lambda _m, _g, made, n=name: keep(left, n, made)))
    module.eval()
    with torch.no_grad():
        module(torch.from_numpy(image)[None])
    for hook in hooks:
        hook.remove()
    return entered, left
