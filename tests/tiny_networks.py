"""Small labelled pictures, and a small network that learns them in a second. Needs torch."""

import numpy as np
from torch import nn

from hwsim.sparsify.datasets import DataSet, Part
from hwsim.sparsify.networks import FatReLU


class Tiny(nn.Module):
    """Two convolutions and a linear layer for (1, 8, 8), a threshold behind each ReLU."""

    def __init__(self):
        super().__init__()
        self.preprocessing = {"mean": [0.0], "std": [1.0]}
        self.conv1, self.bn1, self.relu1 = (
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            FatReLU(),
        )
        self.conv2, self.bn2, self.relu2 = nn.Conv2d(8, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), FatReLU()
        self.fc = nn.Linear(8 * 16, 4)

    def forward(self, images):
        values = self.relu2(self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(images))))))
        return self.fc(values.flatten(1))


def too_few_outputs():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))


def no_relu():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(288, 4))


def bars(count, seed, noise=100):
    """Noisy pictures of a bar at one of four heights: the height is the label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    images = random.integers(0, noise, (count, 1, 8, 8), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * label : 2 * label + 2] += 60
    return Part(images, labels, np.arange(count))


def bars_data(noise=100):
    return DataSet("bars", 0, 0.2, 4, bars(256, 1, noise), bars(200, 2, noise), bars(200, 3, noise))
