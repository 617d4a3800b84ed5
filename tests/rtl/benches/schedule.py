"""Bench of Top: whole layers on an array behind one port of a map buffer, as the schedule says.

Every pass must begin, and be done, in the very cycle of the schedule, and make the words of the reference.
"""

import random
from dataclasses import dataclass
from itertools import chain

import cocotb
import numpy as np
from bench_pass import Pass, bits
from cocotb.triggers import RisingEdge, Timer
from core_cases import Case, Operands
from map_buffer import AtWork, MapBuffer
from mapped_cases import ENTRIES, fields_of, lengths_of, lines_of, stored_words
from random_networks import MemoryTrace
from streams import AxiStream, Coverage, bench_case, now, pack, start_clock, until_idle

from hwsim.arch import START_LATENCY, Arch
from hwsim.layer import Kind, Layer
from hwsim.machine.descriptors import Code
from hwsim.machine.lines import lines_there
from hwsim.machine.mapping import map_blocks, segment_blocks
from hwsim.machine.schedule import LayerSpan, PassRun, Schedule, schedule
from hwsim.machine.workload import Workload
from hwsim.quantize import Requantize
from hwsim_rtl.bits.word import IndexEntry
from hwsim_rtl.core.payloads import MapRow, SentPass

Shape = tuple[int, int, int]
Pair = tuple[int, int]

CODE = Code(8, 2)
MARGIN = 3  # cycles of the bench before cycle 0 of the schedule
INPUTS, OUTPUTS = ("passes", "map_rows", "rows"), ("coded", "index")
LAYERS: tuple[tuple[Kind, Shape, Shape, Pair, Pair], ...] = (
    ("conv", (3, 7, 6), (8, 6, 5), (2, 3), (0, 1)),
    ("depthwise", (8, 6, 5), (8, 6, 5), (3, 3), (1, 1)),
    ("conv", (8, 6, 5), (36, 1, 1), (6, 5), (0, 0)),
    ("conv", (36, 1, 1), (42, 1, 1), (1, 1), (0, 0)),
    ("conv", (42, 1, 1), (3, 1, 1), (1, 1), (0, 0)),
)


def network() -> MemoryTrace:
    """Layers with few weights, with many, with many passes of few weights, and a depthwise one."""
    layers, values = [], {}
    for number, (kind, source, target, kernel, padding) in enumerate(LAYERS):
        shape = source, target, kernel, (1, 1), padding
        layers.append(Layer(f"l{number}", kind, f"m{number}", *shape, output=f"m{number + 1}"))
        rng = np.random.default_rng(random.getrandbits(32))
        map_ = rng.integers(0, 32, (1, *source)) * (rng.random((1, *source)) < 0.5)
        values[f"m{number}"] = map_.astype(np.uint16)
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
        seed=0,
        given=Operands(trace.map(layer.input, 0), weights, drain),
    )
    return Pass(case)


@dataclass(frozen=True)
class Work:
    """A pass of the schedule: its payloads, the ``config`` and ``map_rows`` that are sent of it, the
    ``lines`` of its map, and the cycle of the pass from which each is ``there``."""

    span: LayerSpan
    run: PassRun
    one: Pass
    config: int
    map_rows: list[int]
    lines: np.ndarray
    there: np.ndarray


