"""Bench of Core: outputs are taken in given cycles, passes take the cycles of compiled simulation."""

import pickle
from itertools import cycle
from pathlib import Path

import cocotb
from bench_pass import Pass, Raw
from benches.core import INPUTS, run
from cocotb.triggers import RisingEdge
from mapped_cases import mapped_pass
from streams import StreamPort, bench_case, start_clock, until_idle

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.payloads import ChannelScale, MapRow, RowDescriptor, weight_load


@cocotb.test(timeout_time=0.5, timeout_unit="ms")
async def every_pass_takes_the_cycles_of_compiled_simulation(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    cases = pickle.loads(Path(case["cases"]).read_bytes())
    readies = ("coded__ready", "index__ready")
    inputs = [f"{name}__valid" for name in INPUTS]
    await start_clock(dut, "start", "abort_pass", "slot", "there", "line", *readies, *inputs)
    await until_idle(dut)
    layouts = MapRow, Raw(RowDescriptor), Raw(weight_load(arch)), Raw(ChannelScale)
    map_rows, rows, weights, scales = (
        StreamPort(dut, name, layout) for name, layout in zip(INPUTS, layouts, strict=True)
    )
    outputs = StreamPort(dut, "coded", Word), StreamPort(dut, "index", IndexEntry)
    for one, ready, cycles in zip(cases, case["ready"], case["cycles"], strict=True):
        made, mapped = Pass(one), mapped_pass(one)
        await weights.put(made.weights)
        await scales.put(made.scales)
        taken: tuple[list, list] = [], []
        takers = [
            cocotb.start_soon(take(port, [bits >> bit & 1 for bits in ready], into))
            for bit, (port, into) in enumerate(zip(outputs, taken, strict=True))
        ]
        cocotb.start_soon(map_rows.put(mapped.map_rows))
        cocotb.start_soon(rows.put(made.rows))
        assert await run(dut, arch, mapped, case["period"], exact=False) == cycles, one
        while dut.encoding.value:
            await RisingEdge(dut.clk)
        for taker in takers:
            taker.cancel()
        assert taken == (made.coded, made.index)


async def take(port: StreamPort, ready: list[int], taken: list) -> None:
    """Take what is there in the cycles in which ``ready``, over and over, is 1; its first is this cycle's."""
    for bit in cycle(ready):
        port.ready.value = bit
        await RisingEdge(port.clk)
        if bit and port.valid.value:
            taken.append(port.seen())
