"""Bench of LaneCore: a pass is cut off in many cycles, by a reset or an abort; the next one is exact."""

import cocotb
from bench_cases import small_case
from bench_pass import Pass, Raw
from benches.lane_core import INPUTS, run
from cocotb.triggers import RisingEdge, Timer
from lane_cases import lane_pass
from streams import StreamPort, bench_case, start_clock, until_idle

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.lane_payloads import MapRow
from hwsim_rtl.core.payloads import ChannelScale, RowDescriptor, weight_load


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_pass_that_is_cut_off_leaves_no_trace(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    one = Pass(small_case(arch))
    lanes = lane_pass(one.case)
    cycles = lanes.stepped(2).cycles
    layouts = {"map_rows": MapRow, "rows": Raw(RowDescriptor)}
    layouts |= {"weights": Raw(weight_load(arch)), "scales": Raw(ChannelScale)}
    sent = {"map_rows": lanes.map_rows, "rows": one.rows, "weights": one.weights, "scales": one.scales}
    await start_clock(
        dut, "start", "abort_pass", "slot", "there", "line", *(f"{name}__valid" for name in INPUTS)
    )
    inputs = {name: StreamPort(dut, name, layout) for name, layout in layouts.items()}
    coded, index = StreamPort(dut, "coded", Word), StreamPort(dut, "index", IndexEntry)
    dut.coded__ready.value = dut.index__ready.value = 1
    await until_idle(dut)

    async def offer() -> list:
        for name in ("weights", "scales"):
            await inputs[name].put(sent[name])
        return [cocotb.start_soon(inputs[name].put(sent[name])) for name in ("map_rows", "rows")]

    for cut in range(-1, cycles, case["step"]):
        tasks = await offer()
        await run(dut, arch, lanes, 2, until=cut)
        cause = dut.rst if cut % 2 else dut.abort_pass
        cause.value = 1
        if cause is dut.abort_pass:
            await Timer(2, "ns")
            assert dut.map_rows__ready.value, f"rows of the map wait in cycle {cut}"
            assert dut.rows__ready.value, f"row descriptors wait in cycle {cut}"
        await RisingEdge(dut.clk)
        for task in tasks:
            task.cancel()
        for name in INPUTS:
            inputs[name].valid.value = 0
        cause.value = 0
        await until_idle(dut)

        await offer()
        outputs = [
            cocotb.start_soon(port.get(len(want))) for port, want in ((coded, one.coded), (index, one.index))
        ]
        await run(dut, arch, lanes, 2)
        for task, want in zip(outputs, (one.coded, one.index), strict=True):
            assert task.done(), f"cut off in cycle {cut}: words are missing"
            assert [payload for _, payload in await task] == want, f"cut off in cycle {cut}"
        dut.coded__ready.value = dut.index__ready.value = 1
