"""Activation maps of trained networks, from weights in .npz files: what compare_coders.py measures on.

Each network is a function from its weights and a batch of pictures to the maps that enter its convolutions,
without the picture itself, each map once. All are ReLU maps, kept in float32. Formats of the weights:

- mobilenet_v1: ``conv0``, ``conv1.dw``, ``conv1.pw`` ... ``.weight``, ``.bias``, ``.stride``; BatchNorm
  folded, ReLU6, TensorFlow's SAME padding.
- resnet18: torchvision's names, BatchNorm as ``<bn>.scale`` and ``<bn>.shift``.
- squeezenet: SqueezeNet 1.0, Caffe's names (``fire2.squeeze1x1.weight`` ...).
- resnet20: the CIFAR-10 network with option-A shortcuts, a PyTorch state dict.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

Maps = Iterator[tuple[str, torch.Tensor]]


def images_of(network: str, path: Path, count: int, first: int = 0) -> torch.Tensor:
    """``count`` pictures, float32 (N, 3, H, W), normalised as the network wants.

    They are picture ``first``, ``first`` + step ... with the largest step that there is room for, of a folder
    of JPEG files by name or of the test set of a CIFAR-10 file (``jpeg_test``, ``offset_test``).
    """
    if path.is_dir():
        files = sorted(path.glob("*.jpg"))
        pictures = [Image.open(files[i]) for i in _spread(len(files), count, first)]
    else:
        archive = np.load(path)
        data, offsets = archive["jpeg_test"].tobytes(), archive["offset_test"]
        chosen = _spread(len(offsets) - 1, count, first)
        pictures = [Image.open(io.BytesIO(data[offsets[i] : offsets[i + 1]])) for i in chosen]
    size = {"squeezenet": 227, "resnet20": 32}.get(network, 224)
    batch = np.stack([_crop(picture.convert("RGB"), size) for picture in pictures]).astype(np.float32)
    if network == "mobilenet_v1":
        batch = (batch - 128) / 128
    elif network == "squeezenet":
        batch = batch[..., ::-1] - np.float32([104, 117, 123])
    else:
        batch = (batch / 255 - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    return torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))


def _spread(available: int, count: int, first: int) -> range:
    if not 0 < count <= available - first:
        raise ValueError(f"{count} pictures from picture {first} on: there are {available}")
    step = available // count if first < available // count else 1
    return range(first, first + step * count, step)


def _crop(picture: Image.Image, size: int) -> np.ndarray:
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    return np.asarray(picture.crop((left, top, left + size, top + size)))


def mobilenet_v1(weights: Mapping[str, np.ndarray], x: torch.Tensor) -> Maps:
    """Inputs of conv1.dw .. conv13.pw."""
    for i in range(14):
        for name in ("conv0",) if i == 0 else (f"conv{i}.dw", f"conv{i}.pw"):
            if name != "conv0":
                yield name, x
            w, b = _tensor(weights, f"{name}.weight"), _tensor(weights, f"{name}.bias")
            stride = int(weights[f"{name}.stride"])
            pads = [
                max((-(-n // stride) - 1) * stride + w.shape[-1] - n, 0) for n in (x.shape[3], x.shape[2])
            ]
            x = F.pad(x, [part for pad in pads for part in (pad // 2, pad - pad // 2)])
            x = F.conv2d(x, w, b, stride, groups=x.shape[1] if name.endswith("dw") else 1).clamp(0, 6)


def resnet18(weights: Mapping[str, np.ndarray], x: torch.Tensor) -> Maps:
    """Inputs of every convolution of the four stages."""

    def conv(name: str, bn: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        w = _tensor(weights, f"{name}.weight")
        x = F.conv2d(x, w, stride=stride, padding=w.shape[-1] // 2)
        return x * _column(weights, f"{bn}.scale") + _column(weights, f"{bn}.shift")

    x = F.max_pool2d(F.relu(conv("conv1", "bn1", x, 2)), 3, 2, 1)
    for block in (f"layer{i}.{j}" for i in range(1, 5) for j in range(2)):
        yield f"{block}.conv1", x
        down = f"{block}.downsample.0.weight" in weights
        y = F.relu(conv(f"{block}.conv1", f"{block}.bn1", x, 1 + down))
        yield f"{block}.conv2", y
        y = conv(f"{block}.conv2", f"{block}.bn2", y)
        shortcut = conv(f"{block}.downsample.0", f"{block}.downsample.1", x, 2) if down else x
        x = F.relu(y + shortcut)


def squeezenet(weights: Mapping[str, np.ndarray], x: torch.Tensor) -> Maps:
    """Inputs of the convolutions of fire2 .. fire9, and of conv10."""

    def conv(name: str, x: torch.Tensor, stride: int = 1, padding: int = 0) -> torch.Tensor:
        w, b = _tensor(weights, f"{name}.weight"), _tensor(weights, f"{name}.bias")
        return F.relu(F.conv2d(x, w, b, stride, padding))

    x = F.max_pool2d(conv("conv1", x, 2), 3, 2, ceil_mode=True)
    for i in range(2, 10):
        yield f"fire{i}.squeeze1x1", x
        x = conv(f"fire{i}.squeeze1x1", x)
        yield f"fire{i}.expand", x
        x = torch.cat([conv(f"fire{i}.expand1x1", x), conv(f"fire{i}.expand3x3", x, 1, 1)], 1)
        if i in (4, 8):
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    yield "conv10", x


def resnet20(weights: Mapping[str, np.ndarray], x: torch.Tensor) -> Maps:
    """Inputs of every convolution of the three stages."""

    def conv(name: str, bn: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        x = F.conv2d(x, _tensor(weights, f"{name}.weight"), stride=stride, padding=1)
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(_tensor(weights, f"{bn}.{part}") for part in names), eps=1e-5)

    x = F.relu(conv("conv1", "bn1", x))
    for stage in range(1, 4):
        for j in range(3):
            block, down = f"layer{stage}.{j}", stage > 1 and j == 0
            yield f"{block}.conv1", x
            y = F.relu(conv(f"{block}.conv1", f"{block}.bn1", x, 1 + down))
            yield f"{block}.conv2", y
            if down:
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, x.shape[1] // 2, x.shape[1] // 2))
            x = F.relu(conv(f"{block}.conv2", f"{block}.bn2", y) + x)


NETWORKS = {
    "mobilenet_v1": mobilenet_v1,
    "resnet18": resnet18,
    "squeezenet": squeezenet,
    "resnet20": resnet20,
}


def network_maps(
    network: str, weights: Path, pictures: Path, count: int, first: int = 0
) -> Iterator[tuple[str, np.ndarray]]:
    """(name of the layer that reads it, float32 (N, C, H, W)) of every map, as :func:`images_of` chooses."""
    with torch.inference_mode():
        for name, x in NETWORKS[network](np.load(weights), images_of(network, pictures, count, first)):
            yield name, x.numpy()


def _tensor(weights: Mapping[str, np.ndarray], name: str) -> torch.Tensor:
    return torch.from_numpy(weights[name].astype(np.float32))


def _column(weights: Mapping[str, np.ndarray], name: str) -> torch.Tensor:
    return _tensor(weights, name).reshape(1, -1, 1, 1)
