"""Bench of ReadRouter: every beat comes to who asked for it, whoever's turn it is, none beyond the limit."""

import random

import cocotb
from amaranth.lib import data
from bench_pass import Raw
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, StreamPort, bench_case, random_stalls, start_clock

from hwsim_rtl.system.memory_port import MemoryRequest

BEAT_BITS = 256


def beat_at(number: int) -> int:
    """What memory has there."""
    return random.Random(number).getrandbits(BEAT_BITS)


async def memory(dut, reads: StreamPort, beats: StreamPort, stalls: float, asked: list[int]) -> None:
    """Answer requests in their order."""
    while True:
        for _, request in await reads.get(1, random_stalls(stalls)):
            numbers = range(request["address"], request["address"] + request["beats"])
            asked.extend(numbers)
            await beats.put(({"bits": beat_at(number)} for number in numbers), random_stalls(stalls))


async def turns(dut, clients: int) -> None:
    while True:
        dut.turn.value = random.randrange(clients)
        await RisingEdge(dut.clk)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def beats_come_to_who_asked_for_them(dut):
    case = bench_case()
    clients, base, limit = case["clients"], 1000, 500
    coverage = Coverage()
    inputs = [f"requests__{n}__valid" for n in range(clients)] + [
        f"beats__{n}__ready" for n in range(clients)
    ]
    await start_clock(dut, "turn", "drop", "reads__ready", "read_data__valid", *inputs)
    dut.base.value, dut.limit.value = base, limit
    one_beat = Raw(data.ArrayLayout(BEAT_BITS, 1))
    reads, read_data = StreamPort(dut, "reads", MemoryRequest), StreamPort(dut, "read_data", one_beat)
    asked: list[int] = []
    cocotb.start_soon(memory(dut, reads, read_data, case["stalls"], asked))
    turning = cocotb.start_soon(turns(dut, clients))
    tasks, expected = [], []
    for number in range(clients):
        requests = []
        for _ in range(case["requests"]):
            beats = random.randint(1, 9)
            address = random.choice([limit - beats, random.randrange(limit - beats)])
            requests.append({"address": address, "beats": beats})
            coverage.hit("last beat", address + beats == limit)
        due = [base + r["address"] + k for r in requests for k in range(r["beats"])]
        expected.append(due)
        port = StreamPort(dut, f"requests__{number}", MemoryRequest)
        cocotb.start_soon(port.put(requests, random_stalls(case["stalls"])))
        beats_port = StreamPort(dut, f"beats__{number}", one_beat)
        tasks.append(cocotb.start_soon(beats_port.get(len(due), random_stalls(case["stalls"]))))
    for due, task in zip(expected, tasks, strict=True):
        assert [payload["bits"] for _, payload in await task] == [beat_at(number) for number in due]
    assert sorted(asked) == sorted(number for due in expected for number in due)
    coverage.require("last beat", [True, False])

    # Beyond the limit, or of no beats: not asked for.
    turning.cancel()
    dut.turn.value = 0
    for wrong in ({"address": limit - 1, "beats": 2}, {"address": 3, "beats": 0}):
        many = len(asked)
        task = cocotb.start_soon(StreamPort(dut, "requests__0", MemoryRequest).put([wrong]))
        for _ in range(20):
            await RisingEdge(dut.clk)
        await Timer(2, "ns")
        assert dut.beyond.value
        assert len(asked) == many
        task.cancel()
        dut.requests__0__valid.value = 0
        await RisingEdge(dut.clk)

    # What is on its way when the rest is dropped is taken, and then nothing comes.
    await StreamPort(dut, "requests__0", MemoryRequest).put([{"address": 0, "beats": 40}])
    for _ in range(6):
        await RisingEdge(dut.clk)
    await Timer(2, "ns")
    assert not dut.empty.value
    dut.drop.value = 1
    for _ in range(2000):
        await RisingEdge(dut.clk)
        await Timer(2, "ns")
        assert not dut.beats__0__valid.value
        if dut.empty.value:
            break
    assert dut.empty.value
    assert asked[-1] == base + 39
