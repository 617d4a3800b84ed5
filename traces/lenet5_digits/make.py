"""Make the LeNet-5 traces from nothing: train, sparsify, quantize, measure, write.

    python traces/lenet5_digits/make.py [--out DIR]

Needs ``pip install 'hwsim[train]'``. Writes baseline.zarr.zip, sparse.zarr.zip, the checkpoints baseline.npz
and sparse.npz, and metrics.json. Choices (the weights of the L1 norms) are made on the validation part; the
test part is measured once, at the end.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.capture import digits, lenet5
from hwsim.capture.chain import Chain, quantize_chain, write_chain
from hwsim.errors import HwsimError
from hwsim.trace.archive import zip_folder

SEED = 0  # of the split, the first parameters and the order of the pictures
BASELINE_EPOCHS = 100
TRIAL_EPOCHS = 20
MEASURED = 32  # pictures in the traces: the first of the test part
CALIBRATION = 256  # the first of the training part
SOURCE = "sklearn.datasets.load_digits, from UCI: Optical Recognition of Handwritten Digits, 1998"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for what is made")
    out = parser.parse_args().out
    try:
        make(out)
    except HwsimError as error:
        sys.exit(f"error: {error}")


def make(out: Path) -> None:
    """Train both variants and write everything into a folder."""
    from hwsim.capture import training

    out.mkdir(parents=True, exist_ok=True)
    began, data = time.perf_counter(), digits.load(SEED)
    validation = (data.validation, data.validation.shifted())
    baseline = training.fit(
        lenet5.forward, lenet5.initial(SEED), data.train, training.Schedule(BASELINE_EPOCHS, seed=SEED)
    )
    trained = time.perf_counter()
    sparse, trials = training.sparsify(
        lenet5.forward,
        baseline,
        data.train,
        validation,
        lenet5.HIDDEN,
        training.Schedule(TRIAL_EPOCHS, seed=SEED + 1),
    )
    sparsified = time.perf_counter()
    kept = [trial for trial in trials if trial.kept]
    alpha = kept[-1].alpha if kept else {}
    report: dict[str, Any] = {"data": describe(data)}
    for variant, network, more in (
        ("baseline", baseline, {"epochs": BASELINE_EPOCHS}),
        ("sparse", sparse, {"epochs": BASELINE_EPOCHS + TRIAL_EPOCHS * len(kept), "alpha": alpha}),
    ):
        np.savez(out / f"{variant}.npz", **{name: v.astype(np.float16) for name, v in network.items()})
        score = training.evaluate(lenet5.forward, network, data.test)
        chain = quantize(network, data.train.first(CALIBRATION))
        metrics = measure(chain, data.test) | {
            "accuracy_float": score.accuracy,
            "accuracy_validation": training.evaluate(lenet5.forward, network, data.validation).accuracy,
        }
        write(out / f"{variant}.zarr.zip", variant, chain, data, metrics, more)
        report[variant] = metrics | more
    report["trials"] = [
        {"alpha": t.alpha, "kept": t.kept, "correct": [s.correct for s in t.scores]} for t in trials
    ]
    report["seconds"] = {
        "baseline": round(trained - began, 1),
        "sparsify": round(sparsified - trained, 1),
        "total": round(time.perf_counter() - began, 1),
    }
    report["versions"] = versions()
    (out / "metrics.json").write_text(json.dumps(report, indent=1) + "\n")
    print(summary(report))


def quantize(network: dict[str, np.ndarray], calibration: digits.Split) -> Chain:
    """The network in integers: 16-bit maps, 8-bit weights, scales and orders from calibration pictures."""
    import torch

    with torch.no_grad():
        parameters = {name: torch.from_numpy(values) for name, values in network.items()}
        logits, maps = lenet5.forward(parameters, torch.from_numpy(calibration.images))
    samples = {name: values.numpy() for name, values in maps.items()}
    chain = quantize_chain(lenet5.LAYERS, lenet5.POOL, network, samples, logits.numpy())
    return chain.with_orders(calibration.images)


def measure(chain: Chain, test: digits.Split) -> dict[str, Any]:
    """The integer network on all test pictures: accuracy, densities, its answers for those in the trace."""
    nonzeros, answers = dict.fromkeys(chain.maps, 0), []
    for image in test.images:
        maps, logits = chain.run(image)
        answers.append(int(logits.argmax()))
        for name, codes in maps.items():
            nonzeros[name] += int(np.count_nonzero(codes))
    elements = {name: len(answers) * int(np.prod(info.shape)) for name, info in chain.maps.items()}
    return {
        "accuracy": float(np.mean(np.array(answers) == test.labels)),
        "test_images": len(answers),
        "density": {name: nonzeros[name] / elements[name] for name in nonzeros},
        "labels": test.labels[:MEASURED].tolist(),
        "predictions": answers[:MEASURED],
    }


def write(
    place: Path,
    variant: str,
    chain: Chain,
    data: digits.Digits,
    metrics: dict[str, Any],
    training: dict[str, Any],
) -> None:
    """One trace, of the first test pictures."""
    provenance = {
        "recipe": "traces/lenet5_digits/make.py",
        "weights": "trained by the recipe",
        "seed": SEED,
        "data": SOURCE,
        "data_licence": "CC BY 4.0",
        "images": "the first of the test part",
        "image_indices": data.test.sources[:MEASURED].tolist(),
        "calibration": f"scales and orders from the first {CALIBRATION} pictures of the training part",
        "versions": versions(),
        **training,
    }
    header = {"network": "lenet5", "variant": variant, "provenance": provenance}
    metrics = metrics | {"logits_scale": chain.logits_scale}
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.zarr"
        known = data.train.first(CALIBRATION).images
        write_chain(trace, chain, data.test.images[:MEASURED], known, metrics=metrics, **header)
        zip_folder(trace, place)


def describe(data: digits.Digits) -> dict[str, Any]:
    """Source and sizes of the data."""
    sizes = {name: len(getattr(data, name).labels) for name in ("train", "validation", "test")}
    return {"source": SOURCE, "split_seed": SEED, **sizes}


def versions() -> dict[str, str]:
    """What the numbers may depend on."""
    libraries = ("hwsim", "numpy", "scikit-learn", "torch")
    return {"python": platform.python_version()} | {name: version(name) for name in libraries}


def summary(report: dict[str, Any]) -> str:
    """The table of the README."""
    names = list(report["baseline"]["density"])
    lines = [f"{'':9} {'test':>7} {'float':>7} {'valid':>7}" + "".join(f" {name:>6}" for name in names)]
    for variant in ("baseline", "sparse"):
        values = report[variant]
        accuracies = (values[key] for key in ("accuracy", "accuracy_float", "accuracy_validation"))
        lines.append(
            f"{variant:9}"
            + "".join(f" {value:7.2%}" for value in accuracies)
            + "".join(f" {values['density'][name]:6.3f}" for name in names)
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