def work_of(trace: MemoryTrace, plan: Schedule, arch: Arch) -> list[list[Work]]:
    """The passes of every core, in their order."""
    blocks = map_blocks(trace.layers, arch)
    segments = segment_blocks(trace.layers, blocks)
    work: list[list[Work]] = [[] for _ in range(arch.cores)]
    for span in plan.layers:
        job, layer = span.job, span.job.layer
        data, counts, raw = stored_words(trace.map(layer.input, 0), job.block, CODE, arch.compress)
        places = job.places
        lines, index_line = lines_of(data, counts, raw, places)
        for run in span.passes:
            one = pass_of(
                trace, span, run, blocks[layer.input], segments.get(layer.output or "", arch.columns)
            )
            first = int(job.segments([run.unit])[0])
            map_rows = [
                {"place": int(places[y, first]), "entry": int(y * counts.shape[1] + first)}
                for y in job.rows(run.group).y
            ]
            config = one.case.geometry.config(arch, job.block)
            config |= {"place_words": int(job.stored.room[0]) // 8, "index_line": index_line}
            lengths = lengths_of(lines, index_line + map_rows[0]["entry"] // ENTRIES)
            sent = {"config": config, "lengths": fields_of(lengths)}
            there = np.zeros(len(lines), np.int64)
            if run.stream is not None:
                late = lines_there(job, run.unit, run.group, run.stream)
                there[: len(late)] = late
            work[run.core].append(
                Work(
                    span,
                    run,
                    one,
                    bits(SentPass(arch), sent)["bits"],
                    [pack(MapRow.as_shape(), row) for row in map_rows],
                    lines,
                    there,
                )
            )
    return work


async def load(dut, base: int, plan: Schedule, work: list[list[Work]], coverage: Coverage) -> None:
    """Send weights and scales in the cycles in which the channel brings their last bytes."""
    transfers = iter([transfer for transfer in plan.transfers if transfer.kind == "weights"])
    ports = {name: AxiStream(dut, f"s_axis_{name}", "data", "user", "last") for name in ("weights", "scales")}
    loads: dict[str, tuple[list, list]] = {name: ([], []) for name in ports}
    payloads_of = {id(each.run): each.one for each in chain.from_iterable(work)}
    for span in plan.layers:
        sent = set()
        for run in span.passes:
            if run.unit in sent:
                continue
            sent.add(run.unit)
            transfer = next(transfers)
            users = sum({1 << other.core for other in span.passes if other.unit == run.unit})
            there = base + transfer.end + span.job.arch.dram_latency
            loads_weights = len(payloads_of[id(run)].weights)
            coverage.hit("busy", "port" if transfer.end - transfer.begin == loads_weights else "other")
            for name, (payloads, begins) in loads.items():
                entries = getattr(payloads_of[id(run)], name)
                payloads += [
                    {"data": entry["bits"], "user": users, "last": int(i == len(entries) - 1)}
                    for i, entry in enumerate(entries)
                ]
                begins += range(there - len(entries), there)
    for name, (payloads, begins) in loads.items():
        cocotb.start_soon(ports[name].put(payloads, begins=begins))


async def run_core(dut, core: int, buffer: MapBuffer, work: list[Work], coverage: Coverage) -> None:
    """The passes of a core: each in its cycles, and what it makes."""
    commands = AxiStream(dut, f"s_axis_passes_{core}", "data")
    sent = {name: AxiStream(dut, f"s_axis_{name}_{core}", "data") for name in ("map_rows", "rows")}
    cocotb.start_soon(sent["map_rows"].put({"data": row} for each in work for row in each.map_rows))
    cocotb.start_soon(sent["rows"].put({"data": row["bits"]} for each in work for row in each.one.rows))
    coded = AxiStream(dut, f"m_axis_coded_{core}", "data", "last")
    index = AxiStream(dut, f"m_axis_index_{core}", "data")
    made = [
        cocotb.start_soon(port.get(sum(len(getattr(each.one, name)) for each in work)))
        for name, port in (("coded", coded), ("index", index))
    ]
    lines = 0
    for each in work:
        span, run = each.span, each.run
        where = f"{span.job.layer.name}, unit {run.unit} on core {core}"
        await commands.put([{"data": each.config}], begins=[buffer.base + span.start - 1])
        buffer.at_work[core] = AtWork(each.lines, each.there, buffer.base + run.begin)
        assert now() + 1 == buffer.base + run.begin, where
        coverage.hit("waits for weights", run.loaded > max(run.free, span.start))
        coverage.hit("waits for a slot", run.begin - run.loaded - START_LATENCY)
        coverage.hit("lines on their way", run.stream is not None)
        await Timer(2, "ns")
        while not int(dut.done.value) >> core & 1:
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
        assert now() + 1 == buffer.base + run.begin + run.timing.cycles, where
        assert not int(dut.error.value)
        lines += run.timing.words // 8
        assert buffer.reads[core] == lines, where
    coded_words, entries = [await task for task in made]
    assert [payload for _, payload in coded_words] == [word for each in work for word in each.one.coded]
    assert [payload["data"] for _, payload in entries] == [
        pack(IndexEntry.as_shape(), entry) for each in work for entry in each.one.index
    ]
    assert sent["map_rows"].sent == sum(len(each.map_rows) for each in work)
    assert sent["rows"].sent == sum(len(each.one.rows) for each in work)


@cocotb.test(timeout_time=1, timeout_unit="ms")  # 100,000 cycles
async def every_pass_begins_and_ends_in_the_cycles_of_the_schedule(dut):
    arch = Arch(**bench_case()["arch"])
    trace, coverage = network(), Coverage()
    plan = schedule(Workload(trace, 0).jobs(arch), arch)
    work = work_of(trace, plan, arch)
    await start_clock(
        dut,
        *("abort_pass", "align", "map_there", "map_line"),
        *("s_axis_weights_tvalid", "s_axis_scales_tvalid"),
        *(f"s_axis_{name}_{core}_tvalid" for name in INPUTS for core in range(arch.cores)),
        *(f"m_axis_{name}_{core}_tready" for name in OUTPUTS for core in range(arch.cores)),
    )
    await until_idle(dut)
    base = now() + MARGIN + random.randrange(arch.cores + 1)
    while now() < base - 1:
        await RisingEdge(dut.clk)
    dut.align.value = 1
    buffer = MapBuffer(dut, arch.cores, base)
    cocotb.start_soon(buffer.serve())
    await load(dut, base, plan, work, coverage)
    cores = [
        cocotb.start_soon(run_core(dut, core, buffer, work[core], coverage)) for core in range(arch.cores)
    ]
    await RisingEdge(dut.clk)
    dut.align.value = 0
    for task in cores:
        await task
    coverage.require("waits for weights", [True, False])
    coverage.require("waits for a slot", range(arch.cores + 1))
    coverage.require("lines on their way", bench_case()["late"])
    coverage.require("busy", bench_case()["busy"])
