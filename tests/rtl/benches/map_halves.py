"""Bench of MapHalves: both halves are read and written in every cycle, swapped and reset at any moment."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, pack, start_clock

from hwsim_rtl.system.payloads import LineStore

PARTS, PART_BITS, LINE_BYTES = 16, 32, 64


@cocotb.test()
async def each_half_keeps_what_is_written_into_it(dut):
    case = bench_case()
    lines = case["map_buffer"] // 2 // LINE_BYTES
    coverage = Coverage()
    ports = ("read", "made")
    inputs = [f"{port}__{name}" for port in ports for name in ("reads", "reading", "stores", "storing")]
    await start_clock(dut, "swap", *inputs)
    half: list[dict[int, list[int]]] = [{}, {}]  # of each the lines of which all parts were written
    shown: list[list[int] | None] = [None, None]  # what each has read
    swapped = 0
    for cycle in range(case["cycles"]):
        swap, reset = random.random() < 0.03, random.random() < 0.005
        dut.swap.value, dut.rst.value = swap, reset
        reads, stores = {}, {}
        for place, port in enumerate(ports):
            mine = place ^ swapped
            number = random.randrange(lines)
            parts = random.choice([0, (1 << PARTS) - 1, random.getrandbits(PARTS)])
            if number not in half[mine]:
                parts = (1 << PARTS) - 1
            words = [random.getrandbits(PART_BITS) for _ in range(PARTS)]
            storing, reading = random.random() < 0.7, random.random() < 0.7 and len(half[mine]) > 0
            line = random.choice(list(half[mine])) if reading else random.randrange(lines)
            bits = sum(word << PART_BITS * n for n, word in enumerate(words))
            getattr(dut, f"{port}__stores").value = pack(
                LineStore.as_shape(), {"number": number, "words": bits, "parts": parts}
            )
            getattr(dut, f"{port}__storing").value = storing
            getattr(dut, f"{port}__reads").value = line
            getattr(dut, f"{port}__reading").value = reading
            if reading:
                reads[mine] = list(half[mine][line])
                coverage.hit("read while it is written", storing and line == number)
            if storing:
                stores[mine] = number, words, parts
        await Timer(2, "ns")
        for place, port in enumerate(ports):
            line = shown[place ^ swapped]
            if line is not None:
                bits = sum(word << PART_BITS * n for n, word in enumerate(line))
                assert int(getattr(dut, f"{port}__line").value) == bits, cycle
        await RisingEdge(dut.clk)
        for mine, line in reads.items():
            shown[mine] = line
        for mine, (number, words, parts) in stores.items():
            old = half[mine].get(number, words)
            half[mine][number] = [words[n] if parts >> n & 1 else old[n] for n in range(PARTS)]
        coverage.hit("swaps", (swapped, swap))
        coverage.hit("reset", (swapped, reset))
        swapped = 0 if reset else swapped ^ swap
    coverage.require("swaps", [(0, True), (1, True)])
    coverage.require("reset", [(0, True), (1, True)])
    coverage.require("read while it is written", [True, False])
