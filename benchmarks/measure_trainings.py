r"""Rows of the tables (docs/reproducing.md) for the runs in training/, whose traces are not shipped.

    python benchmarks/measure_trainings.py training/resnet18_w025 --data CIFAR10.npz -o ROWS.json
    python benchmarks/measure_trainings.py training/lenet5_mnist_seed? --data MNIST.npz \
        --variants baseline,l1_fatrelu -o ROWS.json

ROWS.json goes to hwsim/reproduce/data. Runs are measured as ``hwsim reproduce RUN --data`` does it, on 500
test pictures in the loop. Of runs that differ in their seeds, this is behind the name of the network.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hwsim.reproduce.entry import Entry, to_json
from hwsim.reproduce.sources import Wanted, run_entries
from hwsim.reproduce.write import made_with
from hwsim.sparsify.folder import open_run

PICTURES = 500


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--variants", help="those that are kept, with commas between; all if not given")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    wanted = Wanted(data=args.data, pictures=PICTURES, say=print)
    entries = [entry for run in sorted(args.runs) for entry in named(run, wanted, len(args.runs) > 1)]
    if args.variants:
        entries = [entry for entry in entries if entry.variant in args.variants.split(",")]
    args.output.write_text(to_json(entries, made_with()), encoding="utf-8")


def named(run: Path, wanted: Wanted, seeds: bool) -> Iterator[Entry]:
    """The rows of a run, the seed in their name if it tells them apart."""
    seed = open_run(run).about["settings"]["seed"]
    for entry in run_entries(run, wanted):
        yield replace(entry, network=f"{entry.network}, seed {seed}") if seeds else entry


if __name__ == "__main__":
    main()
