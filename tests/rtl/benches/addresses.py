"""Bench of TapAddresses: where random taps lead, bank by bank."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from streams import Coverage, bench_case, pack, start_clock, unpack

from hwsim.arch import SUB_BANKS, Arch
from hwsim.machine.descriptors import DEPTHWISE_KERNEL, MAX_KERNEL, sub_bank_depth
from hwsim_rtl.core.payloads import SUB_BANK_BITS, BankAccess, CoreConfig, Tap

WEIGHT_LATENCY, VALUE_LATENCY, LATENCY = 1, 3, 4


def random_tap(arch: Arch, config: dict) -> dict:
    """A tap of an item whose columns all meet an output, in fields of ``Tap``; ``sub_banks`` is a list."""
    width = config["kernel_width"]
    offsets = [each["offset"] for each in config["kernel_columns"][:width]]
    column = random.randrange(sub_bank_depth(arch)) + min(offsets)
    met = [number for number, offset in enumerate(offsets) if offset <= column]
    columns = random.sample(met, random.randint(1, len(met)))
    most = DEPTHWISE_KERNEL if config["depthwise"] else MAX_KERNEL
    rows = random.sample(range(most), random.randint(1, most))
    size = SUB_BANKS * sub_bank_depth(arch)
    steps = -(-DEPTHWISE_KERNEL * width // arch.columns)
    depthwise = config["depthwise"]
    return {
        "value": random.getrandbits(arch.activation_bits),
        "kernel_row": random.choice(rows),
        "kernel_column": random.choice(columns),
        "step": random.randrange(steps) if depthwise else random.getrandbits(6),
        "rows": sum(1 << row for row in rows),
        "columns": sum(1 << column for column in columns),
        "sub_banks": [random.randrange(SUB_BANKS - 1) for _ in range(MAX_KERNEL)],
        "column": column,
        "weight": random.randrange(arch.weight_words - MAX_KERNEL**2),
        "pixel": random.randrange(sub_bank_depth(arch)) if depthwise else random.randrange(size),
    }


def bank_access(arch: Arch, config: dict, tap: dict, bank: int) -> int | None:
    """The accumulator that a bank adds to, or None."""
    row, column = tap["kernel_row"], tap["kernel_column"]
    if config["depthwise"]:
        row, column = divmod(tap["step"] * arch.columns + bank, config["kernel_width"])
        if row >= DEPTHWISE_KERNEL or not (tap["rows"] >> row & 1 and tap["columns"] >> column & 1):
            return None
    elif bank >= config["channels"]:
        return None
    pixel = (tap["pixel"] if config["depthwise"] else 0) + tap["column"]
    address = (
        tap["sub_banks"][row] * sub_bank_depth(arch) + pixel - config["kernel_columns"][column]["offset"]
    )
    return address % (SUB_BANKS * sub_bank_depth(arch))


@cocotb.test()
async def every_lane_gets_its_accumulator_and_the_tap_its_weight(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    coverage = Coverage()
    await start_clock(dut, "taps__valid", "taps__payload", "config")
    for number in range(case["passes"]):
        depthwise, spread = number % 2, (1, 3, 15)[number // 2 % 3]
        most = DEPTHWISE_KERNEL if depthwise else MAX_KERNEL
        config = {
            "depthwise": depthwise,
            "kernel_columns": [{"offset": random.randrange(spread)} for _ in range(MAX_KERNEL)],
            "kernel_width": random.choice([most, random.randint(1, most)]),
            "channels": random.choice([arch.columns, random.randint(1, arch.columns)]),
        }
        width = config["kernel_width"]
        dut.config.value = CoreConfig(arch).const(config).as_value().value
        dut.taps__valid.value = 0
        await RisingEdge(dut.clk)
        await RisingEdge(dut.clk)
        sent: list[dict | None] = []  # by cycle
        for _ in range(case["taps"] + LATENCY):
            tap = None
            if len(sent) < case["taps"] and random.random() < 0.8:
                tap = random_tap(arch, config)
                packed = sum(bank << SUB_BANK_BITS * row for row, bank in enumerate(tap["sub_banks"]))
                dut.taps__payload.value = pack(Tap(arch), tap | {"sub_banks": packed})
            dut.taps__valid.value = int(tap is not None)
            sent.append(tap)
            await RisingEdge(dut.clk)
            if len(sent) > WEIGHT_LATENCY:
                before = sent[-1 - WEIGHT_LATENCY]
                assert bool(dut.reads.value) == (before is not None)
                if before:
                    word = before["kernel_row"] * width + before["kernel_column"]
                    word = before["step"] if depthwise else word
                    assert int(dut.weight.value) == before["weight"] + word, config
            if len(sent) > VALUE_LATENCY:
                before = sent[-1 - VALUE_LATENCY]
                assert before is None or int(dut.value.value) == before["value"]
            if len(sent) > LATENCY:
                before = sent[-1 - LATENCY]
                for bank in range(arch.columns):
                    access = unpack(BankAccess(arch), int(getattr(dut, f"accesses__{bank}").value))
                    expected = before and bank_access(arch, config, before, bank)
                    assert bool(access["valid"]) == (expected is not None), (config, before, bank)
                    if expected is not None:
                        assert access["address"] == expected, (config, before, bank)
                        coverage.hit("bank", (depthwise, bank))
                        coverage.hit("spread", (depthwise, spread))
                    coverage.hit("idle bank", (depthwise, before is not None and expected is None))
    coverage.require("bank", [(0, bank) for bank in range(arch.columns)], 10)
    coverage.require("bank", [(1, bank) for bank in range(min(arch.columns, DEPTHWISE_KERNEL**2))], 3)
    coverage.require("spread", [(kind, spread) for kind in (0, 1) for spread in (1, 3, 15)], 20)
    coverage.require("idle bank", [(1, True)] + [(0, True)] * (arch.columns > 1), 20)
