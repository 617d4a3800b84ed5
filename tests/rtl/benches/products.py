"""Bench of Multipliers and AdderTree in a chain: a sum of products, wrapped to 32 bits."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from streams import bench_case, start_clock

LATENCY = 2 + 3  # of the activation; a weight has one cycle less


@cocotb.test()
async def the_sum_of_all_products_wraps(dut):
    case = bench_case()
    lanes, weight_bits, activation_bits = case["lanes"], case["weight_bits"], case["activation_bits"]
    await start_clock(dut, "value", "signed_input", "weights")
    for signed in (0, 1):
        dut.signed_input.value = signed
        expected = []
        weights_after = 0
        for step in range(300):
            code = random.choice([0, 1, (1 << activation_bits) - 1, random.getrandbits(activation_bits)])
            low = -(1 << weight_bits - 1)
            weights = [random.choice([low, -low - 1, random.randint(low, -low - 1)]) for _ in range(lanes)]
            dut.value.value = code
            dut.weights.value = weights_after
            weights_after = sum((w % (1 << weight_bits)) << i * weight_bits for i, w in enumerate(weights))
            value = code
            if signed:
                value = (code + 1) // 2 if code % 2 else -(code // 2)
            expected.append(sum(value * weight for weight in weights) & 0xFFFFFFFF)
            await RisingEdge(dut.clk)
            if step >= LATENCY:
                assert int(dut.sum.value) & 0xFFFFFFFF == expected[step - LATENCY]
