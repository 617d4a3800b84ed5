"""Machines a second of a sweep over ResNet-18 at 224x224, one image, on all cores of this computer.

    python benchmarks/sweep_resnet18.py [--points N]

Two spaces: fields of timing alone, and fields that map every layer anew. Each with a tenth of the points and
with all of them, so that the cost of a point can be seen to stay. The start of the workers is in it. By the
CPU time of all processes, it says what two cores would reach that have nothing else to do.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

from hwsim.sweep import Space, sweep
from hwsim.synthetic import synthesize

SPACES = {
    "timing": {"bytes_per_cycle": {"low": 8, "high": 128}, "dram_latency": {"low": 20, "high": 400}},
    "mapping": {
        "cores": [4, 8, 12, 16, 20, 24, 28, 32],
        "columns": [8, 16, 32],
        "row_split": ["best", "balanced", "contiguous"],
        "accumulators": [1024, 2048, 4096],
        "bytes_per_cycle": {"low": 8, "high": 128},
    },
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=2000)
    points = parser.parse_args().points
    with tempfile.TemporaryDirectory() as folder:
        trace = f"{folder}/resnet18.zarr.zip"
        synthesize("resnet18", trace, density=0.4, seed=1)
        for name, fields in SPACES.items():
            for count in (points // 10, points):
                space = Space.parse({"space": fields, "search": {"method": "sobol", "points": count}})
                machines = len(space.points())
                begun, used = time.perf_counter(), cpu_seconds()
                sweep([trace], space, Path(folder) / f"{name}{count}")
                seconds, used = time.perf_counter() - begun, cpu_seconds() - used
                print(
                    f"{name}: {machines} machines in {seconds:.1f} s: {machines / seconds:.0f} a second; "
                    f"{used / machines * 1e3:.1f} ms of CPU each: {2 * machines / used:.0f} on two cores",
                    flush=True,
                )


def cpu_seconds() -> float:
    """CPU time of this process and of its children, which have ended when this returns."""
    for child in multiprocessing.active_children():
        child.join()
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + use.ru_utime + use.ru_stime


if __name__ == "__main__":
    main()
