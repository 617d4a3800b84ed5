"""How long ``hwsim.simulate`` takes, warm, for ResNet-18 and MobileNet-V1 at 224x224, and how much memory.

    python benchmarks/simulate_resnet18.py [--density D] [--repeats N] [NETWORK ...]

One image; every layer on the machine and on its dense baseline: cycles, DRAM and energy. The maps are made
before the clock starts; the trace in a file is read anew in every run. Each network has a fresh process.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def measure(network: str, density: float, repeats: int) -> dict[str, float]:
    """Seconds (median of ``repeats``) and peak memory of this process."""
    import hwsim
    from hwsim.synthetic import synthesize, synthetic_trace

    simulate = hwsim.simulate
    trace = synthetic_trace(network, density)
    for name in trace.maps:
        trace.map(name, 0)
    numbers = {"values": sum(trace.map(name, 0).size for name in trace.maps)}
    numbers["first_s"], _ = clock(lambda: simulate(trace))
    numbers["warm_s"] = statistics.median(clock(lambda: simulate(trace))[0] for _ in range(repeats))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.zip"
        numbers["synthesize_s"], _ = clock(lambda: synthesize(network, path, density))
        numbers["from_file_s"] = statistics.median(
            clock(lambda: simulate(hwsim.open_trace(path)))[0] for _ in range(repeats)
        )
    numbers["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return numbers


def clock(action: Callable[[], object]) -> tuple[float, object]:
    """Wall time of an action, in seconds, and what it returns."""
    begin = time.perf_counter()
    result = action()
    return time.perf_counter() - begin, result


def main() -> None:
    """Measure every network in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["resnet18", "mobilenet_v1"], metavar="NETWORK")
    parser.add_argument("--density", type=float, default=0.5)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure(args.networks[0], args.density, args.repeats)))
        return
    titles = ("values", "first s", "warm s", "file s", "synth s", "peak MiB")
    print(f"{'network':14}", *(f"{title:>9}" for title in titles))
    for network in args.networks:
        command = [sys.executable, __file__, "--here", network]
        command += ["--density", str(args.density), "--repeats", str(args.repeats)]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        n = json.loads(output)
        seconds = (n["first_s"], n["warm_s"], n["from_file_s"], n["synthesize_s"])
        cells = (f"{n['values']:9}", *(f"{s:9.3f}" for s in seconds), f"{n['peak_mib']:9.0f}")
        print(f"{network:14}", *cells, flush=True)


if __name__ == "__main__":
    main()
