"""Bench of Multipliers and AdderTree in a chain: a sum of products, wrapped to 32 bits."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from streams import Coverage, bench_case, start_clock

LATENCY = 3 + 3  # of the activation; its columns have one cycle less, its weights two


@cocotb.test()
async def the_sum_of_all_products_wraps(dut):
    case = bench_case()
    columns, weight_bits, activation_bits = case["columns"], case["weight_bits"], case["activation_bits"]
    coverage = Coverage()
    await start_clock(dut, "value", "signed_input", "columns", "weights")
    for signed in (0, 1):
        dut.signed_input.value = signed
        low = -(1 << weight_bits - 1)
        operands: list[int | None] = [None] * columns  # unknown until a column has one of this pass
        expected: list[int | None] = []
        mask_after = weights_after = weights_later = 0
        for step in range(300):
            code = random.choice([0, 1, (1 << activation_bits) - 1, random.getrandbits(activation_bits)])
            mask = random.choice([(1 << columns) - 1, random.getrandbits(columns)])
            weights = [random.choice([low, -low - 1, random.randint(low, -low - 1)]) for _ in range(columns)]
            dut.value.value, dut.columns.value, dut.weights.value = code, mask_after, weights_later
            mask_after, weights_later = mask, weights_after
            weights_after = sum((w % (1 << weight_bits)) << i * weight_bits for i, w in enumerate(weights))
            value = code
            if signed:
                value = (code + 1) // 2 if code % 2 else -(code // 2)
            operands = [value if mask >> column & 1 else kept for column, kept in enumerate(operands)]
            known = None not in operands
            products = sum(a * b for a, b in zip(operands, weights, strict=True)) if known else None
            expected.append(None if products is None else products & 0xFFFFFFFF)
            await RisingEdge(dut.clk)
            if step >= LATENCY and expected[step - LATENCY] is not None:
                assert int(dut.sum.value) & 0xFFFFFFFF == expected[step - LATENCY]
                coverage.hit("compared", signed)
    coverage.require("compared", [0, 1], 200)
