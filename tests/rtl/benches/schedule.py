"""Bench of Top: whole layers, loads in the cycles in which the schedule has them at the port of the array.

Every pass must begin, and be done, in the very cycle that the schedule says.
"""

import random

import cocotb
import numpy as np
from bench_pass import Pass
from cocotb.triggers import RisingEdge, Timer
from core_cases import Case, Operands
from random_networks import MemoryTrace
from streams import AxiStream, Coverage, bench_case, now, start_clock, until_idle

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.descriptors import Code
from hwsim.machine.schedule import LayerSpan, PassRun, schedule
from hwsim.machine.workload import Workload
from hwsim.quantize import Requantize

SHAPES = ((3, 7, 6), (8, 6, 5), (36, 1, 1), (42, 1, 1), (3, 1, 1))
KERNELS = ((2, 3), (6, 5), (1, 1), (1, 1))
CODE = Code(8, 2)
MARGIN = 3  # cycles of the bench before cycle 0 of the schedule


def network() -> MemoryTrace:
    """Layers with few weights, with many, and with many passes of few weights."""
    layers, values = [], {}
    for number, (source, target, kernel) in enumerate(zip(SHAPES, SHAPES[1:], KERNELS, strict=False)):
        name = f"m{number}"
        padding = (0, 1) if number == 0 else (0, 0)
        layers.append(
            Layer(
                f"l{number}", "conv", name, source, target, kernel, (1, 1), padding, output=f"m{number + 1}"
            )
        )
        rng = np.random.default_rng(random.getrandbits(32))
        map_ = rng.integers(0, 256, (1, *source)) * (rng.random((1, *source)) < 0.5)
        values[name] = map_.astype(np.uint16)
    return MemoryTrace(tuple(layers), values, CODE.order, CODE.bits)


def pass_of(trace: MemoryTrace, span: LayerSpan, run: PassRun, block: int, out_block: int) -> Pass:
    """The payloads of a pass of the schedule, with so many channels of a segment in and out."""
    job, layer = span.job, span.job.layer
    channels = job.mapping.parts[run.unit].makes
    rng = np.random.default_rng(run.unit)
    filters = layer.out_shape[0]
    drain = Requantize(np.zeros(filters, np.int64), np.full(filters, 300), 20, True, 8, False, 2)
    weights = rng.integers(-128, 128, layer.weight_shape).astype(np.int16)
    case = Case(
        layer=layer,
        arch=job.arch,
        owned=tuple(job.mapping.groups[run.group].tolist()),
        first=channels.start,
        out_channels=len(channels),
        block=block,
        out_block=out_block,
        source=CODE,
        target=CODE,
        shift=20,
        density=0.0,
        stream=None,
        seed=0,
        given=Operands(trace.map(layer.input, 0), weights, drain),
    )
    return Pass(case)


def arrivals(span: LayerSpan, run: PassRun) -> list[int]:
    """Cycles of the schedule from which the words of a pass are there."""
    job = span.job
    if run.stream is None:
        segments = np.ix_(job.rows(run.group).y, job.segments([run.unit]))
        return [run.begin] * int(job.stored.words[segments].sum())
    blocks = job.stored.words.shape[1]
    words = [
        (y * blocks + block, word // 4)
        for y in job.rows(run.group).y
        for block in job.segments([run.unit])
        for word in range(job.stored.words[y, block])
    ]
    segments, beats = np.array(words).T
    return (run.begin + run.stream.arrivals(segments, beats)).tolist()


@cocotb.test(timeout_time=1, timeout_unit="ms")  # 100,000 cycles
async def every_pass_begins_and_ends_in_the_cycles_of_the_schedule(dut):
    arch = Arch(**bench_case()["arch"])
    trace, coverage = network(), Coverage()
    plan = schedule(Workload(trace, 0).jobs(arch), arch)
    blocks = {span.job.layer.input: span.job.block for span in plan.layers}
    inputs, outputs = ("passes", "words", "rows"), ("coded", "index")
    await start_clock(
        dut,
        *("abort_pass", "s_axis_weights_tvalid", "s_axis_scales_tvalid"),
        *(f"s_axis_{name}_{core}_tvalid" for name in inputs for core in range(arch.cores)),
        *(f"m_axis_{name}_{core}_tready" for name in outputs for core in range(arch.cores)),
    )
    for core in range(arch.cores):
        for name in outputs:
            getattr(dut, f"m_axis_{name}_{core}_tready").value = 1
    await until_idle(dut)
    base = now() + MARGIN

    # Loads: the last ones of a transfer in the cycles in which the channel brings its last bytes.
    transfers = iter([transfer for transfer in plan.transfers if transfer.kind == "weights"])
    ports = {name: AxiStream(dut, f"s_axis_{name}", "data", "user", "last") for name in ("weights", "scales")}
    loads = {name: ([], []) for name in ports}
    work = [[] for _ in range(arch.cores)]  # of every core: its passes, and the start of their layers
    for span in plan.layers:
        ready = {}
        for run in span.passes:
            out_block = blocks.get(span.job.layer.output or "", arch.columns)
            one = pass_of(trace, span, run, span.job.block, out_block)
            work[run.core].append((span, run, one))
            if run.unit in ready:
                continue
            transfer = ready[run.unit] = next(transfers)
            users = sum({1 << other.core for other in span.passes if other.unit == run.unit})
            there = base + transfer.end + arch.dram_latency
            for name, (payloads, begins) in loads.items():
                entries = getattr(one, name)
                payloads += [
                    {"data": entry["bits"], "user": users, "last": int(i == len(entries) - 1)}
                    for i, entry in enumerate(entries)
                ]
                begins += range(there - len(entries), there)
            coverage.hit("busy", "port" if transfer.end - transfer.begin == len(one.weights) else "other")
    for name, (payloads, begins) in loads.items():
        cocotb.start_soon(ports[name].put(payloads, begins=begins))

    async def run_core(core: int) -> None:
        commands = AxiStream(dut, f"s_axis_passes_{core}", "data")
        words = AxiStream(dut, f"s_axis_words_{core}", "data", "last")
        rows = AxiStream(dut, f"s_axis_rows_{core}", "data")
        cocotb.start_soon(rows.put({"data": row["bits"]} for _, _, one in work[core] for row in one.rows))
        payloads = [word for _, _, one in work[core] for word in one.words]
        times = [base + cycle for span, run, _ in work[core] for cycle in arrivals(span, run)]
        cocotb.start_soon(words.put(payloads, begins=times))
        for span, run, one in work[core]:
            await commands.put([{"data": one.config}], begins=[base + span.start - 1])
            assert now() == base + run.begin, f"{span.job.layer.name}, unit {run.unit} on core {core}"
            waited = run.begin > max(run.free, span.start)
            coverage.hit("waits for weights", waited)
            await Timer(2, "ns")
            while not int(dut.done.value) >> core & 1:
                await RisingEdge(dut.clk)
                await Timer(2, "ns")
            assert now() + 1 == base + run.begin + run.timing.cycles
        assert rows.sent == sum(len(one.rows) for _, _, one in work[core])

    for task in [cocotb.start_soon(run_core(core)) for core in range(arch.cores)]:
        await task
    coverage.require("waits for weights", [True, False])
    coverage.require("busy", bench_case()["busy"])
