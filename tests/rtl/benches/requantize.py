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
        signed = bool(random.getrandbits(1))
        config = {
            "shift": random.choice([1, 2, 47, random.randint(1, 47), random.randint(12, 36)]),
            "relu": random.getrandbits(1),
            "bits": random.randint(4, bench_case()["activation_bits"]),
            "signed": int(signed),
        }
        dut.config.value = pack(RequantizeConfig.as_shape(), config)
        limit = code_limit(config["bits"], signed)
        pending = []  # (code, end) by cycle, None where nothing was sent
        for step in range(60 + LATENCY):
            valid = step < 60 and random.random() < 0.9
            end = random.getrandbits(1)
            accumulator = random.choice([0, -(2**31), 2**31 - 1, random.getrandbits(32) - 2**31])
            bias = random.choice([0, 1, -1, 2**31 - 1, random.getrandbits(32) - 2**31])
            multiplier = random.choice([0, 1, 2**16 - 1, random.getrandbits(16)])
            dut.sums__valid.value = int(valid)
            dut.sums__payload.value = (accumulator & 0xFFFFFFFF) | end << 32
            fields = {"bias": bias & 0xFFFFFFFF, "multiplier": multiplier}
            dut.scale.value = pack(ChannelScale.as_shape(), fields)
            code = int(
                Requantize(
                    np.array([bias]), np.array([multiplier]), config["shift"], bool(config["relu"]),
                    config["bits"], signed, 0,
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
                coverage.hit(
                    "clamped", (signed, expected[0] >= 2 * limit - 1 if signed else expected[0] == limit)
                )
    coverage.require("code", ["none", "some"], 50)
    coverage.require("clamped", [(s, c) for s in (True, False) for c in (True, False)], 20)
