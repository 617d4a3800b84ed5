"""Bench of AccumulatorBank: additions to few addresses, while the drain reads and clears others."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.types import LogicArray
from streams import Coverage, bench_case, start_clock

from hwsim.arch import SUB_BANKS, Arch
from hwsim.machine.descriptors import sub_bank_depth

WRITTEN = 4  # cycles from an addition to the first cycle in which the drain may read the sum
CLEARED = 3  # cycles from a read by the drain to the next use of the accumulator


async def clear(dut, size):
    """Both memories hold what nobody knows, until the drain has cleared all accumulators in succession."""
    for address in range(size):
        dut.sums[address].value = LogicArray("X" * len(dut.sums[address]))
        dut.marks[address].value = LogicArray("X")
    await RisingEdge(dut.clk)
    for address in range(size):
        dut.drain.value = 1 | address << 1
        dut.clears.value = 1
        await RisingEdge(dut.clk)
    dut.drain.value = dut.clears.value = 0
    await ClockCycles(dut.clk, CLEARED)


@cocotb.test()
async def every_sum_is_drained_and_left_at_zero(dut):
    case = bench_case()
    arch = Arch(accumulators=case["accumulators"])
    size = SUB_BANKS * sub_bank_depth(arch)
    low = -(1 << arch.activation_bits + arch.weight_bits)
    coverage = Coverage()
    await start_clock(dut, "access", "drain", "product", "clears")
    await clear(dut, size)
    sums = [0] * size
    readable = [0] * size  # cycle from which the drain may read the accumulator
    free = [0] * size  # cycle from which taps and drain may come back to it
    last_hit: dict[int, int] = {}
    drained_last: dict[int, int] = {}
    products = [0, 0]  # of the accesses one and two cycles ago
    expected = [0, 0]  # of the reads one and two cycles ago; 0 where there was none
    working = [0]

    for cycle in range(case["cycles"]):
        if random.random() < 0.05:
            working = random.sample(range(size), random.randint(1, 4))
        address = random.choice(working)
        hits = free[address] <= cycle and random.random() < 0.8
        product = random.choice([1, -1, low, -low - 1, random.randint(low, -low - 1)]) if hits else 0
        access = int(hits) | address << 1
        if hits:
            sums[address] = (sums[address] + product) & 0xFFFFFFFF
            coverage.hit("distance", cycle - last_hit.get(address, -9))
            coverage.hit("as soon as it is cleared", free[address] == cycle > 0)
            last_hit[address] = cycle
            readable[address] = cycle + WRITTEN

        address = random.choice([random.randrange(size), *last_hit])
        drains = max(readable[address], free[address]) <= cycle and random.random() < 0.8
        drain = int(drains) | address << 1
        read = 0
        if drains:
            read, sums[address] = sums[address], 0
            free[address] = cycle + CLEARED
            coverage.hit("as soon as it is written", readable[address] == cycle > 0)
            coverage.hit("drained while taps work", hits)
            coverage.hit(
                "drained again without a hit", drained_last.get(address, -1) > last_hit.get(address, 0)
            )
            drained_last[address] = cycle
            coverage.hit("sum", read != 0)
        dut.access.value = access
        dut.drain.value = drain
        dut.product.value = products[0] % (1 << len(dut.product))
        products = [products[1], product]
        await RisingEdge(dut.clk)
        assert int(dut.drained.value) % (1 << 32) == expected[0], f"cycle {cycle}"
        expected = [expected[1], read]

    coverage.require("distance", [1, 2, 3, 4, 5], 5)
    coverage.require("as soon as it is cleared", [True, False], 5)
    coverage.require("as soon as it is written", [True, False], 5)
    coverage.require("drained again without a hit", [True, False], 20)
    coverage.require("drained while taps work", [True, False], 20)
    coverage.require("sum", [True, False], 20)
