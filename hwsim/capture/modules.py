"""The project's own networks as PyTorch modules, those that torchvision lacks. Needs the ``train`` extra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hwsim.errors import HwsimError
from hwsim.networks import get

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ModuleNotFoundError as missing:
    raise HwsimError(
        "the project's networks need PyTorch, which is not installed: pip install 'hwsim[train]'"
    ) from missing


class TensorFlowMobileNetV1(nn.Module):
    """MobileNet-V1 1.0/224, batch normalization folded, with TensorFlow's SAME padding and ReLU6.

    Geometry and names of layers are those of :func:`hwsim.networks.mobilenet.mobilenet_v1`.

    Args:
        classes: TensorFlow's released weights have 1001, the first of them the background.
    """

    preprocessing: ClassVar[Mapping[str, Any]] = {
        "mean": [128 / 255] * 3,
        "std": [128 / 255] * 3,
        "size": 256,
        "crop": 224,
    }

    def __init__(self, classes: int = 1001) -> None:
        super().__init__()
        blocks: dict[str, nn.ModuleDict] = {}
        for layer in get("mobilenet_v1").layers:
            channels, filters = layer.in_shape[0], layer.out_shape[0]
            if layer.kind == "linear":
                self.fc = nn.Linear(channels, classes)
                continue
            groups = channels if layer.kind == "depthwise" else 1
            conv = nn.Conv2d(channels, filters, layer.kernel, layer.stride, groups=groups)
            block, _, part = layer.name.partition(".")
            if part:
                blocks.setdefault(block, nn.ModuleDict())[part] = conv
            else:
                self.conv0 = conv
        self.blocks = list(blocks)
        for name, module in blocks.items():
            self.add_module(name, module)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes)."""
        values = _relu6_same(self.conv0, images)
        for name in self.blocks:
            block = getattr(self, name)
            values = _relu6_same(block["pw"], _relu6_same(block["dw"], values))
        return self.fc(values.mean((2, 3)))


def _relu6_same(conv: nn.Conv2d, values: torch.Tensor) -> torch.Tensor:
    """ReLU6 of a convolution padded to ceil(size / stride) outputs, the odd row and column behind."""
    pads: list[int] = []
    for axis in (1, 0):
        size, kernel, stride = values.shape[2 + axis], conv.kernel_size[axis], conv.stride[axis]
        spare = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [spare // 2, spare - spare // 2]
    return functional.relu6(conv(functional.pad(values, pads)))


MODULES: Mapping[str, type[nn.Module]] = {"mobilenet_v1": TensorFlowMobileNetV1}
