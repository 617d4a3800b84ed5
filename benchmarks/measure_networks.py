"""Rows of the tables (docs/reproducing.md) for networks and pictures that are not shipped.

    python benchmarks/measure_networks.py mobilenet_v1 WEIGHTS.npz PICTURES LABELS.csv -o mobilenet.json \
        [--thresholds FILE] [--traced 4]
    python benchmarks/measure_networks.py resnet20 WEIGHTS.npz CIFAR.npz - -o resnet20.json [--count 1000]

Networks: mobilenet_v1 and those of other_networks.py. Pictures are a folder with a CSV of classes, or an
archive of CIFAR-10 as JPEG (jpeg_test, offset_test, y_test) with its classes in it. Accuracy: every second
picture is measured with scales from 16 of the others, and the other way round, so that no picture is measured
with scales from itself. With --thresholds (of threshold_mobilenet.py, which saw every second picture, the
first among them) only the other half is measured, once without and once with them. Densities, speedups and
sizes are of a 16-bit trace of the first pictures measured, which is thrown away.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from other_networks import NETWORKS
from PIL import Image
from threshold_mobilenet import Thresholded

from hwsim.capture.pictures import RawPictures, open_pictures
from hwsim.capture.preprocessing import Prepared, Preprocessing
from hwsim.capture.record import capture
from hwsim.capture.sources import load_weights
from hwsim.capture.torch_network import TorchNetwork
from hwsim.reproduce.accuracy import Accuracy, measure_accuracy
from hwsim.reproduce.entry import Answers, Entry, Simulated, to_json
from hwsim.reproduce.from_trace import measure_trace
from hwsim.reproduce.labels import open_labels
from hwsim.reproduce.write import made_with
from hwsim.trace import open_trace

CALIBRATION = 16
LABELS = {"resnet18": "resnet18, product-quantized", "squeezenet": "squeezenet, pruned"}  # by their weights


class Half:
    """Every second picture with its class, from ``first`` on."""

    def __init__(
        self, raw: RawPictures, labels: np.ndarray, first: int, preprocessing: Preprocessing
    ) -> None:
        numbers = range(first, len(raw), 2)
        self.pictures = Prepared(raw, numbers, preprocessing)
        self.labels = labels[list(numbers)]
        step = max(len(numbers) // CALIBRATION, 1)
        self.calibration = Prepared(raw, numbers[::step][:CALIBRATION], preprocessing)


def cifar(path: Path, count: int) -> tuple[RawPictures, np.ndarray]:
    """``count`` pictures of the test set, spread over it."""
    archive = np.load(path)
    data, offsets = archive["jpeg_test"].tobytes(), archive["offset_test"]
    step = (len(offsets) - 1) // count
    numbers = range(0, step * count, step)

    def read(number: int) -> np.ndarray:
        start, end = offsets[numbers[number] : numbers[number] + 2]
        return np.asarray(Image.open(io.BytesIO(data[start:end])).convert("RGB")).transpose(2, 0, 1)

    names = [f"test[{number}]" for number in numbers]
    return RawPictures(path.name, "JPEG", names, read), archive["y_test"][list(numbers)].astype(np.int64)


def measured(network: TorchNetwork, half: Half, other: Half, first_class: int) -> Accuracy:
    """One half, with scales from the other."""
    return measure_accuracy(
        network, half.pictures, half.labels, other.calibration, first_class=first_class, batch=5
    )


def traced(network: TorchNetwork, half: Half, other: Half, images: int, variant: str) -> Simulated:
    """What a trace of the first pictures of a half says."""
    pictures = [half.pictures[number] for number in range(images)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"{network.name}.zarr"
        capture(network, pictures, other.calibration, place, variant=variant)
        with open_trace(place) as trace:
            return replace(measure_trace(trace, images), trace="captured for this table")


def scores(found: Sequence[Accuracy]) -> dict[str, Answers]:
    """All halves together."""
    right: Counter[str] = Counter()
    for part in found:
        right.update(part.correct)
    pictures = sum(part.pictures for part in found)
    return {width: Answers(correct, pictures) for width, correct in right.items()}


def words(found: Sequence[Accuracy], raw: RawPictures, weights: Path) -> str:
    """How a row came about."""
    digest = sha256(weights.read_bytes()).hexdigest()[:12]
    return (
        f"{sum(part.pictures for part in found):,} pictures of {Path(raw.title).name}, scales from "
        f"{CALIBRATION} others, {sum(part.seconds for part in found):.0f} s on one core, "
        f"{datetime.now(UTC):%Y-%m-%d}; weights {weights.name}, SHA-256 {digest}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network", choices=["mobilenet_v1", *NETWORKS])
    parser.add_argument("weights", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--thresholds", type=Path)
    parser.add_argument("--traced", type=int, default=4)
    parser.add_argument("--count", type=int, default=1000, help="of an archive of CIFAR-10")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.pictures.is_dir():
        raw = open_pictures(args.pictures)
        labels = open_labels(args.labels, raw.names)
    else:
        raw, labels = cifar(args.pictures, args.count)
    data = "ImageNet sample" if args.pictures.is_dir() else "CIFAR-10 (JPEG)"
    module = NETWORKS[args.network](args.weights) if args.network in NETWORKS else Thresholded()
    if args.network not in NETWORKS:
        load_weights(module, args.weights)
    known = {name: tuple(v) if isinstance(v, list) else v for name, v in module.preprocessing.items()}
    halves = [Half(raw, labels, first, Preprocessing(**known)) for first in (0, 1)]
    first_class = int(args.network == "mobilenet_v1")
    network = TorchNetwork(module, args.network)
    entries, label = [], LABELS.get(args.network, args.network)
    if args.thresholds is None:
        found = [measured(network, halves[i], halves[1 - i], first_class) for i in (0, 1)]
        simulated = traced(network, halves[1], halves[0], args.traced, "baseline")
        entries.append(
            Entry(label, data, "baseline", scores(found), simulated, (words(found, raw, args.weights),))
        )
    else:
        base = measured(network, halves[1], halves[0], first_class)
        module.thresholds |= json.loads(args.thresholds.read_text())["thresholds"]
        cut = measured(network, halves[1], halves[0], first_class)
        simulated = traced(network, halves[1], halves[0], args.traced, "thresholded")
        same = ", ".join(f"{width}: {right}" for width, right in base.correct.items())
        notes = (
            words([cut], raw, args.weights),
            "Thresholds (FATReLU) without training, chosen on the other half of the pictures "
            f"(benchmarks/threshold_mobilenet.py). The baseline has right on these same pictures: {same}.",
        )
        entries.append(Entry(label, data, "thresholded", scores([cut]), simulated, notes))
    args.output.write_text(to_json(entries, made_with()))


if __name__ == "__main__":
    main()
