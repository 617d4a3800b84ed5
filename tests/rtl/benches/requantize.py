"""Bench of Requantizer: random sums and scales, and the edges of every range."""

import random

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from streams import Coverage, bench_case, pack, start_clock

from hwsim.quantize import Requantize, code_limit
from hwsim_rtl.core.payloads import ChannelScale, RequantizeConfig

LATENCY = 7


@cocotb.test()
async def codes_are_those_of_the_reference(dut):
    coverage = Coverage()
    await start_clock(dut, "sums__valid", "scale", "config")
    for _ in range(bench_case()["configurations"]):
        signed, relu = bool(random.getrandbits(1)), bool(random.getrandbits(1))
        bits = random.randint(4, bench_case()["activation_bits"])
        limit = code_limit(bits, signed)
        least = -limit if signed and not relu else 0
        clamps, (low, high) = None, (least, limit)
        if random.getrandbits(1):
            near = random.choice([1, 8])  # to the ends of the code, or anywhere
            span = (limit - least) // near
            clamps = low, high = sorted((least + random.randint(0, span), limit - random.randint(0, span)))
        config = {
            "shift": random.choice([1, 2, 47, random.randint(1, 47), random.randint(12, 36)]),
            "low": low,
            "high": high,
            "signed": int(signed),
        }
        dut.config.value = pack(RequantizeConfig.as_shape(), config)
        ends = [2 * end - 1 if end > 0 else -2 * end for end in (low, high)] if signed else [low, high]
        pending = []  # (code, end) by cycle, None where nothing was sent
        for step in range(60 + LATENCY):
            valid = step < 60 and random.random() < 0.9
            end = random.getrandbits(1)
            accumulator = random.choice([0, -(2**31), 2**31 - 1, random.getrandbits(32) - 2**31])
            bias = random.choice([0, 1, -1, 2**31 - 1, random.getrandbits(32) - 2**31])
            multiplier = random.choice([0, 1, 2**16 - 1, random.getrandbits(16)])
            if (
                random.getrandbits(1) and multiplier
            ):  # a sum that leads to an integer of the code, if one does
                aim = (random.randint(least, limit) << config["shift"]) // multiplier - bias
                accumulator = (aim + 2**31) % 2**32 - 2**31
            dut.sums__valid.value = int(valid)
            dut.sums__payload.value = (accumulator & 0xFFFFFFFF) | end << 32
            fields = {"bias": bias & 0xFFFFFFFF, "multiplier": multiplier}
            dut.scale.value = pack(ChannelScale.as_shape(), fields)
            code = int(
                Requantize(
                    np.array([bias]), np.array([multiplier]), config["shift"], relu, bits, signed, 0, clamps,
                ).apply(np.array([accumulator]))[0]
            )  # fmt: skip
            pending.append((code, end) if valid else None)
            await RisingEdge(dut.clk)
            if step < LATENCY:
                continue
            expected = pending[step - LATENCY]
            assert bool(dut.values__valid.value) == (expected is not None)
            if expected is not None:
                got = int(dut.values__payload.value)
                code_bits = len(dut.values__payload) - 1
                assert (got & ((1 << code_bits) - 1), got >> code_bits) == expected, config
                coverage.hit("code", "none" if expected[0] == 0 else "some")
                kind = (signed, clamps is not None)
                coverage.hit("clamped", (*kind, expected[0] in ends))
                coverage.hit("low", (*kind, expected[0] == ends[0]))
                coverage.hit("high", (*kind, expected[0] == ends[1]))
                coverage.hit("below 0", clamps is not None and high < 0)
    coverage.require("code", ["none", "some"], 50)
    kinds = [(s, c) for s in (True, False) for c in (True, False)]
    coverage.require("clamped", [(*kind, True) for kind in kinds], 20)
    coverage.require("clamped", [(*kind, False) for kind in kinds], 10)
    for end in ("low", "high"):
        coverage.require(end, [(*kind, True) for kind in kinds], 20)
    coverage.require("below 0", [True], 10)
