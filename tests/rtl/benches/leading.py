"""Bench of LeadingCount: every word of a small width, the ends and random words of a large one."""

import random

import cocotb
from cocotb.triggers import Timer
from streams import Coverage, bench_case


@cocotb.test()
async def counts_equal_those_of_the_string(dut):
    width, of = bench_case()["width"], bench_case()["of"]
    cover = Coverage()
    some = [random.getrandbits(width) >> random.randrange(width) for _ in range(300)]
    ends = [(1 << i) - 1 for i in range(width + 1)]
    for word in range(1 << width) if width <= 8 else [*some, *ends]:
        bits = f"{word ^ ((1 << width) - 1 if of else 0):0{width}b}"
        dut.bits.value = int(bits, 2)
        await Timer(1, "ns")
        expected = len(bits) - len(bits.lstrip(str(of)))
        assert int(dut.count.value) == expected, bits
        cover.hit("count", expected)
    cover.require("count", range(width + 1))
