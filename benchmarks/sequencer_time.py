"""``python benchmarks/sequencer_time.py [TRACE]``: cycles that the sequencer in RTL takes for each layer.

Every output is taken at once, so it is what the sequencer takes alone. The machine is the default one. From
the first word of a layer's program:

- read: cycles until its last word was taken;
- first pass: until the first pass is offered to a core;
- last row: until the last input row of its last pass is offered.
"""

from __future__ import annotations

import sys

from amaranth.sim import Simulator, Tick

from hwsim.arch import Arch
from hwsim.machine.workload import Workload
from hwsim.program import compile_network
from hwsim.trace import open_trace
from hwsim_rtl.system.sequencer import Sequencer


def main(name: str = "lenet5_digits/sparse") -> None:
    """Print a row a layer."""
    arch = Arch()
    with open_trace(name) as trace:
        image = compile_network(trace, arch)
        jobs = Workload(trace, 0).jobs(arch)
    dut = Sequencer(arch)
    print(f"{'layer':12} {'words':>6} {'read':>6} {'first pass':>11} {'last row':>9}")

    def bench():
        for stream in (*dut.passes, *dut.map_rows, *dut.rows):
            yield stream.ready.eq(1)
        at = 0
        for job in jobs:
            words = job.program_size // 8
            rows = sum(len(job.rows(group).y) for work in job.mapping.rounds for _, _, group in work)
            cycle, first, read, seen = 0, None, None, 0
            sent = 0
            while seen < rows or first is None:
                yield dut.words.valid.eq(sent < words)
                if sent < words:
                    word = image.memory[at + 8 * sent : at + 8 * sent + 8]
                    yield dut.words.payload.eq(int.from_bytes(word, "little"))
                yield Tick()
                cycle += 1
                ready = yield dut.words.ready
                if sent < words and ready:
                    sent += 1
                    read = cycle
                for passes, places in zip(dut.passes, dut.map_rows, strict=True):
                    offered = yield passes.valid
                    if offered and first is None:
                        first = cycle
                    seen += yield places.valid
            print(f"{job.layer.name:12} {words:6} {read:6} {first:11} {cycle:9}")
            at += job.program_size
            while not (yield dut.words.ready):
                yield Tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_process(bench)
    simulator.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
