"""Add the row counts of the calibration pictures to the traces of a folder that were made without.

    python traces/row_counts.py FOLDER --data PATH        a run of hwsim sparsify; PATH as it was given
    python traces/row_counts.py FOLDER --weights FILE     mobilenet_v1_imagenet; FILE as its make.py takes it

The network is calibrated again, as its own recipe does it, on the same pictures. Scales and orders have to
come out as they stand in the trace; then its rows are those that are counted, and nothing else of it changes.
Needs ``pip install 'hwsim[train]'``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from copied import copy_trace
from sparsified import BITS, CALIBRATION, prepared

from hwsim.capture.calibration import calibrate_network
from hwsim.capture.graph import RunningNetwork
from hwsim.capture.plan import plan
from hwsim.capture.sources import open_network
from hwsim.capture.torch_network import TorchNetwork
from hwsim.errors import HwsimError
from hwsim.sparsify.folder import open_run
from hwsim.trace import open_trace
from hwsim.trace.archive import pack, zip_folder

PHOTOGRAPH, PHOTOGRAPH_BITS = "china.jpg", 8  # of mobilenet_v1_imagenet/make.py
Calibrated = tuple[Path, RunningNetwork, Sequence[np.ndarray], int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--data", type=Path)
    given.add_argument("--weights", type=Path)
    args = parser.parse_args()
    try:
        found = of_photograph(args.folder, args.weights) if args.weights else of_run(args.folder, args.data)
        for place, network, pictures, bits in found:
            count(place, network, pictures, bits, smallest=args.weights is not None)
    except HwsimError as error:
        sys.exit(f"error: {error}")


def of_run(folder: Path, place: Path) -> Iterator[Calibrated]:
    """The traces of a run, each with its network and its calibration pictures."""
    run = open_run(folder)
    first = prepared(run.data(place).train[:CALIBRATION], run)
    pictures = [first[number] for number in range(CALIBRATION)]
    for variant in run.variants:
        network = TorchNetwork(run.module(variant), run.about["network"])
        yield folder / f"{variant}.zarr.zip", network, pictures, BITS


def of_photograph(folder: Path, weights: Path) -> Iterator[Calibrated]:
    """The trace of MobileNet-V1 on one photograph."""
    from sklearn.datasets import load_sample_image

    network, preprocessing = open_network("mobilenet_v1", weights)
    assert preprocessing is not None
    photo = preprocessing.apply(load_sample_image(PHOTOGRAPH).transpose(2, 0, 1), PHOTOGRAPH)
    yield folder / "baseline.zarr.zip", network, [photo], PHOTOGRAPH_BITS


def count(
    place: Path, network: RunningNetwork, pictures: Sequence[np.ndarray], bits: int, smallest: bool
) -> None:
    """Write a trace again, with the counts.

    Raises:
        HwsimError: the calibration does not come to the scales and orders that the trace has.
    """
    planned = plan(network.graph(pictures[0]))
    calibrated = calibrate_network(network, planned, pictures, bits)
    read = {known.layer.name: known.layer.input for known in planned.layers}
    with open_trace(place) as trace, tempfile.TemporaryDirectory() as work:
        # A map that two layers read has had another name; its readers have not.
        names = {layer.input: read[layer.name] for layer in trace.layers}
        for name, info in trace.maps.items():
            if replace(calibrated.maps[names[name]], name=name) != info:
                raise HwsimError(f"{place}: map {name} is calibrated otherwise than in the trace")
        counts = {name: calibrated.row_counts[again] for name, again in names.items()}
        target = Path(work) / "trace.zarr"
        copy_trace(trace, target, True, counts, len(pictures))
        trace.close()
        (pack if smallest else zip_folder)(target, place)
    print(f"{place}: {place.stat().st_size / 1e6:.2f} MB, rows counted on {len(pictures)} pictures")


if __name__ == "__main__":
    main()
