"""Bench of MemoryModel, with Copier as the machine in front of it."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from memory_model import AnyTimes, ChannelTimes, MemoryModel
from streams import bench_case, now, start_clock

from hwsim.arch import BEAT_BYTES, Arch

BEATS = 96


def filled() -> bytearray:
    return bytearray(random.randbytes(BEATS * BEAT_BYTES))


async def begin(dut, model: MemoryModel) -> None:
    """Reset the device with the memory behind it."""
    await start_clock(dut, "control__start", "control__abort")
    cocotb.start_soon(model.serve())


async def copy(dut, piece: int) -> int:
    """Copy the first third of memory behind itself; returns how many cycles lie between start and done."""
    dut.control__image_at.value = 0
    dut.control__image_beats.value = 2 * BEATS // 3
    dut.piece.value = piece
    dut.control__start.value = 1
    await RisingEdge(dut.clk)
    began = now()
    dut.control__start.value = 0
    await RisingEdge(dut.clk)
    while not dut.control__done.value:
        await RisingEdge(dut.clk)
    return now() - 1 - began


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize((("stalls", "most"), [(0.0, 1), (0.4, 1), (0.4, 40)]))
async def what_is_read_is_written_whatever_stalls(dut, stalls, most):
    memory = filled()
    before = bytes(memory)
    third = BEATS // 3 * BEAT_BYTES
    model = MemoryModel(dut, memory, AnyTimes(1, most), stalls=stalls, waiting=3)
    await begin(dut, model)
    await copy(dut, 5)
    assert bytes(memory) == before[:third] * 2 + before[2 * third :]
    pieces = [(at, min(5, 32 - at)) for at in range(0, 32, 5)]
    assert [(at, beats) for _, at, beats in model.reads] == pieces
    assert [(at, beats) for _, at, beats in model.writes] == [(32 + at, beats) for at, beats in pieces]
    assert len(model.ends) == len(pieces)
    assert not dut.control__error.value


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize((("rate", "latency", "expected"), [(32, 10, 64), (16, 3, 128), (32, 50, 50 + 32 + 1)]))
async def a_copy_takes_the_cycles_that_the_channel_has(dut, rate, latency, expected):
    """32 beats come, and go when the channel has brought the last one, or as they come if that is later.

    The cycle behind the last one has ``written``, and the next one ``done``.
    """
    arch = Arch(bytes_per_cycle=rate, dram_latency=latency)
    await begin(dut, MemoryModel(dut, filled(), ChannelTimes(arch), waiting=64))
    assert await copy(dut, 32) == expected + 1


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def a_beat_that_is_wrong_is_an_error(dut):
    await begin(dut, MemoryModel(dut, filled(), AnyTimes(), wrong=frozenset({bench_case()["wrong"]})))
    await copy(dut, 5)
    assert int(dut.control__error.value) == 1
