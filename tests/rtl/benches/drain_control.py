"""Bench of DrainControl: which accumulators are read, in which cycle."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, start_clock

from hwsim.arch import MAC_LATENCY, SUB_BANKS, Arch
from hwsim.machine.descriptors import sub_bank_depth
from hwsim_rtl.core.payloads import CoreConfig


@cocotb.test()
async def rows_are_read_in_order_and_in_their_cycle(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    depth = sub_bank_depth(arch)
    coverage = Coverage()
    await start_clock(dut, "rows_done", "config", "start", "credit")
    for address in range(1, SUB_BANKS * depth):  # from the first cycle after the reset on
        await Timer(2, "ns")
        assert dut.clears.value
        assert not dut.reads__valid.value
        assert int(dut.address.value) == address
        await RisingEdge(dut.clk)
    for number in range(case["passes"]):
        stalls = number % 2
        ring = random.randint(2, 8)
        sub_banks = random.randint(1, SUB_BANKS // ring)
        depthwise = random.getrandbits(1)
        channels = random.randint(1, arch.columns)
        out_width = random.randint(1, max(1, sub_banks * depth // (channels if depthwise else 1)))
        if depthwise and channels * out_width > sub_banks * depth:
            continue
        block = random.choice([1, 2, 4, arch.columns])
        owned = random.randint(1, 12)
        fields = {
            "depthwise": depthwise, "channels": channels, "out_width": out_width, "out_block": block,
            "ring": ring, "row_sub_banks": sub_banks, "owned": owned,
        }  # fmt: skip
        dut.config.value = CoreConfig(arch).const(fields).as_value().value
        dut.credit.value = 1
        dut.start.value = 1
        await RisingEdge(dut.clk)
        dut.start.value = 0
        reads = [
            (
                q % ring * sub_banks * depth + (c * out_width if depthwise else 0) + x,
                c,
                x == out_width - 1 and (c % block == block - 1 or c == channels - 1),
                q,
            )
            for q in range(owned)
            for c in range(channels)
            for x in range(out_width)
        ]
        ready_from: list[int] = []  # cycle from which each row may be read
        cycle = at = 0
        while at < len(reads):
            done = 0
            drained = reads[at][3]
            if len(ready_from) < owned and random.random() < 0.1:
                done = random.randint(
                    1, min(7, owned - len(ready_from), drained + ring - len(ready_from)) or 1
                )
                if len(ready_from) + done > min(owned, drained + ring):
                    done = 0
                ready_from += [cycle + MAC_LATENCY] * done
            credit = not stalls or random.random() < 0.6
            dut.rows_done.value = done
            dut.credit.value = int(credit)
            await Timer(2, "ns")
            assert not dut.clears.value
            address, channel, segment_end, q = reads[at]
            reading = credit and q < len(ready_from) and ready_from[q] <= cycle
            assert bool(dut.reads__valid.value) == reading, f"cycle {cycle} of {fields}"
            assert cycle == 0 or int(dut.row_limit.value) == q + ring
            assert not dut.finished.value
            if reading:
                payload = int(dut.reads__payload.value)
                bits = len(dut.reads__payload) - 1
                assert int(dut.address.value) == address
                assert (payload & ((1 << bits) - 1), payload >> bits) == (channel, segment_end)
                coverage.hit("rows at once", done)
                at += 1
            await RisingEdge(dut.clk)
            cycle += 1
        dut.rows_done.value = 0
        await Timer(2, "ns")
        assert dut.finished.value
        coverage.hit("depthwise", depthwise)
    coverage.require("depthwise", [0, 1], 5)
