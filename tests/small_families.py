"""Small networks, one of each kind that people bring, with random weights; pictures of 3x16x16."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from small_networks import Everything, normalized
from torch import nn
from torch.nn import functional

SHAPE = (3, 16, 16)


class Gated(nn.Module):
    """An activation between two convolutions."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.Conv2d(8, 6, 1)
        self.norm, self.activation = normalized(8, torch.Generator().manual_seed(0)), activation

    def forward(self, x):
        return self.two(self.activation(self.norm(self.one(x))))


class Squeeze(nn.Module):
    """EfficientNet's block, with squeeze and excitation."""

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.expand, self.norm = nn.Conv2d(3, 8, 1), normalized(8, rng)
        self.spatial = nn.Conv2d(8, 8, 3, 2, 1, groups=8)
        self.down, self.up, self.gate = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1), gate
        self.project, self.head = nn.Conv2d(8, 6, 1), nn.Linear(6, 4)

    def forward(self, x):
        x = functional.silu(self.spatial(functional.silu(self.norm(self.expand(x)))))
        x = x * self.gate(self.up(functional.relu(self.down(functional.adaptive_avg_pool2d(x, 1)))))
        return self.head(self.project(x).mean((2, 3)))


class Shuffled(nn.Module):
    """ShuffleNet's units: halves of the channels, and a shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.branches = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()) for _ in range(2))
        self.last = nn.Conv2d(8, 6, 1)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        for branch in self.branches:
            left, right = x.chunk(2, 1)
            x = torch.cat((left, branch(right)), 1)
            batch, channels, height, width = x.shape
            x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous()
            x = x.view(batch, channels, height, width)
        return self.last(x)


class ConvNext(nn.Module):
    """A block of ConvNeXt: linear layers over every pixel, and a scale behind a permutation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.spatial = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.scale = nn.Parameter(torch.rand(8, 1, 1) + 0.5)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x)
        made = self.norm(self.spatial(x).permute(0, 2, 3, 1))
        made = self.narrow(functional.gelu(self.wide(made))).permute(0, 3, 1, 2)
        return self.head((x + self.scale * made).mean((2, 3)))


class Transformer(nn.Module):
    """Patches, a token for the class, and a layer of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(len(x), -1, -1), x), 1)
        return self.head(self.layer(x)[:, 0])


class Windows(nn.Module):
    """Swin's windows: vectors cut from a grid, a linear layer over them, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 8, 2, 2), nn.LayerNorm(8)
        self.inside, self.last = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        x = self.norm(self.patches(x).permute(0, 2, 3, 1))
        batch, height, width, channels = x.shape
        cut = x.view(batch, height // 4, 4, width // 4, 4, channels).permute(0, 1, 3, 2, 4, 5)
        made = functional.relu(self.inside(cut.reshape(-1, 16, channels)))
        made = made.view(batch, height // 4, width // 4, 4, 4, channels).permute(0, 1, 3, 2, 4, 5)
        return self.last(made.reshape(batch, height, width, channels).mean((1, 2)))


class Dense(nn.Module):
    """A block of DenseNet: every layer reads all that came before, each normalized for it."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.norms = nn.ModuleList(normalized(4 + 2 * n, rng) for n in range(3))
        self.convs = nn.ModuleList(nn.Conv2d(4 + 2 * n, 2, 3, padding=1) for n in range(3))

    def forward(self, x):
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = torch.cat((x, conv(functional.relu(norm(x)))), 1)
        return x


class Pooled(nn.Module):
    """A map read by a layer, by a pool before another, and by a sum before a third."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.plain, self.pooled = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 4, 1)
        self.summed = nn.Conv2d(6, 4, 1)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        pooled = self.pooled(functional.avg_pool2d(x, 3, 1, 1))
        return self.summed(x + functional.relu(self.plain(x))) + pooled


class Unet(nn.Module):
    """Down by pooling, up by a transposed convolution and by interpolation, beside what was left out."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (
            nn.Conv2d(3, 4, 3, padding=1),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.Conv2d(6, 6, 1),
        )
        self.up, self.join = nn.ConvTranspose2d(6, 4, 2, 2), nn.Conv2d(10, 4, 3, padding=1)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        one = functional.relu(self.one(x))
        two = functional.relu(self.two(functional.max_pool2d(one, 2)))
        three = functional.relu(self.three(functional.max_pool2d(two, 2)))
        x = functional.relu(self.join(torch.cat((self.up(three), two), 1)))
        return self.last(torch.cat((functional.interpolate(x, scale_factor=2), one), 1))


class Convolutions(nn.Module):
    """Groups, a depth multiplier, dilation, two strides, zeros that no tap takes, one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.grouped = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.multiplied = nn.Conv2d(8, 16, 3, padding=1, groups=8)
        self.dilated = nn.Conv2d(16, 8, 3, padding=2, dilation=2)
        self.strided, self.padded = nn.Conv2d(8, 8, 3, (2, 1), 1), nn.Conv2d(8, 6, 1, padding=1)
        self.up = nn.ConvTranspose2d(6, 4, 3, 2, 1, 1)
        self.line = nn.Conv1d(4, 6, 3, padding=1)

    def forward(self, x):
        for part in (
            self.stem,
            self.grouped,
            self.multiplied,
            self.dilated,
            self.strided,
            self.padded,
            self.up,
        ):
            x = functional.relu(part(x))
        return self.line(x.flatten(2))


class Products(nn.Module):
    """Linear layers that are written as products: einsum, weights on the left, a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.mixed, self.tokens = nn.Parameter(torch.randn(6, 8)), nn.Parameter(torch.randn(5, 16))
        self.last = nn.Parameter(torch.randn(6, 4))

    def forward(self, x):
        x = functional.relu(torch.einsum("bchw,oc->bohw", functional.relu(self.stem(x)), self.mixed))
        x = functional.relu(self.tokens @ x.flatten(2).transpose(1, 2))
        return x @ self.last


class Subpixels(nn.Module):
    """Depth to space and back."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (
            nn.Conv2d(3, 8, 3, padding=1),
            nn.Conv2d(2, 4, 3, padding=1),
            nn.Conv2d(16, 4, 1),
        )

    def forward(self, x):
        x = functional.relu(self.two(functional.pixel_shuffle(functional.relu(self.one(x)), 2)))
        return self.three(functional.pixel_unshuffle(x, 2))


def everything() -> nn.Module:
    """Residuals, branches, depthwise, padding, pooling, linear layers."""
    return Everything()


def gated(kind: Callable[[], nn.Module]) -> nn.Module:
    """A network whose activations are of a kind."""
    return Gated(kind())


FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "everything": everything,
    **{
        kind.__name__.lower(): partial(gated, kind)
        for kind in (nn.SiLU, nn.Mish, nn.GELU, nn.Hardswish, nn.ReLU6)
    },
    "squeeze": lambda: Squeeze(nn.Sigmoid()),
    "squeeze_hard": lambda: Squeeze(nn.Hardsigmoid()),
    **{
        kind.__name__.lower(): kind
        for kind in (
            Shuffled,
            ConvNext,
            Transformer,
            Windows,
            Dense,
            Pooled,
            Unet,
            Convolutions,
            Products,
            Subpixels,
        )
    },
}


def family(name: str) -> nn.Module:
    """A network in evaluation mode, the same each time."""
    torch.manual_seed(1)
    return FAMILIES[name]().eval()
