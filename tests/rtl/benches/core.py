"""Bench of Core: passes one after the other, each started as soon as its weights are there."""

import random
from itertools import chain, cycle, islice, repeat

import cocotb
from bench_cases import all_cases, cover, require_all
from bench_pass import PROFILES, Pass, Raw, Starts, Waits, feed, stalls_of
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, StreamPort, bench_case, now, start_clock, until_idle

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.payloads import ChannelScale, RowDescriptor, weight_load

INPUTS = ("words", "rows", "weights", "scales")


@cocotb.test(timeout_time=0.3, timeout_unit="ms")  # 30,000 cycles
async def passes_take_the_cycles_of_the_model_and_make_the_words_of_the_reference(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    passes = [Pass(one) for one in all_cases(arch, random.getrandbits(32))]
    coverage = Coverage()
    taken = ("coded__ready", "index__ready")
    await start_clock(dut, "start", "abort_pass", *taken, *(f"{name}__valid" for name in INPUTS))
    await until_idle(dut)
    layouts = Word, Raw(RowDescriptor), Raw(weight_load(arch)), Raw(ChannelScale)
    words, rows, weights, scales = (
        StreamPort(dut, name, layout) for name, layout in zip(INPUTS, layouts, strict=True)
    )
    coded, index = StreamPort(dut, "coded", Word), StreamPort(dut, "index", IndexEntry)
    waits = Waits(rows, coded, index)
    profiles = list(islice(cycle(PROFILES) if case["stalls"] else repeat(set()), len(passes)))
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

    times = [one.arrival("words" in late) for one, late in zip(passes, profiles, strict=True)]
    early = [one.comes_early(number, profiles[number]) for number, one in enumerate(passes)]
    starts = Starts(len(passes))
    in_word = [None if first else arrival for first, (arrival, _) in zip(early, times, strict=True)]
    in_row = [None if first else [0] * len(one.rows) for first, one in zip(early, passes, strict=True)]
    cocotb.start_soon(feed(words, zip([one.words for one in passes], in_word, strict=True), starts))
    cocotb.start_soon(
        feed(rows, zip([one.rows for one in passes], in_row, strict=True), starts, stalls["rows"])
    )
    for task in load(passes[0]):
        await task
    for number, one in enumerate(passes):
        stalled.clear()
        stalled.update(profiles[number])
        for _ in range(random.choice([0, 0, 20])):  # what comes early waits
            await RisingEdge(dut.clk)
        dut.start.value = 1
        dut.config.value = one.config
        await RisingEdge(dut.clk)
        dut.start.value = 0
        dut.config.value = random.getrandbits(len(dut.config))  # read with start alone
        begin = now()
        starts.tell(begin)
        waits.begin(times[number][1])
        coverage.hit("words offered", "early" if early[number] else "after the start")
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
        assert words.sent >= sum(len(one.words) for one in passes[: number + 1])
        assert rows.sent >= sum(len(one.rows) for one in passes[: number + 1])
        assert words.sent == sum(len(one.words) for one in passes[: number + 1]), "words of the next pass"
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
    coverage.require("words offered", ["early", "after the start"], 5)
    assert words.held, "no word waited for room"
    if case["stalls"]:
        assert all(port.late for port in (words, rows, weights, scales))
        assert all(port.held for port in (rows, coded, index))
