"""Make the traces of a run of ``hwsim sparsify``: its baseline and its sparsest network, on few pictures.

    python traces/sparsified.py RUN --data PATH [--pictures N] [--as NAME] [--integers] [--out DIR]

Needs ``pip install 'hwsim[train]'``. Writes VARIANT.safetensors and VARIANT.zarr.zip for both, curves.png,
and metrics.json: the run's own run.json, without the variants that are not here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.capture.pictures import RawPictures
from hwsim.capture.preprocessing import Prepared
from hwsim.capture.record import capture
from hwsim.capture.torch_network import TorchNetwork
from hwsim.errors import HwsimError
from hwsim.quantize import integers
from hwsim.reference import run_network
from hwsim.sparsify.datasets import DataSet, Part
from hwsim.sparsify.folder import PICTURES_FILE, Run, open_run
from hwsim.trace import TraceWriter, open_trace
from hwsim.trace.archive import zip_folder

BITS = 16
CALIBRATION = 32  # training pictures that scales and orders are from
SPARSEST = ("l1_fatrelu", "l1", "fatrelu")  # the first of these that a run has


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="as hwsim sparsify was given it")
    parser.add_argument("--pictures", type=int, default=4, help="of the test part, every class in turn")
    parser.add_argument("--as", dest="name", help="name of the sparse variant here; default: its own")
    parser.add_argument(
        "--integers", action="store_true", help="every map is made from the integers of the one before"
    )
    parser.add_argument("--out", type=Path, help="folder for what is made; default: traces/NETWORK_DATA")
    args = parser.parse_args()
    try:
        run = open_run(args.run)
        default = Path(__file__).parent / f"{run.about['network']}_{run.about['data']['name']}"
        make(run, run.data(args.data), args.pictures, args.name, args.integers, args.out or default)
    except HwsimError as error:
        sys.exit(f"error: {error}")


def make(run: Run, data: DataSet, count: int, name: str | None, exact: bool, out: Path) -> None:
    """Write everything into a folder.

    Raises:
        HwsimError: the run has no sparse network.
    """
    about = run.about
    sparse = next((variant for variant in SPARSEST if variant in run.variants), None)
    if sparse is None or not about["finished"]:
        raise HwsimError(f"{run.folder} has no sparse network, or is not finished: finish it with --resume")
    out.mkdir(parents=True, exist_ok=True)
    chosen = spread(data.test, count)
    names = {"baseline": "baseline", sparse: name or sparse}  # in the run, and here
    shipped = {
        here: about["variants"][there] | {"checkpoint": f"{here}.safetensors"}
        for there, here in names.items()
    }
    for there, here in names.items():
        shutil.copyfile(run.checkpoint(there), out / shipped[here]["checkpoint"])
        write(out / f"{here}.zarr.zip", run, there, here, data, chosen, exact)
    others = {there: facts for there, facts in about["variants"].items() if there not in names}
    judged = {
        part: {names.get(there, there): found for there, found in variants.items()}
        for part, variants in about["judged"].items()
    }
    metrics = {**about, "variants": shipped, "sparse": names[sparse], "variants_not_here": others}
    metrics |= {"judged": judged, "trace": {"pictures": data.test.numbers[chosen].tolist(), "bits": BITS}}
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    shutil.copyfile(run.folder / "curves.png", out / "curves.png")
    with np.load(run.folder / PICTURES_FILE) as arrays:
        parts = [(key.split("/"), values) for key, values in arrays.items()]
    named = {f"{part}/{names.get(of, of)}/{what}": values for (part, of, what), values in parts}
    np.savez_compressed(out / PICTURES_FILE, allow_pickle=False, **named)


def spread(test: Part, count: int) -> np.ndarray:
    """Places of test pictures: the first of each class, then the second of each, and so on."""
    turn = np.zeros(len(test), np.int64)
    for label in np.unique(test.labels):
        turn[test.labels == label] = np.arange(np.count_nonzero(test.labels == label))
    return np.lexsort((test.labels, turn))[:count]


def write(
    place: Path, run: Run, variant: str, here: str, data: DataSet, chosen: np.ndarray, exact: bool
) -> None:
    """One trace; its metrics are those of the checkpoint on the whole test part."""
    about, facts = run.about, run.about["variants"][variant]
    module = run.module(variant)
    provenance = {
        "recipe": "traces/sparsified.py, from a run of hwsim sparsify",
        "weights": f"{here}.safetensors, trained by hwsim sparsify",
        "epochs": facts["epochs"],
        "seed": about["settings"]["seed"],
        "data": about["data"]["name"],
        "images": "of the test part",
        "image_indices": data.test.numbers[chosen].tolist(),
        "calibration": f"scales and orders from the first {CALIBRATION} pictures of the training part",
        "preprocessing": run.preprocessing().to_dict(),
        "versions": about["versions"],
    }
    metrics: dict[str, Any] = {
        "accuracy_float": facts["test"]["accuracy"],
        "accuracy_validation": facts["validation"]["accuracy"],
        "test_images": facts["test"]["images"],
        "density": facts["density"],
        "labels": data.test.labels[chosen].tolist(),
    }
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.zarr"
        capture(
            TorchNetwork(module, about["network"]),
            prepared(data.test[chosen], run),
            prepared(data.train[:CALIBRATION], run),
            trace,
            bits=BITS,
            variant=here,
            provenance=provenance,
            metrics=metrics,
        )
        if exact:
            trace, captured = Path(folder) / "exact.zarr", trace
            in_integers(captured, trace)
        zip_folder(trace, place)
    print(f"{place}: {place.stat().st_size / 1e6:.2f} MB")


def in_integers(captured: Path, place: Path) -> None:
    """A trace again, its maps computed in integers from its pictures; its metrics have the answers too.

    Raises:
        HwsimError: something between its maps has no meaning in integers.
    """
    with open_trace(captured) as trace:
        if trace.flow is None or trace.flow.captured:
            raise HwsimError("not every map can be made in integers: leave --integers out")
        runs = [run_network(trace, number) for number in range(trace.images)]
        (ends,) = runs[0].keys() - trace.maps.keys()
        signed = trace.requantize(trace.layers[-1]).signed
        answers = [int(integers(made[ends].ravel(), signed).argmax()) for made in runs]
        with TraceWriter(
            place,
            network=trace.network,
            variant=trace.variant,
            synthetic=False,
            provenance=trace.provenance | {"maps": "in integers throughout, from the picture's own"},
            layers=trace.layers,
            maps=trace.maps,
            images=trace.images,
            weight_bits=trace.weight_bits,
            metrics=trace.metrics | {"predictions": answers},
            flow=trace.flow,
        ) as writer:
            for layer in trace.layers:
                writer.write_weights(layer, trace.weights(layer), trace.weight_scale(layer))
                writer.write_requantize(layer, trace.requantize(layer))
            for name in trace.maps:
                if (counts := trace.row_counts(name)) is not None:
                    writer.write_row_counts(name, counts, trace.calibration_pictures)
                for number, made in enumerate(runs):
                    writer.write_map(name, number, made[name])


def prepared(part: Part, run: Run) -> Prepared:
    """Pictures as the network takes them."""
    names = [f"picture {number}" for number in part.numbers]
    raw = RawPictures("data set", "array", names, lambda number: part.images[number])
    return Prepared(raw, range(len(part)), run.preprocessing())


if __name__ == "__main__":
    main()
