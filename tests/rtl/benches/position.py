"""Bench of PositionCounter and ValidColumns: where random symbols lie, and which kernel columns they meet."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from reference_core import lands
from streams import Coverage, bench_case, pack, start_clock, unpack

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.descriptors import MAX_KERNEL, MAX_STRIDE, Code, PassGeometry
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
        transposed, stride = random.random() < 0.3, random.choice([1, 2, random.randint(1, MAX_STRIDE)])
        kernel = random.choice([MAX_KERNEL, random.randint(1, 7)])
        dilation = 1 if transposed else random.choice([1, 1, random.randint(1, 8)])
        padding = random.randint(0, (kernel - 1) * dilation)
        width = random.choice([1, 2, 3, 7, 8, 14, 63, 64, 65, random.randint(1, 200)])
        block = random.choice([1, 2, arch.columns])
        channels = random.randint(1, 3 * block)
        if transposed:
            padding = min(padding, (width - 1) * stride + kernel - 1)
            most = (width - 1) * stride + kernel - padding
        else:
            most = (width - 1 + padding) // stride + 1
        out_width = random.randint(1, min(most, 64))
        layer = Layer(
            "l", "conv", "x", (channels, 1, width), (1, 1, out_width), (1, kernel), (1, stride), (0, padding),
            dilation=(1, dilation), transposed=transposed,
        )  # fmt: skip
        geometry = PassGeometry(layer, channels, (0,), 1, block, block, Code(8, 0), Code(8, 0), 1, False)
        config = geometry.config(arch)
        dut.config.value = PassConfig(arch).const(config).as_value().value
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
                    outputs = [lands(layer, 1, x, kx) for kx in range(kernel)]
                    met = [kx for kx in range(kernel) if present and outputs[kx] is not None]
                    expected = {"columns": sum(1 << kx for kx in met), "row_end": int(row_end)}
                    if present:
                        expected |= {"value": symbol["value"], "weight": (first + channel) * kernel}
                        coverage.hit("columns", len(met))
                    if met:
                        expected |= {"pixel": channel * out_width % arch.accumulators}
                        expected["outputs"] = {kx: outputs[kx] for kx in met}
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
                    for kx, output in expected.pop("outputs", {}).items():
                        offset = config["kernel_columns"][kx]["offset"]
                        assert (got["column"] - offset) % arch.accumulators == output, (layer, kx)
                    assert {name: got[name] for name in expected} == expected, geometry
    coverage.require("width", ["one", "power", "other"])
    coverage.require("rows crossed", [0, 1, 2, 3])
    coverage.require("columns", range(MAX_KERNEL + 1))
