"""Simulated cycles a second of the compiled RTL: the passes of a trace on one core, skipping and dense.

    python benchmarks/cosim_speed.py [TRACE] [--columns M] [--image I] [--repeats N]

Every pass is first checked, as ``hwsim verify`` does. CPU time is that of the simulation alone; wall time is
that of whole calls, with the packing of stimulus in Python. The first line says how long the build took, if
the library was not in the cache.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Sequence
from unittest import mock

from hwsim import open_trace
from hwsim.arch import Arch
from hwsim.trace.shipped import shipped_trace
from hwsim.verify import verify
from hwsim_rtl.cosim import PassOutcome, PassStimulus, Simulator, build


class Recorder:
    """A simulator that remembers what it was given."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.batches: list[list[PassStimulus]] = []

    def run(self, passes: Sequence[PassStimulus]) -> list[PassOutcome]:
        self.batches.append(list(passes))
        return self._simulator.run(passes)


def main() -> None:
    """Check, then simulate the same passes ``repeats`` times and print the median speeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trace", nargs="?", default=shipped_trace(), metavar="TRACE")
    parser.add_argument("--columns", type=int, default=16)
    parser.add_argument("--image", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    arch = Arch(cores=1, columns=args.columns)

    begun, used = time.perf_counter(), cpu_of_children()
    simulator = build(arch)
    wall, cpu = time.perf_counter() - begun, cpu_of_children() - used
    print(f"1 core, {arch.columns} columns, {arch.activation_bits} x {arch.weight_bits} bits; ", end="")
    print(f"ready after {wall:.1f} s, {cpu:.1f} s of CPU time in compilers")
    recorder = Recorder(simulator)
    with open_trace(args.trace) as trace, mock.patch("hwsim.verify.build", return_value=recorder):
        wrong = [check.layer for check in verify(trace, arch, images=[args.image]) if not check.equal]
    if wrong:
        raise SystemExit(f"the RTL differs in {', '.join(wrong)}")

    speeds = []
    for _ in range(args.repeats):
        cycles, cpu, begun = simulator.simulated_cycles, simulator.cpu_seconds, time.perf_counter()
        for batch in recorder.batches:
            simulator.run(batch)
        cycles = simulator.simulated_cycles - cycles
        speeds.append((cycles / (simulator.cpu_seconds - cpu), cycles / (time.perf_counter() - begun)))
    by_cpu, by_wall = (statistics.median(column) for column in zip(*speeds, strict=True))
    print(f"{cycles:,} cycles, median of {args.repeats}: {by_cpu:,.0f} a second of CPU time ", end="")
    print(
        f"({min(speeds)[0]:,.0f} .. {max(speeds)[0]:,.0f}), {by_wall:,.0f} a second of wall time, whole calls"
    )


def cpu_of_children() -> float:
    """Seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
