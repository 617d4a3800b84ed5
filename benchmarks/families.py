"""Networks of other people: what a capture finds of each, and the least machine that holds it.

    python benchmarks/families.py [--torchvision NAME[:PIXELS] ...]
    python benchmarks/families.py --onnx FILE[:PIXELS] ... --images FOLDER

Without a list, families of torchvision: with random weights, since geometry and MACs do not depend on them.
A speedup is told of ONNX models alone, which bring trained weights, on the first picture of a folder, with
scales from four others. Prints a Markdown table (docs/capture.md).

- *MACs*: as published (padding counted, what is left out too), and by valid taps, which a machine does.
- *captured*: share of the published MACs. *left out*: why, and how many operators.
- *memories*: least accumulators of a bank and weight words of a core of 16 columns that hold what runs.
  *not run*: layers that no machine of any size runs, with their share of the captured MACs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor
from pathlib import Path

import numpy as np
import torch

from hwsim.arch import Arch
from hwsim.capture.pictures import open_pictures
from hwsim.capture.plan import plan
from hwsim.capture.preprocessing import Prepared, Preprocessing
from hwsim.capture.record import capture
from hwsim.capture.sources import open_network, torchvision_models
from hwsim.capture.torch_network import TorchNetwork
from hwsim.errors import HwsimError
from hwsim.layer import Layer
from hwsim.machine.fit import MEMORIES, fit, least_machine
from hwsim.machine.simulation import simulate
from hwsim.trace import open_trace
from hwsim.trace.provenance import LeftOut, left_out

FAMILIES = (
    *("alexnet", "vgg11", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"),
    *("squeezenet1_0", "squeezenet1_1", "densenet121", "googlenet:299", "inception_v3:299", "mobilenet_v2"),
    *("mobilenet_v3_small", "mnasnet1_0", "efficientnet_b0", "shufflenet_v2_x1_0", "regnet_x_400mf"),
    *("regnet_y_400mf", "convnext_tiny", "vit_b_16", "swin_t", "deeplabv3_resnet50", "fcn_resnet50"),
    "lraspp_mobilenet_v3_large",
)
CALIBRATION = 4
COLUMNS = (
    *("network", "layers", "MACs", "valid taps", "captured", "left out", "memories", "not run", "speedup"),
)


@dataclass(frozen=True)
class Found:
    """A network as a capture sees it; ``speedup`` is None where weights are not trained."""

    name: str
    layers: Sequence[Layer]
    left_out: Sequence[LeftOut]
    speedup: float | None

    def row(self) -> list[str]:
        """Cells of :data:`COLUMNS`."""
        published = sum(layer.published_macs for layer in self.layers)
        lost = sum(entry.macs or 0 for entry in self.left_out)
        machine, never = least_machine(self.layers, Arch(**MEMORIES))
        missing = sum(entry.macs or 0 for entry in never)
        return [
            self.name,
            str(len(self.layers)),
            f"{(published + lost) / 1e6:,.1f} M",
            f"{sum(layer.macs for layer in self.layers) / 1e6:,.1f} M",
            f"{floor(1000 * published / (published + lost)) / 10:.1f} %",
            reasons(self.left_out),
            f"{machine.accumulators:,}, {machine.weight_words:,}",
            f"{reasons(never)} ({missing / published:.1%})" if never else "",
            "" if self.speedup is None else f"{self.speedup:.2f}",
        ]


def reasons(lost: Sequence[LeftOut]) -> str:
    """Why, each reason once, with how many have it."""
    return "; ".join(f"{why}: {times}" for why, times in Counter(entry.why for entry in lost).items())


def from_torchvision(name: str, pixels: int) -> Found:
    """A network of torchvision with random weights, on a picture of noise."""
    torch.manual_seed(0)
    models = torchvision_models()
    of_segmentation = name in models.list_models(module=models.segmentation)
    module = models.get_model(name, weights=None, **{"weights_backbone": None} if of_segmentation else {})
    picture = np.random.default_rng(0).standard_normal((3, pixels, pixels)).astype(np.float32)
    found = plan(TorchNetwork(module, name).graph(picture), skip_unsupported=True)
    return Found(name, [known.layer for known in found.layers], found.left_out, None)


def from_onnx(path: Path, pixels: int, images: Path) -> Found:
    """A trained network, captured at 8 bits and simulated on a picture."""
    network, known = open_network(str(path))
    preprocessing = known or Preprocessing(size=pixels, crop=pixels)
    pictures = open_pictures(str(images))
    others = range(1, 1 + CALIBRATION)
    measured, calibration = (Prepared(pictures, numbers, preprocessing) for numbers in (range(1), others))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "trace.zarr"
        capture(network, measured, calibration, place, bits=8, skip_unsupported=True)
        with open_trace(place) as trace:
            fitted = fit(trace, Arch())
            speedup = simulate(fitted.trace, fitted.arch).speedup
            return Found(path.stem, trace.layers, left_out(trace.provenance), speedup)


def sized(words: Sequence[str], pixels: int) -> Iterator[tuple[str, int]]:
    """``NAME:PIXELS`` taken apart."""
    for word in words:
        name, _, size = word.rpartition(":")
        yield (name, int(size)) if name and size.isdigit() else (word, pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--torchvision", nargs="*", metavar="NAME[:PIXELS]")
    parser.add_argument("--onnx", nargs="*", default=[], metavar="FILE[:PIXELS]")
    parser.add_argument("--images", type=Path)
    args = parser.parse_args()
    if args.onnx and args.images is None:
        parser.error("--onnx needs --images")
    names = args.torchvision if args.torchvision is not None else () if args.onnx else FAMILIES
    torch.set_num_threads(1)
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
    todo: list[tuple[str, Callable[[], Found]]] = [
        (name, partial(from_torchvision, name, pixels)) for name, pixels in sized(names, 224)
    ]
    for name, pixels in sized(args.onnx, 224):
        todo.append((Path(name).stem, partial(from_onnx, Path(name), pixels, args.images)))
    for name, find in todo:
        try:
            print("| " + " | ".join(find().row()) + " |", flush=True)
        except HwsimError as error:
            print(f"| {name} | refused: {error} |", flush=True)


if __name__ == "__main__":
    main()
