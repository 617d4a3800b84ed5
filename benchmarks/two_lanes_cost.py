"""What two lanes of decoding behind slots cost in cycles: the table of docs/two_lanes.md.

    python benchmarks/two_lanes_cost.py                    # all shipped traces
    python benchmarks/two_lanes_cost.py my.zarr.zip --layers

Each pass of image 0 is timed twice, with the mapping of the machine of one lane and all words in the
map buffer: with one lane, and with two. A layer takes as long as the core with the most work; weights do
not wait.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import hwsim
from hwsim.arch import Arch
from hwsim.machine.two_lanes import time_two_lanes
from hwsim.machine.workload import LayerJob, Workload
from hwsim.trace.shipped import shipped_traces


def layer_cycles(job: LayerJob) -> tuple[int, int]:
    """(cycles with one lane, those with two) of a layer.

    Two lanes read a depthwise layer's rows as two segments each, of half the channels. Each pass starts in a
    slot.
    """
    layer, workload, arch = job.layer, job.workload, job.arch
    halves = 2 if layer.kind == "depthwise" and job.block > 1 else 1
    block = job.block // halves
    stored = workload.stored(layer.input, block, arch.compress)
    words, places = stored.words, stored.line_places()
    symbols = workload.symbols(layer.input, block, arch)
    period = arch.cores + 1
    known: dict[tuple[int, int], tuple[int, int]] = {}
    one_lane: dict[int, int] = defaultdict(int)
    lanes: dict[int, int] = defaultdict(int)
    for work in job.mapping.rounds:
        for core, unit, group in work:
            key = (job.alike[unit], group)
            if key not in known:
                blocks = [halves * int(b) + half for b in job.segments([unit]) for half in range(halves)]
                timing = time_two_lanes(
                    layer,
                    symbols,
                    arch,
                    job.rows(group),
                    segments=range(blocks[0], min(blocks[-1] + 1, words.shape[1])),
                    out_channels=len(job.mapping.parts[unit].makes),
                    words=words,
                    places=places,
                    period=period,
                )
                known[key] = job.time(unit, group, None).cycles, timing.cycles
            one_lane[core] += known[key][0]
            lanes[core] = -(-lanes[core] // period) * period + known[key][1]
    return max(one_lane.values()), max(lanes.values())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("traces", nargs="*", help="default: all shipped")
    parser.add_argument("--layers", action="store_true", help="every layer too")
    options = parser.parse_args()
    print("| trace | one lane, skipping | two lanes | more | one lane, dense | two lanes | more |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for place in options.traces or shipped_traces().values():
        with hwsim.open_trace(place) as trace:
            workload = Workload(trace, 0)
            jobs = [workload.jobs(arch) for arch in (Arch(lanes=1), Arch(lanes=1).dense())]
            counts = [[layer_cycles(job) for job in machine] for machine in jobs]
            if options.layers:
                for number, job in enumerate(jobs[0]):
                    print(_line(job.layer.name, [machine[number] for machine in counts]), flush=True)
            name = f"{Path(place).parent.name}/{Path(place).name.removesuffix('.zarr.zip')}"
            sums = [(sum(a for a, _ in machine), sum(b for _, b in machine)) for machine in counts]
            print(_line(name, sums), flush=True)


def _line(name: str, counts: list[tuple[int, int]]) -> str:
    cells = [f"{a:,} | {b:,} | {100 * (b / a - 1):+.2f} %" for a, b in counts]
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
