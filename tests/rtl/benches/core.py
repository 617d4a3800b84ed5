"""Bench of Core: passes one after the other, each started as soon as its weights are there."""

import random
from itertools import chain, cycle, repeat

import cocotb
from bench_cases import all_cases, cover, require_all
from bench_pass import PROFILES, Pass, Raw, Waits, stalls_of
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, StreamPort, bench_case, now, start_clock

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.payloads import ChannelScale, RowDescriptor, weight_word

INPUTS = ("words", "rows", "weights", "scales")


@cocotb.test(timeout_time=0.3, timeout_unit="ms")  # 30,000 cycles
async def passes_take_the_cycles_of_the_model_and_make_the_words_of_the_reference(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    passes = [Pass(one) for one in all_cases(arch, random.getrandbits(32))]
    coverage = Coverage()
    await start_clock(dut, "start", "coded__ready", "index__ready", *(f"{name}__valid" for name in INPUTS))
    layouts = Word, Raw(RowDescriptor), Raw(weight_word(arch)), Raw(ChannelScale)
    words, rows, weights, scales = (
        StreamPort(dut, name, layout) for name, layout in zip(INPUTS, layouts, strict=True)
    )
    coded, index = StreamPort(dut, "coded", Word), StreamPort(dut, "index", IndexEntry)
    waits = Waits(rows, coded, index)
    profiles = cycle(PROFILES) if case["stalls"] else repeat(set())
    stalled = set()
    stalls = {name: stalls_of(name, stalled) for name in (*INPUTS, "coded", "index")}
    outputs = [
        cocotb.start_soon(port.get(sum(len(getattr(one, name)) for one in passes), stalls[name]))
        for name, port in (("coded", coded), ("index", index))
    ]

    def load(one: Pass) -> list:
        return [
            cocotb.start_soon(weights.put(one.weights, stalls["weights"])),
            cocotb.start_soon(scales.put(one.scales, stalls["scales"])),
        ]

    for task in load(passes[0]):
        await task
    for number, one in enumerate(passes):
        stalled.clear()
        stalled.update(next(profiles))
        dut.start.value = 1
        dut.config.value = one.config
        await RisingEdge(dut.clk)
        dut.start.value = 0
        dut.config.value = random.getrandbits(len(dut.config))  # read with start alone
        begin = now()
        arrival, cycles = one.arrival("words" in stalled)
        waits.begin(cycles)
        begins = [begin + cycle for cycle in arrival]
        tasks = [
            cocotb.start_soon(words.put(one.words, begins=begins)),
            cocotb.start_soon(rows.put(one.rows, stalls["rows"])),
        ]
        loads = load(passes[number + 1]) if number + 1 < len(passes) else []
        await Timer(2, "ns")
        while not dut.done.value:
            assert dut.busy.value
            waits.check(now() - begin, done=False)
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
        waits.check(now() - begin, done=True)
        assert not dut.error.value
        assert coded.got == sum(len(one.coded) for one in passes[: number + 1])
        assert index.got == sum(len(one.index) for one in passes[: number + 1])
        for task in tasks:
            assert task.done(), f"pass {number} was done before its stimulus was in"
        coverage.hit("next pass", "at once" if all(task.done() for task in loads) else "later")
        for task in loads:
            await task
        cover(coverage, one.case)

    await RisingEdge(dut.clk)
    for name, task in zip(("coded", "index"), outputs, strict=True):
        assert task.done(), f"{name}: too few"
        taken = [payload for _, payload in await task]
        assert taken == list(chain.from_iterable(getattr(one, name) for one in passes))
    require_all(coverage, arch)
    coverage.require("next pass", ["at once", "later"])
    assert words.held, "no word waited for room"
    if case["stalls"]:
        assert all(port.late for port in (words, rows, weights, scales))
        assert all(port.held for port in (rows, coded, index))
