"""The systolic array takes SCALE-Sim's own cycles: its simulator runs the same convolutions."""

import csv
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsim.layer import Layer
from hwsim.peers import Systolic

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "compare_scalesim.py"
# Rows, columns, and convolutions as (channels, size, kernel, filters, stride).
ARRAYS = [(16, 16), (4, 8)]
CONVOLUTIONS = [(4, 8, 3, 10, 1), (5, 9, 3, 40, 2), (17, 6, 1, 3, 1), (1, 5, 5, 9, 1), (3, 7, 2, 5, 1)]


@pytest.mark.parametrize(("rows", "columns"), ARRAYS)
def test_cycles_are_those_that_scalesim_simulates(rows, columns, tmp_path):
    # SCALE-Sim reports the number of the last cycle, and its first is 0.
    reported = scalesim_cycles(rows, columns, tmp_path)
    for (channels, size, kernel, filters, stride), cycles in zip(CONVOLUTIONS, reported, strict=True):
        out = (size - kernel) // stride + 1
        layer = Layer(
            "l", "conv", "x", (channels, size, size), (filters, out, out), (kernel, kernel), (stride,) * 2
        )
        assert Systolic(rows, columns).run(layer, np.ones(layer.in_shape, bool)).cycles == cycles + 1


def scalesim_cycles(rows: int, columns: int, folder: Path) -> list[int]:
    """Total cycles of every convolution, of SCALE-Sim 3 with output-stationary dataflow."""
    spec = importlib.util.spec_from_file_location("compare_scalesim", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    benchmark: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    config = benchmark.CONFIG.replace("Dataflow = ws", "Dataflow = os")
    config = config.replace("ArrayHeight = 16", f"ArrayHeight = {rows}")
    benchmark.CONFIG = config.replace("ArrayWidth = 16", f"ArrayWidth = {columns}")
    titles = ("Layer name", "IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels")
    header = ", ".join((*titles, "Num Filter", "Strides", "Sparsity", ""))
    lines = [f"c{i},{s},{s},{k},{k},{c},{m},{t},1:1," for i, (c, s, k, m, t) in enumerate(CONVOLUTIONS)]
    topology = folder / "topology.csv"
    topology.write_text("\n".join([header, *lines]) + "\n")
    benchmark.run_scalesim(topology)
    with (folder / "out" / "run" / "COMPUTE_REPORT.csv").open() as report:
        return [int(row["Total Cycles"]) for row in csv.DictReader(report, skipinitialspace=True)]
