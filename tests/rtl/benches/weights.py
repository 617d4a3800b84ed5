"""Bench of WeightMemory: reads of the pass at work while those to come are loaded, where there is room."""

import random
from collections import deque
from itertools import product

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, start_clock

from hwsim.arch import WEIGHT_PASSES, Arch
from hwsim_rtl.core.payloads import weight_word
from hwsim_rtl.core.weights import RAM_BITS

WORD_LATENCY, SCALE_LATENCY = 4, 2


@cocotb.test(timeout_time=1, timeout_unit="ms")  # 100,000 cycles
async def reads_see_the_pass_at_work_whatever_is_loaded(dut):
    arch = Arch(**bench_case()["arch"])
    coverage = Coverage()
    await start_clock(dut, "load__valid", "load_scales__valid", "start", "gone", "read", "address", "channel")
    width = weight_word(arch).size
    passes = [
        (
            [random.getrandbits(width) for _ in range(random.randint(1, most))],
            [random.getrandbits(48) for _ in range(arch.columns)],
        )
        for number in range(bench_case()["passes"])
        for most in [12 if number % 3 else arch.weight_words]
    ]
    loads = [
        (number, [*one[0], random.getrandbits(width)][first : first + 2])
        for number, one in enumerate(passes)
        for first in range(0, len(one[0]), 2)
    ]
    scales = [(number, scale) for number, one in enumerate(passes) for scale in one[1]]
    held = 0  # words, and what fills loads up, of the pass at work and of those that are loaded
    working = -1
    due_words = deque([None] * (WORD_LATENCY - 1))  # of the reads of the last cycles
    due_scales = deque([None] * (SCALE_LATENCY - 1))
    done = True  # the pass `working` no longer needs its words
    rest = 0  # cycles without a read before that
    while working + 1 < len(passes):
        load = bool(loads) and held < arch.weight_words and random.random() < 0.8
        load_scale = bool(scales) and scales[0][0] - max(working, 0) < WEIGHT_PASSES and random.random() < 0.8
        first_word = loads[0][0] if loads else len(passes)
        first_scale = scales[0][0] if scales else len(passes)
        start = min(first_word, first_scale) > working + 1 and done and random.random() < 0.5
        dut.load__valid.value, dut.load_scales__valid.value = int(load), int(load_scale)
        if load:
            low, high = loads.pop(0)[1]
            dut.load__payload.value = low | high << width
            held += 2
        if load_scale:
            dut.load_scales__payload.value = scales.pop(0)[1]
        dut.start.value = int(start)
        dut.gone.value = loads_of(passes[working]) if working >= 0 else 0
        reading = not done and rest == 0
        read = reading and random.random() < 0.8
        if not done:
            address = random.randrange(len(passes[working][0]))
            channel = random.randrange(arch.columns)
            dut.address.value, dut.channel.value = address, channel
        dut.read.value = int(read)
        if read:
            coverage.hit("loaded while read", load)
            place = 2 * sum(map(loads_of, passes[:working])) + address
            coverage.hit("RAM", (place % arch.weight_words // 2 >> RAM_BITS, place % 2))
            coverage.hit("read after read", due_words[-1] is not None)
        due_words.append(passes[working][0][address] if read else None)
        due_scales.append(passes[working][1][channel] if reading else None)
        await RisingEdge(dut.clk)
        await Timer(2, "ns")
        word, scale = due_words.popleft(), due_scales.popleft()
        if word is not None:
            assert int(dut.word.value) == word
        if scale is not None:
            assert int(dut.scale.value) == scale
        if reading and random.random() < 0.03:
            rest = WORD_LATENCY
        elif rest:
            rest -= 1
            if rest == 0:
                done = True
                held -= 2 * loads_of(passes[working])
        if start:
            working += 1
            done = False
            coverage.hit("ahead", first_word - working > 1)
    coverage.require("loaded while read", [True, False], 20)
    coverage.require("read after read", [True, False], 20)
    coverage.require("RAM", product(range((arch.weight_words // 2 - 1 >> RAM_BITS) + 1), range(2)))
    coverage.require("ahead", [True, False])


def loads_of(one: tuple[list, list]) -> int:
    """Loads of the weights of a pass."""
    return (len(one[0]) + 1) // 2
