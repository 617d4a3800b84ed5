"""Bench of Core: outputs are taken in given cycles, passes take the cycles of compiled simulation."""

import pickle
from itertools import cycle
from pathlib import Path

import cocotb
from bench_pass import Pass, Raw
from cocotb.triggers import RisingEdge, Timer
from streams import StreamPort, bench_case, now, start_clock, until_idle

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.payloads import ChannelScale, RowDescriptor, weight_load

INPUTS = ("words", "rows", "weights", "scales")


@cocotb.test(timeout_time=0.5, timeout_unit="ms")
async def every_pass_takes_the_cycles_of_compiled_simulation(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    passes = [Pass(one) for one in pickle.loads(Path(case["cases"]).read_bytes())]
    readies = ("coded__ready", "index__ready")
    await start_clock(dut, "start", "abort_pass", *readies, *(f"{name}__valid" for name in INPUTS))
    await until_idle(dut)
    layouts = Word, Raw(RowDescriptor), Raw(weight_load(arch)), Raw(ChannelScale)
    words, rows, weights, scales = (
        StreamPort(dut, name, layout) for name, layout in zip(INPUTS, layouts, strict=True)
    )
    outputs = StreamPort(dut, "coded", Word), StreamPort(dut, "index", IndexEntry)
    for one, ready, cycles in zip(passes, case["ready"], case["cycles"], strict=True):
        await weights.put(one.weights)
        await scales.put(one.scales)
        taken: tuple[list, list] = [], []
        takers = [
            cocotb.start_soon(take(port, [bits >> bit & 1 for bits in ready], into))
            for bit, (port, into) in enumerate(zip(outputs, taken, strict=True))
        ]
        dut.start.value = 1
        dut.config.value = one.config
        await RisingEdge(dut.clk)
        dut.start.value = 0
        begin = now()
        arrival, _ = one.arrival(late=False)
        cocotb.start_soon(words.put(one.words, begins=[begin + first for first in arrival]))
        cocotb.start_soon(rows.put(one.rows))
        await Timer(2, "ns")
        while not dut.done.value:
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
        assert now() - begin + 1 == cycles
        await RisingEdge(dut.clk)
        for taker in takers:
            taker.cancel()
        assert not dut.error.value
        assert taken == (one.coded, one.index)


async def take(port: StreamPort, ready: list[int], taken: list) -> None:
    """Take what is there in the cycles in which ``ready``, over and over, is 1; its first is this cycle's."""
    for bit in cycle(ready):
        port.ready.value = bit
        await RisingEdge(port.clk)
        if bit and port.valid.value:
            taken.append(port.seen())
