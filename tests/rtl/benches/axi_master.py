"""Bench of AxiMaster: a MemoryPort by hand on one side, cocotbext-axi on the other."""

import random
from dataclasses import dataclass

import cocotb
import numpy as np
from amaranth.lib import data
from axi_memory import AxiMemory
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiResp
from streams import Coverage, StreamPort, bench_case, no_stalls, now, random_stalls, start_clock

from hwsim.arch import BEAT_BYTES
from hwsim_rtl.system.memory_port import MemoryBeat, MemoryRequest

AT = 0x12_3456_7000  # of the memory, on the bus
BEATS = 2048  # that it has; the second half of it is written
HALF = BEATS // 2
BEAT = data.StructLayout({"data": 8 * BEAT_BYTES})
INPUTS = (
    "abort",
    "memory__reads__valid",
    "memory__read_data__ready",
    "memory__writes__valid",
    "memory__write_data__valid",
)


@dataclass
class Range:
    """Beats that are asked for: the first, how many, and of a write (data, strobes) of each."""

    first: int
    beats: int
    data: list[tuple[int, int]]

    def request(self) -> dict:
        return {"address": AT // BEAT_BYTES + self.first, "beats": self.beats}


class Port:
    """The machine's side of the memory port."""

    def __init__(self, dut, stalls: float) -> None:
        self.dut = dut
        self.stalls = random_stalls(stalls) if stalls else no_stalls
        layouts = {
            "reads": MemoryRequest,
            "read_data": BEAT,
            "writes": MemoryRequest,
            "write_data": MemoryBeat,
        }
        self.streams = {name: StreamPort(dut, f"memory__{name}", each) for name, each in layouts.items()}

    async def read(self, ranges: list[Range]) -> list[int]:
        """Ask for ranges; returns the beats that come."""
        self.start("reads", [each.request() for each in ranges])
        count = sum(each.beats for each in ranges)
        return [beat["data"] for _, beat in await self.streams["read_data"].get(count, self.stalls)]

    async def write(self, ranges: list[Range], memory: bytearray) -> None:
        """Write ranges; when one is said to be written, memory has it."""
        expected = [content(memory, each) for each in ranges]
        self.start("writes", [each.request() for each in ranges])
        beats = [beat for each in ranges for beat in each.data]
        self.start("write_data", [{"data": bits, "strobes": strobes} for bits, strobes in beats])
        for each, wanted in zip(ranges, expected, strict=True):
            await RisingEdge(self.dut.clk)
            while not self.dut.memory__written.value:
                await RisingEdge(self.dut.clk)
            assert beats_of(memory, each) == wanted, f"{each.first}: written, and not there"

    def start(self, name: str, payloads: list[dict]) -> None:
        self.tasks.append(cocotb.start_soon(self.streams[name].put(payloads, self.stalls)))

    tasks: list

    async def run(self, memory: bytearray, reads: list[Range], writes: list[Range]) -> None:
        """Read and write at once, to the end, and hold all of it against memory."""
        self.tasks = []
        writing = cocotb.start_soon(self.write(writes, memory))
        read = await self.read(reads)
        await writing
        assert read == [beat for each in reads for beat in beats_of(memory, each)]


def beats_of(memory: bytearray, one: Range) -> list[int]:
    """The beats of a range, as they are in memory."""
    places = range(one.first * BEAT_BYTES, (one.first + one.beats) * BEAT_BYTES, BEAT_BYTES)
    return [int.from_bytes(memory[at : at + BEAT_BYTES], "little") for at in places]


def content(memory: bytearray, one: Range) -> list[int]:
    """What a write makes of its range."""
    masks = [sum(0xFF << 8 * i for i in range(BEAT_BYTES) if strobes >> i & 1) for _, strobes in one.data]
    return [
        old & ~mask | bits & mask
        for old, (bits, _), mask in zip(beats_of(memory, one), one.data, masks, strict=True)
    ]


def ranges(count: int, first: int) -> list[Range]:
    """Ranges apart, of one beat to more than two bursts, in the half of memory that begins at ``first``."""
    found, at = [], first
    for _ in range(count):
        to_boundary = 128 - at % 128  # beats to a multiple of 4,096 bytes, just where a burst has to end
        beats = random.choice((1, 1, 2, 3, to_boundary, random.randint(4, 40), random.randint(100, 300)))
        if at + beats > first + HALF:
            break
        strobes = [random.choice(((1 << 32) - 1, random.getrandbits(32), 0)) for _ in range(beats)]
        found.append(Range(at, beats, [(random.getrandbits(256), each) for each in strobes]))
        at += beats + random.randint(0, 30)
    random.shuffle(found)
    return found


async def begin(dut, stalls: float, wrong: frozenset[int] = frozenset()) -> tuple[bytearray, AxiMemory]:
    memory = bytearray(random.randbytes(BEATS * BEAT_BYTES))
    at = AT // BEAT_BYTES
    slave = AxiMemory(dut, memory, at=AT, stalls=stalls, wrong=frozenset(at + each for each in wrong))
    await start_clock(dut, *INPUTS)
    return memory, slave


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def what_is_asked_for_comes_and_what_is_written_is_there(dut):
    stalls = bench_case()["stalls"]
    memory, slave = await begin(dut, stalls)
    coverage = Coverage()
    port = Port(dut, stalls)
    for _ in range(3):
        await port.run(memory, ranges(25, 0), ranges(25, HALF))
    for channel, _, beats in slave.bursts:
        coverage.hit(channel, beats)
    for channel in ("ar", "aw"):
        coverage.require(channel, [1, 2, 3, 128])
    assert not dut.memory__error.value
    await RisingEdge(dut.clk)
    assert dut.idle.value


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def an_error_on_the_bus_is_said_and_holds_nothing_up(dut):
    """All beats come, all writes are written; an abort takes the error back."""
    stalls = bench_case()["stalls"]
    _, slave = await begin(dut, stalls, wrong=frozenset({7, HALF + 9}))
    port = Port(dut, stalls)
    for _ in range(8):
        for first in (0, HALF):
            port.tasks = []
            clean, bad = (Range(first + at, 5, [(1, 0xF)] * 5) for at in (64, 5))
            for one, wrong in ((clean, 0), (bad, 1), (clean, 1)):
                if first:
                    port.start("writes", [one.request()])
                    port.start("write_data", [{"data": 1, "strobes": 0xF}] * 5)
                    while not dut.memory__written.value:
                        await RisingEdge(dut.clk)
                    await RisingEdge(dut.clk)
                else:
                    await port.read([one])
                assert dut.memory__error.value == wrong
            await abort(dut, 1)
            await RisingEdge(dut.clk)
            assert not dut.memory__error.value
    assert slave.errors == {AxiResp.SLVERR, AxiResp.DECERR}


async def abort(dut, cycles: int) -> None:
    dut.abort.value = 1
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    dut.abort.value = 0


def stop(dut, port: Port) -> None:
    """The machine offers and takes nothing any more."""
    for task in port.tasks:
        task.cancel()
    for name in INPUTS[1:]:
        getattr(dut, name).value = 0


@cocotb.test(timeout_time=40, timeout_unit="ms")
@cocotb.parametrize(by_reset=[False, True])
async def what_is_cut_off_leaves_nothing_behind(dut, by_reset):
    """At any moment: bursts are ended as AXI wants it, and what comes after finds all as if nothing had been.

    Each byte of a write that was cut off is as it was, or as it was to be.
    """
    stalls = bench_case()["stalls"]
    memory, _ = await begin(dut, stalls)
    port, coverage = Port(dut, stalls), Coverage()
    for _ in range(bench_case()["aborts"]):
        reads, writes = ranges(6, 0), ranges(6, HALF)
        before = bytearray(memory)
        port.tasks = []
        running = [
            cocotb.start_soon(port.read(reads)),
            cocotb.start_soon(port.write(writes, memory)),
        ]
        for _ in range(random.randint(0, 160)):
            await RisingEdge(dut.clk)
        coverage.hit("idle", bool(dut.idle.value))
        for task in running:
            task.cancel()
        stop(dut, port)
        if by_reset:
            dut.rst.value = 1
            for _ in range(3):
                await RisingEdge(dut.clk)
            dut.rst.value = 0
            await RisingEdge(dut.clk)
        else:
            await abort(dut, random.randint(1, 4))
        await port.run(memory, ranges(4, 0), [])
        while not dut.idle.value:
            await RisingEdge(dut.clk)
        meant = bytearray(before)
        for one in writes:
            for number, bits in enumerate(content(before, one), one.first):
                meant[number * BEAT_BYTES : (number + 1) * BEAT_BYTES] = bits.to_bytes(BEAT_BYTES, "little")
        is_now, was, was_to_be = (np.frombuffer(bytes(each), np.uint8) for each in (memory, before, meant))
        assert ((is_now == was) | (is_now == was_to_be)).all(), "a byte is neither old nor new"
        coverage.hit("written before it was cut off", bool((is_now != was).any()))
        await port.run(memory, ranges(4, 0), ranges(4, HALF))
    coverage.require("idle", [False])
    coverage.require("written before it was cut off", [True])
    assert not dut.memory__error.value


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def latencies_are_what_the_component_says(dut):
    """Pins by hand: everything is ready, and answers come when the bench says."""
    pins = ("bvalid", "bresp", "bid", "rvalid", "rresp", "rid", "rlast", "rdata")
    await start_clock(dut, *INPUTS, *(f"m_axi_{pin}" for pin in pins))
    for pin in ("m_axi_arready", "m_axi_awready", "m_axi_wready", "memory__read_data__ready"):
        getattr(dut, pin).value = 1
    port, seen = Port(dut, 0), {}
    port.tasks = []

    async def watch() -> None:
        names = (
            "m_axi_arvalid",
            "m_axi_awvalid",
            "m_axi_wvalid",
            "memory__read_data__valid",
            "memory__written",
        )
        while True:
            await RisingEdge(dut.clk)
            for name in names:
                if getattr(dut, name).value:
                    seen.setdefault(name, []).append(now() - 1)

    cocotb.start_soon(watch())
    began = now()
    port.start("reads", [{"address": each, "beats": 1} for each in range(20)])
    port.start("writes", [{"address": each, "beats": 1} for each in range(4)])
    port.start("write_data", [{"data": 1, "strobes": 1}] * 4)
    for _ in range(30):
        await RisingEdge(dut.clk)
    assert seen["m_axi_arvalid"] == list(range(began + 2, began + 22))
    assert seen["m_axi_awvalid"] == list(range(began + 2, began + 6))
    # The first beat is taken in the cycle after its burst went to the address channel.
    assert seen["m_axi_wvalid"] == list(range(began + 3, began + 7))
    answered = now()
    dut.m_axi_rvalid.value = 1
    dut.m_axi_bvalid.value = 1
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.m_axi_rvalid.value = 0
    dut.m_axi_bvalid.value = 0
    for _ in range(5):
        await RisingEdge(dut.clk)
    assert seen["memory__read_data__valid"] == list(range(answered + 1, answered + 5))
    assert seen["memory__written"] == list(range(answered + 1, answered + 5))
    assert not dut.idle.value  # 16 beats are to come
