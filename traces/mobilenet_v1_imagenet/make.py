"""Make the trace of this folder: MobileNet-V1 1.0/224 on one photograph. Needs the ``train`` extra.

    python traces/mobilenet_v1_imagenet/make.py WEIGHTS.npz [--out DIR] [--pictures DIR --labels FILE.csv]

The weights are the file that the README names. With pictures and their classes, accuracy is measured too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_sample_image

from hwsim.capture.calibration import WEIGHT_BITS, Calibration, calibrate_network
from hwsim.capture.pictures import open_pictures
from hwsim.capture.plan import Plan, plan
from hwsim.capture.preprocessing import Prepared, Preprocessing
from hwsim.capture.sources import open_network
from hwsim.errors import HwsimError
from hwsim.quantize import integers, quantize_map
from hwsim.reference import run_layer
from hwsim.reproduce.accuracy import measure_accuracy
from hwsim.reproduce.labels import open_labels
from hwsim.reproduce.write import made_with
from hwsim.trace import TraceWriter
from hwsim.trace.archive import pack

MEASURED, CALIBRATION = "flower.jpg", "china.jpg"
BITS = 8
BACKGROUND = 1  # outputs before that of class 0
WITHOUT_WEIGHTS = "fc"  # a quarter of all weights for a five-hundredth of the MACs
NAME = "baseline.zarr.zip"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for what is made")
    parser.add_argument("--pictures", type=Path, help="folder of pictures")
    parser.add_argument("--labels", type=Path, help="their classes 0 .. 999: file,class")
    args = parser.parse_args()
    try:
        make(args.weights, args.out, args.pictures, args.labels)
    except HwsimError as error:
        sys.exit(f"error: {error}")


def make(weights: Path, out: Path, pictures: Path | None, labels: Path | None) -> None:
    """Write the trace and ``metrics.json`` into a folder."""
    network, preprocessing = open_network("mobilenet_v1", weights)
    assert preprocessing is not None
    photos = {
        name: preprocessing.apply(load_sample_image(name).transpose(2, 0, 1), name)
        for name in (MEASURED, CALIBRATION)
    }
    planned = plan(network.graph(photos[MEASURED]))
    calibration = calibrate_network(network, planned, [photos[CALIBRATION]], BITS)
    maps, logits = integer_run(planned, calibration, photos[MEASURED])
    ranked = np.argsort(-logits[BACKGROUND:], kind="stable")[:5]
    metrics: dict[str, Any] = {"top5_of_the_photograph": ranked.tolist()}
    if pictures is not None and labels is not None:
        metrics |= accuracy(network, preprocessing, photos[CALIBRATION], pictures, labels)
    provenance = {
        "recipe": "traces/mobilenet_v1_imagenet/make.py",
        "weights": "google-coral/test_data, mobilenet_v1_1.0_224, Apache-2.0; see README.md",
        "weights_sha256": sha256(weights.read_bytes()).hexdigest(),
        "data_set": "scikit-learn photo",
        "images": f"{MEASURED} of scikit-learn, CC BY 2.0, by vultilion",
        "calibration": f"{CALIBRATION} of scikit-learn, CC BY 2.0, by danielbuechele",
        "preprocessing": preprocessing.to_dict(),
        "versions": made_with(),
    }
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.zarr"
        write(trace, planned, calibration, maps, provenance, metrics)
        pack(trace, out / NAME)
    (out / "metrics.json").write_text(json.dumps({**metrics, "versions": made_with()}, indent=1) + "\n")
    print(f"{out / NAME}: {(out / NAME).stat().st_size / 1e6:.2f} MB; {metrics}")


def integer_run(
    planned: Plan, calibration: Calibration, photo: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Codes of every map, each computed from the integers of the one before, and the integer logits.

    The mean before the last layer is of real values, as the capture has it.
    """
    first = planned.layers[0].layer.input
    info = calibration.maps[first]
    maps = {first: quantize_map(photo, info.scale, info.bits, info.signed)}
    made = maps[first]
    for known in planned.layers:
        layer, done = known.layer, calibration.layers[known.layer.name]
        made = run_layer(
            layer, maps[layer.input], done.weights, done.requantize, calibration.maps[layer.input].signed
        )
        if layer.output is not None:
            info = calibration.maps[layer.output]
            if not known.direct:
                real = (integers(made, done.requantize.signed) * done.out_scale).mean(axis=(1, 2))
                made = quantize_map(real, info.scale, info.bits, info.signed)
            maps[layer.output] = made.reshape(info.shape)
    return maps, integers(made.ravel(), done.requantize.signed)


def accuracy(
    network: Any, preprocessing: Preprocessing, photo: np.ndarray, folder: Path, labels: Path
) -> dict[str, Any]:
    """With the scales of the trace, in the loop, over a folder of pictures."""
    raw = open_pictures(folder)
    pictures = Prepared(raw, range(len(raw)), preprocessing)
    classes = open_labels(labels, raw.names)
    found = measure_accuracy(network, pictures, classes, [photo], widths=(BITS,), first_class=BACKGROUND)
    return {
        "accuracy_pictures": "ImageNet pictures that are not shipped, scales from one photograph",
        "test_images": found.pictures,
        "accuracy_float": found.correct["float"] / found.pictures,
        "accuracy": found.correct[str(BITS)] / found.pictures,
    }


def write(
    place: Path,
    planned: Plan,
    calibration: Calibration,
    maps: dict[str, np.ndarray],
    provenance: dict[str, Any],
    metrics: dict[str, Any],
) -> None:
    """The trace as a folder."""
    drains = {name: layer.out_scale for name, layer in calibration.layers.items()}
    with TraceWriter(
        place,
        network="mobilenet_v1",
        variant="baseline",
        synthetic=False,
        provenance={**provenance, "drain_scales": drains},
        layers=[known.layer for known in planned.layers],
        maps=calibration.maps,
        images=1,
        weight_bits=WEIGHT_BITS,
        metrics=metrics,
    ) as writer:
        for name, layer in calibration.layers.items():
            if name != WITHOUT_WEIGHTS:
                writer.write_weights(name, layer.weights, layer.scales)
            writer.write_requantize(name, layer.requantize)
        for name, codes in maps.items():
            writer.write_row_counts(name, calibration.row_counts[name], 1)
            writer.write_map(name, 0, codes)


if __name__ == "__main__":
    main()
