"""Bench of five leading-zero counters, four of which are one module."""

import random

import cocotb
from cocotb.triggers import Timer
from streams import bench_case


@cocotb.test()
async def every_instance_counts_its_own_word(dut):
    width = bench_case()["width"]
    field = width.bit_length()
    for _ in range(200):
        words = [random.getrandbits(width) >> random.randrange(width + 1) for _ in range(4)]
        ones = (1 << width) - 1 ^ random.getrandbits(width) >> random.randrange(width + 1)
        for number, word in enumerate(words):
            getattr(dut, f"words{number}").value = word
        dut.ones.value = ones
        await Timer(1, "ns")
        expected = [width - word.bit_length() for word in words]
        expected.append(f"{ones:0{width}b}0".index("0"))
        counts = int(dut.counts.value)
        assert [counts >> field * i & (1 << field) - 1 for i in range(5)] == expected
