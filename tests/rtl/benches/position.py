"""Bench of PositionCounter and ValidColumns: where random symbols lie, and which kernel columns they meet."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from streams import Coverage, bench_case, pack, start_clock, unpack

from hwsim.arch import Arch
from hwsim.machine.descriptors import Code, PassGeometry
from hwsim_rtl.codec.symbol import Symbol
from hwsim_rtl.core.payloads import Item, PassConfig

LATENCY = 5


@cocotb.test()
async def items_carry_their_position_and_their_columns(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    coverage = Coverage()
    await start_clock(dut, "symbols__valid", "config")
    for _ in range(case["passes"]):
        stride, kernel = random.randint(1, 2), random.choice([7, random.randint(1, 7)])
        padding = random.randrange(kernel)
        width = random.choice([1, 2, 3, 7, 8, 14, 63, 64, 65, random.randint(1, 200)])
        block = random.choice([1, 2, arch.columns])
        channels = random.randint(1, 3 * block)
        out_width = random.randint(1, min((width - 1 + padding) // stride + 1, 64))
        geometry = PassGeometry(
            False, channels, 1, width, (1, kernel), stride, (0, padding), out_width, (0,), 1, block, block,
            Code(8, 0), Code(8, 0), 1, False,
        )  # fmt: skip
        dut.config.value = PassConfig(arch).const(geometry.config(arch)).as_value().value
        await RisingEdge(dut.clk)
        coverage.hit("width", "one" if width == 1 else "power" if width & (width - 1) == 0 else "other")

        sent = []  # (symbol, expected item) or None, by cycle
        for first in range(0, channels, block):
            count = (min(first + block, channels) - first) * width
            at = 0
            while at < count:
                run = random.choice([0, 0, 1, random.randint(0, 48)])
                present = at + run < count and run <= arch.run_max
                run = min(run, count - at)
                at += run
                coverage.hit("rows crossed", min(run // width, 3))
                row_end = at + present == count and first + block >= channels
                symbol = {
                    "run": run,
                    "present": int(present),
                    "value": random.getrandbits(arch.activation_bits),
                    "segment_end": int(at + present == count),
                    "row_end": int(row_end),
                }
                expected = None
                if present or row_end:
                    channel, x = divmod(at, width)
                    met = [
                        kx
                        for kx in range(kernel)
                        if present and x + padding - kx in range(0, out_width * stride, stride)
                    ]
                    expected = {"columns": sum(1 << kx for kx in met), "row_end": int(row_end)}
                    if present:
                        expected |= {"value": symbol["value"], "weight": (first + channel) * kernel}
                        coverage.hit("columns", len(met))
                    if met:
                        expected |= {"x": x + padding, "pixel": channel * out_width % arch.accumulators}
                sent.append((symbol, expected))
                at += present
                while random.random() < 0.2:
                    sent.append(None)
        sent += [None] * LATENCY
        for cycle, entry in enumerate(sent):
            dut.symbols__valid.value = int(entry is not None)
            if entry is not None:
                dut.symbols__payload.value = pack(Symbol(arch), entry[0])
            await RisingEdge(dut.clk)
            if cycle >= LATENCY:
                before = sent[cycle - LATENCY]
                expected = before and before[1]
                assert bool(dut.items__valid.value) == (expected is not None)
                if expected:
                    got = unpack(Item(arch), int(dut.items__payload.value))
                    assert {name: got[name] for name in expected} == expected, geometry
    coverage.require("width", ["one", "power", "other"])
    coverage.require("rows crossed", [0, 1, 2, 3])
    coverage.require("columns", range(8))
