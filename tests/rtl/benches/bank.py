"""Bench of AccumulatorBank: additions to few addresses, while the drain reads other sub-banks."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from streams import Coverage, bench_case, start_clock

from hwsim.arch import SUB_BANKS, Arch
from rtl.core.payloads import sub_bank_depth


@cocotb.test()
async def every_sum_is_drained_and_left_at_zero(dut):
    case = bench_case()
    arch = Arch(accumulators=case["accumulators"])
    depth = sub_bank_depth(arch)
    coverage = Coverage()
    await start_clock(dut, "access", "drain", "product")
    sums = [0] * (SUB_BANKS * depth)
    products = [0, 0]  # of the accesses one and two cycles ago
    expected = [None, None]  # of the reads one and two cycles ago
    busy = {}  # sub-bank -> cycle from which the drain may read it
    cleared = {}  # sub-bank -> cycle from which taps may work in it again
    last_hit = {}  # address -> cycle
    draining = []  # addresses to come
    row = 0  # sub-bank that the taps work in

    for cycle in range(case["cycles"]):
        # Taps: in one sub-bank for a while, often at the same few addresses.
        if random.random() < 0.05:
            row = random.randrange(SUB_BANKS)
        owned_by_drain = {address // depth for address in draining}
        access = 0
        product = 0
        if row not in owned_by_drain and cleared.get(row, 0) <= cycle and random.random() < 0.8:
            address = row * depth + random.choice([0, 1, depth - 1, random.randrange(depth)])
            access = 1 | address << 1
            product = random.choice([1, -1, random.randrange(-(2**31), 2**31)])
            sums[address] = (sums[address] + product) & 0xFFFFFFFF
            coverage.hit("distance", cycle - last_hit.get(address, -9))
            last_hit[address] = cycle
            busy[row] = cycle + 4
        # Drain: all of another sub-bank, when the last addition to it is in.
        if not draining and random.random() < 0.3:
            candidate = random.randrange(SUB_BANKS)
            if candidate != row and busy.get(candidate, 0) <= cycle:
                draining = list(range(candidate * depth, candidate * depth + depth))
        drain = 0
        read = 0
        if draining and random.random() < 0.8:
            address = draining.pop(0)
            drain = 1 | address << 1
            read, sums[address] = sums[address], 0
            cleared[address // depth] = cycle + 2
            coverage.hit("drained while taps work", bool(access))
            coverage.hit("sum", read != 0)
        dut.access.value = access
        dut.drain.value = drain
        dut.product.value = products[0] & 0xFFFFFFFF
        products = [products[1], product]
        await RisingEdge(dut.clk)
        if expected[0] is not None:
            assert int(dut.drained.value) & 0xFFFFFFFF == expected[0], f"cycle {cycle}"
        expected = [expected[1], read]

    coverage.require("distance", [1, 2, 3, 4, 5], 5)
    coverage.require("drained while taps work", [True, False], 20)
    coverage.require("sum", [True, False], 20)
