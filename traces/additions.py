"""Tell the traces of a folder, a run of hwsim sparsify that were made without, what their layers add.

    python traces/additions.py FOLDER --data PATH         PATH as hwsim sparsify was given it

The network is planned again from its checkpoint. The geometry of its layers has to come out as it stands in
the trace; then nothing of the trace changes but what they add. Needs ``pip install 'hwsim[train]'``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from copied import copy_trace
from sparsified import prepared

from hwsim.capture.plan import plan
from hwsim.capture.torch_network import TorchNetwork
from hwsim.errors import HwsimError
from hwsim.layer import Layer
from hwsim.sparsify.folder import open_run
from hwsim.trace import open_trace
from hwsim.trace.archive import zip_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    try:
        run = open_run(args.folder)
        picture = prepared(run.data(args.data).train[:1], run)[0]
        for variant in run.variants:
            network = TorchNetwork(run.module(variant), run.about["network"])
            planned = [known.layer for known in plan(network.graph(picture)).layers]
            tell(args.folder / f"{variant}.zarr.zip", planned)
    except HwsimError as error:
        sys.exit(f"error: {error}")


def tell(place: Path, planned: list[Layer]) -> None:
    """Write a trace again, with what its layers add.

    Raises:
        HwsimError: the layers are not those of the trace.
    """
    again = {layer.name: layer for layer in planned}
    with open_trace(place) as trace, tempfile.TemporaryDirectory() as work:
        # A map that two layers read has had another name, and of two layers whose results are added the other
        # one came last. Names and geometry of the layers are as they were.
        names = {again[layer.name].input: layer.input for layer in trace.layers}
        order = [layer.name for layer in trace.layers]
        results: dict[str, list[str]] = {name: [] for name in order}
        for layer in planned:
            for other in layer.adds_results:
                first, last = sorted((layer.name, other), key=order.index)
                results[last].append(first)
        layers = []
        for layer in trace.layers:
            mine = again[layer.name]
            if replace(mine, input=layer.input, output=layer.output, adds=(), adds_results=()) != layer:
                raise HwsimError(f"{place}: layer {layer.name} is planned otherwise than in the trace")
            adds = tuple(names[name] for name in mine.adds)
            layers.append(replace(layer, adds=adds, adds_results=tuple(results[layer.name])))
        target = Path(work) / "trace.zarr"
        counts = {name: trace.row_counts(name) for name in trace.maps}
        copy_trace(trace, target, True, counts, trace.calibration_pictures, layers)
        trace.close()
        zip_folder(target, place)
    told = sum(len(layer.adds) + len(layer.adds_results) for layer in layers)
    print(f"{place}: {place.stat().st_size / 1e6:.2f} MB, {told} additions")


if __name__ == "__main__":
    main()
