"""Make the trace of an ONNX network on one photograph, and measure what does not fit into it.

    python traces/photographed.py MODEL.onnx NETWORK [--out DIR] [--tables FILE]

NETWORK is inception_v3 or mobilenet_v2. DIR gets metrics.json and, of inception_v3, baseline.zarr.zip (8-bit
maps, no weights). FILE gets rows of the tables for what is measured and not shipped: a 16-bit trace of the
same photograph, parts of a network, and all of mobilenet_v2.
The photographs are those of scikit-learn, both CC BY 2.0. Needs ``pip install 'hwsim[train]'``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from copied import copy_trace
from sklearn.datasets import load_sample_image

from hwsim.capture.preprocessing import Preprocessing
from hwsim.capture.record import capture
from hwsim.capture.sources import open_network
from hwsim.errors import HwsimError
from hwsim.reproduce.entry import Entry, Simulated, to_json
from hwsim.reproduce.from_trace import measure_trace
from hwsim.reproduce.sources import DATA
from hwsim.reproduce.write import made_with
from hwsim.trace import open_trace
from hwsim.trace.archive import pack

MEASURED, CALIBRATION = "flower.jpg", "china.jpg"
SHIPPED, WIDE = 8, 16  # bits of the maps
NAME, DATA_SET = "baseline.zarr.zip", "scikit-learn photo"


@dataclass(frozen=True)
class Known:
    """What the recipe knows of a network.

    Attributes:
        size: of its square pictures, in pixels.
        title: in the tables.
        origin: of the weights.
        block: of a layer, by its name.
        shipped: whether the trace is kept.
        frozen: whether a layer kept its ImageNet weights when the network was fine-tuned.
    """

    size: int
    title: str
    origin: str
    block: Callable[[str], str]
    shipped: bool
    frozen: Callable[[str], bool] | None = None


def inception_block(layer: str) -> str:
    """``stem``, ``mixed0`` ... ``mixed10``, ``head``, as Keras numbers its convolutions."""
    if not layer.startswith("conv2d_"):
        return "head"
    number, last = int(layer.removeprefix("conv2d_")), 0
    for block, count in enumerate((5, 7, 7, 7, 4, 10, 10, 10, 10, 6, 9, 9)):
        last += count
        if number <= last:
            return "stem" if block == 0 else f"mixed{block - 1}"
    raise ValueError(f"Inception-V3 has 94 convolutions, {layer} is none of them")


def inception_frozen(layer: str) -> bool:
    """The first 51 convolutions in the order of depth, in which Keras counts layers: 3.54 of 5.47 G MACs."""
    return layer in {f"conv2d_{number}" for number in (*range(1, 51), 55)}


def mobilenet_block(layer: str) -> str:
    """``block_1`` ... as Keras names them; what is before and behind them by its own name."""
    found = re.match(r"block_\d+", layer)
    return found.group() if found else layer


FINE_TUNED = (
    "npm nsfwjs 4.3.0, model of github GantMan/nsfw_model, MIT; "
    "from ImageNet, fine-tuned for content moderation"
)
NETWORKS: Mapping[str, Known] = {
    "inception_v3": Known(
        299, "inception_v3, fine-tuned", FINE_TUNED, inception_block, True, inception_frozen
    ),
    "mobilenet_v2": Known(224, "mobilenet_v2, fine-tuned", FINE_TUNED, mobilenet_block, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("network", choices=sorted(NETWORKS))
    parser.add_argument("--out", type=Path, help="folder for what is made; default: traces/NETWORK")
    parser.add_argument("--tables", type=Path, help="default: NETWORK.json where hwsim reproduce finds it")
    args = parser.parse_args()
    out = args.out or Path(__file__).parent / args.network
    try:
        make(args.model, args.network, out, args.tables or DATA / f"{args.network}.json")
    except HwsimError as error:
        sys.exit(f"error: {error}")


def make(model: Path, name: str, out: Path, tables: Path) -> None:
    """Measure the network, and write what is kept."""
    known = NETWORKS[name]
    out.mkdir(parents=True, exist_ok=True)
    entries, metrics = list[Entry](), dict[str, Any]()
    with tempfile.TemporaryDirectory() as work:
        for bits in (SHIPPED, WIDE):
            place = Path(work) / f"{bits}.zarr"
            captured(model, known, bits, place)
            if bits == SHIPPED and known.shipped:
                bare = Path(work) / "bare.zarr"
                without_weights(place, bare)
                pack(bare, out / NAME)
                place = out / NAME
            with open_trace(place) as trace:
                simulated = measure_trace(trace)
            metrics[str(bits)] = by_block(simulated, known)
            entries += rows(simulated, known, bits)
    metrics["versions"] = made_with()
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    tables.write_text(to_json(entries, made_with()))
    if known.shipped:
        print(f"{out / NAME}: {(out / NAME).stat().st_size / 1e6:.2f} MB")


def captured(model: Path, known: Known, bits: int, place: Path) -> None:
    """The whole network on one photograph, with scales and orders from the other."""
    network, _ = open_network(str(model))
    network.name = known.title
    preprocessing = Preprocessing(size=known.size, crop=known.size)
    photos = {
        photo: preprocessing.apply(load_sample_image(photo).transpose(2, 0, 1), photo)
        for photo in (MEASURED, CALIBRATION)
    }
    provenance = {
        "recipe": "traces/photographed.py",
        "weights": known.origin,
        "weights_sha256": sha256(model.read_bytes()).hexdigest(),
        "data_set": DATA_SET,
        "images": f"{MEASURED} of scikit-learn, CC BY 2.0, by vultilion",
        "calibration": f"{CALIBRATION} of scikit-learn, CC BY 2.0, by danielbuechele",
        "preprocessing": preprocessing.to_dict(),
        "versions": made_with(),
    }
    capture(network, [photos[MEASURED]], [photos[CALIBRATION]], place, bits=bits, provenance=provenance)


def without_weights(source: Path, target: Path) -> None:
    """The same trace with maps and drains, and no weights: these are most of it."""
    with open_trace(source) as trace:
        counts = {name: trace.row_counts(name) for name in trace.maps}
        copy_trace(trace, target, False, counts, trace.calibration_pictures)


def rows(simulated: Simulated, known: Known, bits: int) -> list[Entry]:
    """Rows of the tables: the whole network, where it is not the shipped trace's, and the frozen part."""
    found = []
    if not (bits == SHIPPED and known.shipped):
        note = f"A trace of {bits} bits of one photograph, measured and not shipped."
        found.append(Entry(known.title, DATA_SET, f"{bits} bits", {}, simulated, (note,)))
    if known.frozen is not None:
        kept = tuple(layer for layer in simulated.layers if known.frozen(layer.name))
        read = {layer.input for layer in kept}
        maps = tuple(one for one in simulated.maps if one.name in read)
        note = "Of the layers alone that kept their ImageNet weights, and the maps that these read."
        part = replace(simulated, layers=kept, maps=maps)
        found.append(Entry(f"{known.title}, frozen part", DATA_SET, f"{bits} bits", {}, part, (note,)))
    return found


def by_block(simulated: Simulated, known: Known) -> dict[str, Any]:
    """Density by elements and by MACs of every block, and of the whole without the picture."""
    blocks: dict[str, dict[str, int]] = {}
    first = {}
    for layer in simulated.layers:
        block = blocks.setdefault(
            known.block(layer.name), {"values": 0, "nonzeros": 0, "macs": 0, "nonzero_macs": 0}
        )
        block["macs"] += layer.macs
        block["nonzero_macs"] += layer.nonzero_macs
        first.setdefault(layer.input, known.block(layer.name))
    for one in simulated.maps:
        if not one.picture:
            blocks[first[one.name]]["values"] += one.values
            blocks[first[one.name]]["nonzeros"] += one.widths[str(simulated.bits)].nonzeros
    totals = {key: sum(block[key] for block in blocks.values()) for key in next(iter(blocks.values()))}
    return {
        name: {
            "element_density": block["nonzeros"] / block["values"] if block["values"] else None,
            "mac_density": block["nonzero_macs"] / block["macs"],
            "macs": block["macs"],
        }
        for name, block in {**blocks, "all": totals}.items()
    }


if __name__ == "__main__":
    main()
