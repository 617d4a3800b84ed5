"""Bench of RowSteps: the input rows of random passes, in order, as the model finds them."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from row_cases import RowCase, row_cases
from streams import Coverage, StreamPort, bench_case, now, pack, random_stalls, start_clock, unpack

from hwsim.machine.rows import row_order
from hwsim_rtl.core.payloads import MapRow, RowDescriptor
from hwsim_rtl.system.payloads import InputRow, LayerDescriptor


def flat(payload: dict) -> dict:
    """The fields of an input row, of both its parts."""
    return unpack(MapRow.as_shape(), payload["place"]) | unpack(RowDescriptor.as_shape(), payload["reaches"])


async def answer(dut, case: RowCase, late: float) -> None:
    """Say which of eight rows are owned, a cycle after they were asked for, or later."""
    asked = False
    while True:
        await Timer(2, "ns")
        asks, first = bool(dut.asks.value), 8 * int(dut.byte.value)
        answers = asks and asked and random.random() >= late
        dut.answered.value = int(answers)
        mask = sum(1 << row - first for row in case.owned if first <= row < first + 8)
        dut.owned.value = mask if answers else random.getrandbits(8)
        asked = asks and not answers
        await RisingEdge(dut.clk)


@cocotb.test()
async def input_rows_are_those_of_the_model(dut):
    case = bench_case()
    coverage = Coverage()
    dut.may_push.value = 1
    await start_clock(dut, "start", "answered", "owned", "rows__ready", "layer", "first_segment")
    rows = StreamPort(dut, "rows", InputRow)
    for one in row_cases(random.getrandbits(32), case["passes"]):
        layer, expected = one.layer, one.expected
        dut.layer.value = pack(LayerDescriptor(), one.fields)
        dut.first_segment.value = one.first_segment
        dut.start.value = 1
        await RisingEdge(dut.clk)
        dut.start.value = 0
        begin = now()
        await RisingEdge(dut.clk)  # in which there is no row yet
        task = cocotb.start_soon(rows.get(len(expected), random_stalls(case["stalls"], 30)))
        answers = cocotb.start_soon(answer(dut, one, case["late"]))
        taken = [flat(payload) for _, payload in await task]
        assert taken == expected, one
        await Timer(2, "ns")
        while int(dut.busy.value):
            assert not dut.rows__valid.value, f"more rows than the pass reads: {one}"
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
            assert now() - begin < 5000 + 100 * len(expected), one
        answers.cancel()
        await RisingEdge(dut.clk)
        order = row_order(layer)
        coverage.hit("dilation", layer.dilation[0])
        coverage.hit("transposed", layer.transposed)
        coverage.hit("a row without a tap", not order.tapped.all())
        coverage.hit("leading rows without a tap", order.tapped.any() and not order.tapped[0])
        coverage.hit("some rows", len(one.owned) < layer.out_shape[1])
        coverage.hit("stride beyond the kernel", layer.stride[0] > layer.kernel[0])
        coverage.hit("kernel", layer.kernel[0])
    coverage.require("dilation", [1, 2, 3, 4])
    for name in ("transposed", "a row without a tap", "some rows", "stride beyond the kernel"):
        coverage.require(name, [True, False])
    coverage.require("leading rows without a tap")
    coverage.require("kernel", range(1, 8))
