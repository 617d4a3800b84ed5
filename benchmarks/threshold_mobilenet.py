"""Thresholds for the maps of a trained MobileNet-V1, without training (FATReLU; Kurtz et al., ICML 2020).

    python benchmarks/threshold_mobilenet.py WEIGHTS.npz PICTURES LABELS.csv -o thresholds.json

A map's threshold is a quantile of its non-zero values on every second picture; smaller values become zero.
In rounds, every map tries a quantile a step higher, and keeps it if on these pictures no answer is lost and
the cross-entropy stays within a margin of the network's own; a map that fails keeps what it has. The other
half of the pictures is for measuring (measure_networks.py).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hwsim.capture.modules import TensorFlowMobileNetV1, _relu6_same
from hwsim.capture.pictures import open_pictures
from hwsim.capture.preprocessing import Prepared, Preprocessing
from hwsim.capture.sources import load_weights
from hwsim.reproduce.labels import open_labels

STEP, LAST = 0.1, 0.8  # of the quantiles
MARGIN = 0.05  # nats that the cross-entropy may rise
BATCH = 10


class Thresholded(TensorFlowMobileNetV1):
    """MobileNet-V1 with a threshold behind every ReLU6, 0 at first."""

    def __init__(self, thresholds: dict[str, float] | None = None) -> None:
        super().__init__()
        names = ["conv0", *(f"{block}.{part}" for block in self.blocks for part in ("dw", "pw"))]
        self.thresholds = dict.fromkeys(names, 0.0) | (thresholds or {})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 1001)."""
        values = images
        for name, threshold in self.thresholds.items():
            values = functional.threshold(_relu6_same(self.layer(name), values), threshold, 0)
        return self.fc(values.mean((2, 3)))

    def layer(self, name: str) -> nn.Conv2d:
        """A convolution by its name in a trace."""
        block, _, part = name.partition(".")
        return getattr(self, block)[part] if part else getattr(self, block)


def score(network: Thresholded, pictures: torch.Tensor, labels: torch.Tensor) -> tuple[int, float]:
    """(right answers, cross-entropy); output 0 is the background and left out."""
    with torch.inference_mode():
        logits = torch.cat([network(batch)[:, 1:] for batch in pictures.split(BATCH)])
    return int((logits.argmax(1) == labels).sum()), float(functional.cross_entropy(logits, labels))


def quantiles(network: Thresholded, pictures: torch.Tensor) -> dict[str, list[float]]:
    """Of every map's non-zero values, at the multiples of STEP."""
    found: dict[str, list[float]] = {}
    values = pictures
    with torch.inference_mode():
        for name in network.thresholds:
            values = _relu6_same(network.layer(name), values)
            steps = np.arange(0, LAST + STEP / 2, STEP)
            found[name] = np.quantile(values[values > 0].numpy(), steps).tolist()
    return found


def search(network: Thresholded, pictures: torch.Tensor, labels: torch.Tensor) -> dict[str, int]:
    """Steps of every map."""
    ladder = quantiles(network, pictures[:: len(pictures) // 16])
    steps = dict.fromkeys(network.thresholds, 0)
    right, entropy = score(network, pictures, labels)
    print(f"{right} of {len(labels)} right, cross-entropy {entropy:.4f}", flush=True)
    climbing = list(steps)
    while climbing:
        for name in list(climbing):
            if steps[name] + 1 == len(ladder[name]):
                climbing.remove(name)
                continue
            kept = network.thresholds[name]
            network.thresholds[name] = ladder[name][steps[name] + 1]
            now, then = score(network, pictures, labels)
            if now >= right and then <= entropy + MARGIN:
                steps[name] += 1
            else:
                network.thresholds[name] = kept
                climbing.remove(name)
            print(f"{name} {steps[name]} {now} {then:.4f}", flush=True)
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    network = Thresholded().eval()
    load_weights(network, args.weights)
    raw = open_pictures(args.pictures)
    chosen = range(0, len(raw), 2)
    known = {
        name: value if isinstance(value, int) else tuple(value)
        for name, value in network.preprocessing.items()
    }
    prepared = Prepared(raw, chosen, Preprocessing(**known))
    pictures = torch.from_numpy(np.stack([prepared[number] for number in range(len(prepared))]))
    labels = torch.from_numpy(open_labels(args.labels, raw.names)[list(chosen)].astype(np.int64))
    steps = search(network, pictures, labels)
    right, entropy = score(network, pictures, labels)
    document = {
        "thresholds": network.thresholds,
        "quantiles": {name: round(number * STEP, 2) for name, number in steps.items()},
        "chosen_on": {"pictures": len(pictures), "correct": right, "cross_entropy": entropy},
    }
    args.output.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
