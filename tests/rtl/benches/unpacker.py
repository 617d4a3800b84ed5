"""Bench of BitUnpacker: pieces of random sizes out of beats, and what is behind the last one forgotten."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, random_stalls, start_clock

BEAT = 256


async def offer(dut, beats: list[int], stalls) -> None:
    for beat in beats:
        for _ in range(stalls()):
            await RisingEdge(dut.clk)
        dut.beats__valid.value = 1
        dut.beats__payload.value = beat
        await RisingEdge(dut.clk)
        while not dut.beats__ready.value:
            await RisingEdge(dut.clk)
        dut.beats__valid.value = 0


@cocotb.test()
async def pieces_are_the_bits_of_beats(dut):
    case = bench_case()
    coverage = Coverage()
    await start_clock(dut, "beats__valid", "pieces__ready", "size", "flush")
    for _ in range(case["units"]):
        size = random.choice([1, case["most"], random.randint(1, case["most"])])
        sizes = [size] * random.randint(1, 40) + [random.randint(1, size)]
        bits = sum(sizes)
        number = random.getrandbits(bits)
        padded = number | random.getrandbits(BEAT) << bits  # what is behind the last piece is noise
        beats = [padded >> BEAT * i & (1 << BEAT) - 1 for i in range(-(-bits // BEAT))]
        task = cocotb.start_soon(offer(dut, beats, random_stalls(case["stalls"])))
        stalls, at = random_stalls(case["stalls"]), 0
        for count, piece in enumerate(sizes):
            dut.size.value = piece
            dut.flush.value = int(count + 1 == len(sizes))
            for _ in range(stalls()):
                await RisingEdge(dut.clk)
            dut.pieces__ready.value = 1
            await RisingEdge(dut.clk)
            while not dut.pieces__valid.value:
                await RisingEdge(dut.clk)
            found = int(dut.pieces__payload.value) & (1 << piece) - 1
            assert found == number >> at & (1 << piece) - 1, (sizes, count)
            at += piece
            dut.pieces__ready.value = 0
        await task
        await Timer(1, "ns")
        coverage.hit("pieces in a beat", size <= BEAT // 2)
        coverage.hit("a beat has several", len(beats) < len(sizes))
    coverage.require("pieces in a beat", [True, False] if case["most"] > BEAT else [True])
    coverage.require("a beat has several", [True])
