"""Bench of ProgrammedArray: a layer, from the bytes of a memory image to the words that its cores make."""

import random

import cocotb
from amaranth.lib import data
from bench_pass import Raw
from cocotb.triggers import RisingEdge, Timer
from image_cases import ImageCase, image_cases
from streams import Coverage, StreamPort, bench_case, now, start_clock

from hwsim.arch import START_LATENCY, Arch
from hwsim_rtl.array import Load
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.payloads import ChannelScale, weight_load
from hwsim_rtl.system.payloads import MapLine


async def watch(dut, cores: int, spans: list[list[int]]) -> None:
    """Note of every core the cycles of its passes, from their cycle 0 to done."""
    begun = [0] * cores
    while True:
        await Timer(2, "ns")
        starts, done = int(dut.starts.value), int(dut.done.value)
        for core in range(cores):
            if done >> core & 1:
                spans[core].append(now() + 1 - begun[core])
            if starts >> core & 1:
                begun[core] = now() + START_LATENCY
        await RisingEdge(dut.clk)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def a_layer_of_an_image_is_made_in_the_cycles_of_the_model(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    cores = range(arch.cores)
    coverage = Coverage()
    readies = [f"{name}__{core}__ready" for name in ("coded", "index") for core in cores]
    inputs = [f"{name}__valid" for name in ("lines", "words", "weights", "scales")]
    await start_clock(dut, *inputs, *readies)
    layouts = {
        "lines": MapLine.as_shape(),
        "words": Raw(data.ArrayLayout(64, 1)),
        "weights": Raw(Load(weight_load(arch), arch)),
        "scales": Raw(Load(ChannelScale, arch)),
    }
    ports = {name: StreamPort(dut, name, layout) for name, layout in layouts.items()}
    for _ in range(40):
        await RisingEdge(dut.clk)
    for one in image_cases(arch, random.getrandbits(32), case["networks"]):
        await run(dut, arch, one, ports, coverage)
    coverage.require("kind", ["conv", "depthwise"])
    coverage.require("last", [True, False])
    coverage.require("passes on a core", [1, 2])


async def run(dut, arch: Arch, one: ImageCase, ports: dict, coverage: Coverage) -> None:
    """One layer: its map first, then its program; loads come when they may."""
    cores = range(arch.cores)
    await ports["lines"].put(one.lines)
    spans: list[list[int]] = [[] for _ in cores]
    watcher = cocotb.start_soon(watch(dut, arch.cores, spans))
    for name in ("words", "weights", "scales"):
        cocotb.start_soon(ports[name].put([{"bits": bits} for bits in getattr(one, name)]))
    made = []
    for core in cores:
        due = {"coded": one.coded[core], "index": one.index[core]}
        for name, layout in (("coded", Word), ("index", IndexEntry)):
            port = StreamPort(dut, f"{name}__{core}", layout)
            task = cocotb.start_soon(port.get(len(due[name])))
            made.append((task, due[name], name, core))
    for task, expected, name, core in made:
        assert [payload for _, payload in await task] == expected, (name, core, one.layer)
    for _ in range(60):
        await RisingEdge(dut.clk)
    watcher.cancel()
    assert not int(dut.error.value)
    assert spans == one.cycles, one.layer
    coverage.hit("kind", one.layer.kind)
    coverage.hit("last", one.last)
    for passes in spans:
        coverage.hit("passes on a core", min(2, len(passes)))
