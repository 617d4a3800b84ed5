"""``python benchmarks/machine_time.py [TRACE]``: cycles of every layer, of a machine in RTL and of the model.

A small machine of two cores, compiled; its DRAM has the latency and the rate of the model's. Of each layer:

- model, RTL: from the end of the layer before to its own;
- remade: of these, what a pool or a flattening takes once all values are there;
- else: what is left of the difference. The first layer has the header of the image in it.
"""

from __future__ import annotations

import sys
from itertools import pairwise

from hwsim.arch import Arch
from hwsim.machine.programs import LAYER_FIELDS, is_remade, pooled_shape, unpack
from hwsim.machine.schedule import schedule
from hwsim.machine.workload import Workload
from hwsim.program import compile_network
from hwsim.trace import open_trace
from hwsim_rtl.cosim.machine import build_machine

ARCH = Arch(cores=2, columns=4, accumulators=512, weight_words=2048, map_buffer=65536)


def main(name: str = "lenet5_digits/sparse") -> None:
    """Print a row a layer."""
    with open_trace(name) as trace:
        image = compile_network(trace, ARCH)
        jobs = Workload(trace, 0).jobs(ARCH)
    plan = schedule(jobs, ARCH)
    outcome = build_machine(ARCH).run(image.to_bytes(), image.number("memory_bytes"))
    at = 0
    print(f"{'layer':12} {'model':>8} {'RTL':>8} {'remade':>8} {'else':>6}")
    ends = [0, *outcome.layer_ends]
    for job, span, (begin, end) in zip(jobs, plan.layers, pairwise(ends), strict=True):
        layer = unpack(LAYER_FIELDS, image.memory[at : at + 64])
        at += job.program_size
        remade = 0
        if is_remade(layer):
            rows, columns = pooled_shape(layer)
            window = max(1, layer["pool_rows"] * layer["pool_columns"])
            remade = job.layer.out_shape[0] * rows * columns * window
        model, rtl = span.end - span.start, end - begin
        print(f"{job.layer.name:12} {model:8} {rtl:8} {remade:8} {rtl - model - remade:6}")
    print(f"{'all':12} {plan.layers[-1].end:8} {ends[-1]:8}")


if __name__ == "__main__":
    main(*sys.argv[1:])
