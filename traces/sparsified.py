"""Make the traces of a run of ``hwsim sparsify``: its baseline and its sparsest network, on few pictures.

    python traces/sparsified.py RUN --data PATH [--pictures N] [--out DIR]

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
from hwsim.sparsify.datasets import DataSet, Part
from hwsim.sparsify.folder import PICTURES_FILE, Run, open_run
from hwsim.trace.archive import zip_folder

BITS = 16
CALIBRATION = 32  # training pictures that scales and orders are from
SPARSEST = ("l1_fatrelu", "l1", "fatrelu")  # the first of these that a run has


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="as hwsim sparsify was given it")
    parser.add_argument("--pictures", type=int, default=4, help="the first of the test part")
    parser.add_argument("--out", type=Path, help="folder for what is made; default: traces/NETWORK_DATA")
    args = parser.parse_args()
    try:
        run = open_run(args.run)
        default = Path(__file__).parent / f"{run.about['network']}_{run.about['data']['name']}"
        make(run, run.data(args.data), args.pictures, args.out or default)
    except HwsimError as error:
        sys.exit(f"error: {error}")


def make(run: Run, data: DataSet, count: int, out: Path) -> None:
    """Write everything into a folder.

    Raises:
        HwsimError: the run has no sparse network.
    """
    about = run.about
    sparse = next((name for name in SPARSEST if name in run.variants), None)
    if sparse is None or not about["finished"]:
        raise HwsimError(f"{run.folder} has no sparse network, or is not finished: finish it with --resume")
    out.mkdir(parents=True, exist_ok=True)
    chosen = spread(data.test, count)
    shipped = {name: about["variants"][name] for name in ("baseline", sparse)}
    for variant in shipped:
        shutil.copyfile(run.checkpoint(variant), out / run.checkpoint(variant).name)
        write(out / f"{variant}.zarr.zip", run, variant, data, chosen)
    others = {name: facts for name, facts in about["variants"].items() if name not in shipped}
    metrics = {**about, "variants": shipped, "sparse": sparse, "variants_not_here": others}
    metrics["trace"] = {"pictures": data.test.numbers[chosen].tolist(), "bits": BITS}
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    for name in ("curves.png", PICTURES_FILE):
        shutil.copyfile(run.folder / name, out / name)


def spread(test: Part, count: int) -> np.ndarray:
    """Places of test pictures: the first of each of the first classes, whatever the order of the file."""
    _, first = np.unique(test.labels, return_index=True)
    return first[:count]


def write(place: Path, run: Run, variant: str, data: DataSet, chosen: np.ndarray) -> None:
    """One trace; its metrics are those of the checkpoint on the whole test part."""
    about, facts = run.about, run.about["variants"][variant]
    module = run.module(variant)
    provenance = {
        "recipe": "traces/sparsified.py, from a run of hwsim sparsify",
        "weights": f"{place.name.removesuffix('.zarr.zip')}.safetensors, trained by hwsim sparsify",
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
            variant=variant,
            provenance=provenance,
            metrics=metrics,
        )
        zip_folder(trace, place)
    print(f"{place}: {place.stat().st_size / 1e6:.2f} MB")


def prepared(part: Part, run: Run) -> Prepared:
    """Pictures as the network takes them."""
    names = [f"picture {number}" for number in part.numbers]
    raw = RawPictures("data set", "array", names, lambda number: part.images[number])
    return Prepared(raw, range(len(part)), run.preprocessing())


if __name__ == "__main__":
    main()
