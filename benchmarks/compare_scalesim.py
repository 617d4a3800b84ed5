"""ResNet-18 in hwsim and in SCALE-Sim 3, the same layers and as many multipliers: wall time and memory.

    pip install -e '.[bench]'
    python benchmarks/compare_scalesim.py [--layers N] [--json FILE]

Both read one topology file and run in a fresh process each, one after the other. All of ResNet-18 takes
SCALE-Sim minutes and several GB; ``--layers`` takes the first N layers only. The machines differ (hwsim: 16
cores x 16 columns, input-stationary, skipping zeros and dense; SCALE-Sim: a 16x16 systolic array,
weight-stationary, without values), and so do their cycles: what is compared is what a simulation costs. On a
busy machine trust the CPU time.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

REPEATS = 5
DENSITY = 0.5
# Buffers as in hwsim's default machine: 256 KiB of maps in and out each, weights of 16 cores. The rest as in
# SCALE-Sim's own configs/scale.cfg, with the bandwidth calculated.
CONFIG = """
[general]
run_name = run
[architecture_presets]
ArrayHeight = 16
ArrayWidth = 16
IfmapSramSzkB = 256
FilterSramSzkB = 2304
OfmapSramSzkB = 256
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = ws
Bandwidth = 10
ReadRequestBuffer = 64
WriteRequestBuffer = 64
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""


def run_hwsim(topology: Path, repeats: int) -> dict[str, float]:
    """Make the trace and simulate it, then ``repeats`` times more, warm (wall and CPU time)."""
    begin = time.perf_counter()
    import hwsim
    from hwsim.synthetic import synthetic_trace

    trace = synthetic_trace(topology, DENSITY)
    for name in trace.maps:
        trace.map(name, 0)
    made = time.perf_counter()
    simulate = hwsim.simulate
    result = simulate(trace)
    first = time.perf_counter()
    warm, warm_cpu = [], []
    for _ in range(repeats):
        start, start_cpu = time.perf_counter(), time.process_time()
        simulate(trace)
        warm.append(time.perf_counter() - start)
        warm_cpu.append(time.process_time() - start_cpu)
    medians = (
        {"warm_s": statistics.median(warm), "warm_cpu_s": statistics.median(warm_cpu)} if repeats else {}
    )
    return {
        **medians,
        "trace_s": made - begin,
        "first_s": first - made,
        "cycles": result.total("skipping"),
        "dense_cycles": result.total("dense"),
    }


def run_scalesim(topology: Path) -> dict[str, float]:
    """Run it as its own command does, without writing traces."""
    folder = topology.parent
    config, layout = folder / "scale.cfg", folder / "layout.csv"
    config.write_text(CONFIG, encoding="utf-8")
    names = [line.split(",")[0] for line in topology.read_text(encoding="utf-8").splitlines()[1:]]
    # Required, not used: a layout of ones.
    layout.write_text("\n".join(["name,", *(f"{name}," + "1," * 20 for name in names)]), encoding="utf-8")
    begin = time.perf_counter()
    from scalesim.scale_sim import scalesim

    accept_arrays_of_one()
    simulation = scalesim(
        save_disk_space=True,
        verbose=False,
        config=str(config),
        topology=str(topology),
        layout=str(layout),
    )
    simulation.run_scale(top_path=str(folder / "out"))
    seconds = time.perf_counter() - begin
    import csv

    with (folder / "out" / "run" / "COMPUTE_REPORT.csv").open(encoding="utf-8") as report:
        rows = list(csv.DictReader(report, skipinitialspace=True))
    macs = simulation.topo.get_all_mac_ops()
    return {"run_s": seconds, "cycles": sum(float(row["Total Cycles"]) for row in rows), "macs": int(macs)}


def accept_arrays_of_one() -> None:
    """SCALE-Sim 3.0 takes int() of a maximum that is an array of one element, which numpy 2.4 refuses."""
    import numpy as np
    from scalesim.memory import double_buffered_scratchpad_mem, read_buffer

    def maximum(*values: object) -> object:
        largest = max(*values)
        return largest.item() if isinstance(largest, np.ndarray) else largest

    double_buffered_scratchpad_mem.max = read_buffer.max = maximum


def in_fresh_process(tool: str, topology: Path, repeats: int = 0) -> dict[str, float]:
    """Run this file for one of the tools; adds the wall time of the whole process."""
    begin = time.perf_counter()
    process = subprocess.run(
        [sys.executable, __file__, "--tool", tool, "--topology", str(topology), "--repeats", str(repeats)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begin
    return {"process_s": seconds, **json.loads(process.stdout.splitlines()[-1])}


def main() -> None:
    """Run both, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, help="only the first N layers")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--tool", choices=["hwsim", "scalesim"], help=argparse.SUPPRESS)
    parser.add_argument("--topology", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.tool:
        if args.tool == "hwsim":
            numbers = run_hwsim(args.topology, args.repeats)
        else:
            numbers = run_scalesim(args.topology)
        used = resource.getrusage(resource.RUSAGE_SELF)
        numbers |= {"cpu_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}
        print(json.dumps(numbers))
        return

    from hwsim import networks
    from hwsim.networks.scalesim import write_topology

    network = networks.get("resnet18")
    network = replace(network, layers=network.layers[: args.layers])
    with tempfile.TemporaryDirectory() as folder:
        topology = Path(folder) / "resnet18.csv"
        write_topology(network, topology)
        once = in_fresh_process("hwsim", topology)
        warm = in_fresh_process("hwsim", topology, REPEATS)
        print(f"{len(network.layers)} layers\nhwsim, skipping and dense, in all:", once)
        print("hwsim, warm:", warm, flush=True)
        theirs = in_fresh_process("scalesim", topology)
        print("SCALE-Sim:", theirs)
    if theirs["macs"] != network.macs:
        sys.exit(f"the tools disagree on the layers: {theirs['macs']} MACs, not {network.macs}")
    ratios = {
        "wall time, SCALE-Sim / hwsim warm": theirs["run_s"] / warm["warm_s"],
        "CPU time, SCALE-Sim / hwsim warm": theirs["cpu_s"] / warm["warm_cpu_s"],
        "wall time of the whole process": theirs["process_s"] / once["process_s"],
        "CPU time of the whole process": theirs["cpu_s"] / once["cpu_s"],
        "peak memory": theirs["peak_mib"] / once["peak_mib"],
    }
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.1f}")
    if args.json:
        record = {
            "layers": len(network.layers),
            "macs": network.macs,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "hwsim": once,
            "hwsim_warm": warm,
            "scalesim": theirs,
            "ratios": ratios,
        }
        args.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
