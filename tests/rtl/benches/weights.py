"""Bench of WeightMemory: reads of one half while the other is loaded."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import bench_case, start_clock

from hwsim.arch import Arch
from rtl.core.payloads import weight_word


@cocotb.test()
async def reads_see_the_load_before_the_swap_and_no_other(dut):
    arch = Arch(**bench_case()["arch"])
    await start_clock(dut, "load__valid", "load_scales__valid", "swap", "read", "address", "channel")
    working = None  # words and scales of the half that works
    for _ in range(bench_case()["passes"]):
        words = [
            random.getrandbits(weight_word(arch).size) for _ in range(random.randint(1, arch.weight_words))
        ]
        scales = [random.getrandbits(48) for _ in range(random.randint(1, arch.columns))]
        base = int(dut.idle_base.value)
        left = [list(words), list(scales)]
        while any(left) or random.random() < 0.9:
            for name, loads in zip(("load", "load_scales"), left, strict=True):
                valid = bool(loads) and random.random() < 0.8
                getattr(dut, f"{name}__valid").value = int(valid)
                if valid:
                    getattr(dut, f"{name}__payload").value = loads.pop(0)
            word = scale = None
            if working is not None:
                active, active_words, active_scales = working
                word, scale = (
                    random.choice(list(enumerate(active_words))),
                    random.choice(list(enumerate(active_scales))),
                )
                dut.address.value = active + word[0]
                dut.channel.value = scale[0]
            dut.read.value = int(word is not None)
            swap = not any(left) and random.random() < 0.5
            dut.swap.value = int(swap)
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
            if word is not None:
                assert int(dut.word.value) == word[1]
                assert int(dut.scale.value) == scale[1]
            if swap:
                break
        else:
            dut.load__valid.value = dut.load_scales__valid.value = 0
            dut.swap.value = 1
            dut.read.value = 0
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
        dut.swap.value = 0
        working = base, words, scales
        assert int(dut.idle_base.value) != base
