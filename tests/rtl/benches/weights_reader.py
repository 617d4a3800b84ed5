"""Bench of WeightsReader: from passes and DRAM of memory images to loads, asked for when there is room."""

import random
from collections import deque

import cocotb
from amaranth.lib import data
from bench_pass import Raw
from cocotb.triggers import RisingEdge, Timer
from image_cases import ImageCase, image_cases
from streams import Coverage, StreamPort, bench_case, random_stalls, start_clock

from hwsim.arch import WEIGHT_PASSES, WORD_BYTES, Arch
from hwsim.machine.programs import passes_at
from hwsim_rtl.array import Load
from hwsim_rtl.core.payloads import ChannelScale, weight_load
from hwsim_rtl.system.memory_port import MemoryRequest

BEAT_BYTES = 32


class Cores:
    """What the memories of the cores hold: loads of each pass, in their order."""

    def __init__(self, dut, arch: Arch) -> None:
        self.dut, self.capacity = dut, arch.weight_words // 2
        self.held: list[deque[int]] = [deque() for _ in range(arch.cores)]
        self.loaded = [[0, 0] for _ in range(arch.cores)]  # passes whose weights, scales are in, and not done
        self.full = False

    def take(self, cores: list[int], loads: int) -> None:
        """A unit is asked for: all its cores have room."""
        for core in cores:
            held = self.held[core]
            assert len(held) < WEIGHT_PASSES
            assert sum(held) + loads <= self.capacity, f"core {core} has no room"
            held.append(loads)

    async def finish(self, rate: float) -> None:
        """Passes are done, some time after they were loaded, for ever."""
        while True:
            done = 0
            for core, kinds in enumerate(self.loaded):
                if min(kinds) and random.random() < rate:
                    kinds[0], kinds[1] = kinds[0] - 1, kinds[1] - 1
                    self.held[core].popleft()
                    done |= 1 << core
            self.dut.done.value = done
            await RisingEdge(self.dut.clk)


async def look_up(dut, passes: list[int]) -> None:
    """Passes of the program, a cycle after they are looked at."""
    while True:
        await Timer(2, "ns")
        number = int(dut.number.value) if dut.number.value.is_resolvable else 0
        await RisingEdge(dut.clk)
        dut.entry.value = passes[number] if number < len(passes) else random.getrandbits(64)


async def memory(dut, case: ImageCase, cores: Cores, ports: dict, stalls: float) -> None:
    """Answer requests, which come in the order of the units."""
    for of_unit, loads in case.units:
        ((_, request),) = await ports["requests"].get(1, random_stalls(stalls))
        cores.take(of_unit, loads)
        at = BEAT_BYTES * request["address"]
        part = case.memory[at : at + BEAT_BYTES * request["beats"]].ljust(
            BEAT_BYTES * request["beats"], b"\xa5"
        )
        beats = [part[n : n + BEAT_BYTES] for n in range(0, len(part), BEAT_BYTES)]
        await ports["beats"].put(
            ({"bits": int.from_bytes(beat, "little")} for beat in beats), random_stalls(stalls)
        )


async def collect(port: StreamPort, layout, due: list[int], cores: Cores, kind: int, stalls: float) -> None:
    """Take loads: each is the expected one."""
    for count, bits in enumerate(due):
        ((_, payload),) = await port.get(1, random_stalls(stalls))
        assert payload["bits"] == bits, (port.name, count)
        if bits >> layout["last"].offset:
            for core in range(len(cores.held)):
                cores.loaded[core][kind] += bits >> layout["cores"].offset + core & 1


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def units_become_loads(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    coverage = Coverage()
    await start_clock(
        dut,
        "start",
        "layer",
        "entry",
        "done",
        "requests__ready",
        "beats__valid",
        "weights__ready",
        "scales__ready",
    )
    layouts = {"weights": Load(weight_load(arch), arch), "scales": Load(ChannelScale, arch)}
    ports = {name: StreamPort(dut, name, Raw(layout)) for name, layout in layouts.items()}
    ports["requests"] = StreamPort(dut, "requests", MemoryRequest)
    ports["beats"] = StreamPort(dut, "beats", Raw(data.ArrayLayout(8 * BEAT_BYTES, 1)))
    for one in image_cases(arch, random.getrandbits(32), case["networks"]):
        cores = Cores(dut, arch)
        waits = sum(loads for _, loads in one.units) > cores.capacity
        helpers = [
            cocotb.start_soon(cores.finish(0.02 if waits else random.choice([1.0, 0.02]))),
            cocotb.start_soon(look_up(dut, one.words[passes_at(one.layer.clamped) // WORD_BYTES :])),
        ]
        dut.layer.value = (
            sum(word << 64 * n for n, word in enumerate(one.words[:8])) & (1 << len(dut.layer)) - 1
        )
        dut.start.value = 1
        await RisingEdge(dut.clk)
        dut.start.value = 0
        await RisingEdge(dut.clk)  # before which outputs may be unknown, if nothing has changed since a reset
        helpers.append(cocotb.start_soon(memory(dut, one, cores, ports, case["stalls"])))
        tasks = [
            cocotb.start_soon(
                collect(ports[name], layouts[name], getattr(one, name), cores, kind, case["stalls"])
            )
            for kind, name in enumerate(layouts)
        ]
        for task in tasks:
            await task
        while any(cores.held):
            await RisingEdge(dut.clk)
        for _ in range(3):
            await RisingEdge(dut.clk)
        await Timer(2, "ns")
        assert not dut.busy.value
        assert not dut.weights__valid.value
        assert not dut.scales__valid.value
        for helper in helpers:
            helper.cancel()
        dut.done.value = 0
        await RisingEdge(dut.clk)
        coverage.hit("kind", one.layer.kind)
        coverage.hit("clamps before the passes", one.layer.clamped)
        coverage.hit("units", min(3, len(one.units)))
        coverage.hit("more than a core holds", waits)
    coverage.require("kind", ["conv", "depthwise"])
    coverage.require("clamps before the passes", [True, False])
    coverage.require("units", [1, 2, 3])
    coverage.require("more than a core holds", [True, False])
