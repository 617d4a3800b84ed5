"""Bench of Core: a pass is cut off in each of its cycles, by a reset or an abort; the next one is exact."""

import random

import cocotb
from bench_cases import small_case
from bench_pass import Pass, Raw
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, StreamPort, bench_case, now, random_stalls, start_clock, until_idle

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.payloads import ChannelScale, RowDescriptor, bank_address_bits, weight_load

LAYOUTS = {"words": Word, "rows": Raw(RowDescriptor), "scales": Raw(ChannelScale)}
LOADS = ("weights", "scales")
BEFORE = 4  # cycles before the start in which loads are cut off too


class Device:
    """A core with its streams."""

    def __init__(self, dut, arch: Arch) -> None:
        self.dut, self.arch = dut, arch
        layouts = LAYOUTS | {"weights": Raw(weight_load(arch))}
        self.inputs = {name: StreamPort(dut, name, layout) for name, layout in layouts.items()}
        self.outputs = {
            "coded": StreamPort(dut, "coded", Word),
            "index": StreamPort(dut, "index", IndexEntry),
        }
        self.taken: dict[str, list[dict]] = {name: [] for name in self.outputs}
        self.resetting = False
        self.stalls = False

    def send(self, one: Pass, names, stalls: float = 0.0) -> list:
        """Tasks that send what a pass needs."""
        return [
            cocotb.start_soon(self.inputs[name].put(getattr(one, name), random_stalls(stalls)))
            for name in names
        ]

    async def take(self, name: str) -> None:
        """Take what comes; what waits must stay, but for a reset."""
        port, held = self.outputs[name], None
        while True:
            port.ready.value = int(not self.stalls or random.random() < 0.4)
            await RisingEdge(self.dut.clk)
            payload = port.seen() if port.valid.value else None
            assert held is None or payload == held or self.resetting, f"{name} changed while not ready"
            held = None if port.ready.value else payload
            if payload is not None and port.ready.value:
                self.taken[name].append(payload)

    async def start(self, one: Pass) -> None:
        """Start a pass; returns in its cycle 0."""
        self.dut.start.value, self.dut.config.value = 1, one.config
        await RisingEdge(self.dut.clk)
        self.dut.start.value = 0

    async def whole(self, one: Pass) -> None:
        """A pass that nobody cuts off is exact."""
        for taken in self.taken.values():
            taken.clear()
        self.stalls = False
        for task in self.send(one, LOADS):
            await task
        await self.start(one)
        begin, tasks = now(), self.send(one, ("words", "rows"))
        await Timer(2, "ns")
        while not self.dut.done.value:
            assert now() - begin < one.cycles, "not done in time"
            await RisingEdge(self.dut.clk)
            await Timer(2, "ns")
        assert now() - begin + 1 == one.cycles
        assert not self.dut.error.value
        await RisingEdge(self.dut.clk)
        for name, taken in self.taken.items():
            assert taken == getattr(one, name), name
        for task in tasks:
            await task


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def a_pass_after_one_that_was_cut_off_is_exact(dut):
    arch, way = Arch(**bench_case()["arch"]), bench_case()["way"]
    one = Pass(small_case(arch))
    outputs = ("coded__ready", "index__ready")
    valids = (f"{name}__valid" for name in (*LAYOUTS, "weights"))
    await start_clock(dut, "start", "abort_pass", *outputs, *valids)
    device, cover = Device(dut, arch), Coverage()
    for name in device.outputs:
        cocotb.start_soon(device.take(name))
    await until_idle(dut)
    await device.whole(one)
    for moment in range(-BEFORE, one.cycles + 2):
        await cut_off(device, one, moment, way, cover)
        begin = now()
        await until_idle(dut)
        assert now() - begin <= (1 << bank_address_bits(arch)) + 1
        await device.whole(one)
    if way != "reset":
        cover.require("output waited", [True, False])
        cover.require("late words", [way == "held"], 10)


async def cut_off(device: Device, one: Pass, moment: int, way: str, cover: Coverage) -> None:
    """Begin a pass and cut it off in its cycle ``moment``; -2 and before: while it is loaded."""
    dut = device.dut
    device.stalls = way != "reset"
    tasks = device.send(one, LOADS, 0.3)
    if moment < -1:
        for _ in range(BEFORE + moment):
            await RisingEdge(dut.clk)
    else:
        for task in tasks:
            await task
        await device.start(one)
        tasks = device.send(one, ("words", "rows"), 0.3)
        for _ in range(moment):
            await RisingEdge(dut.clk)
    if way == "reset":
        dut.rst.value, device.resetting = 1, True
        for task in tasks:
            task.cancel()
        for port in device.inputs.values():
            port.valid.value = 0
        await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        device.resetting = False
        return
    dut.abort_pass.value = 1
    await Timer(2, "ns")
    waits = any(port.valid.value and not port.ready.value for port in device.outputs.values())
    cover.hit("output waited", bool(waits))
    assert dut.aborting.value
    if way == "pulse":
        for task in tasks:
            task.cancel()
        cover.hit("late words", False)
        await RisingEdge(dut.clk)
    else:
        cover.hit("late words", not all(task.done() for task in tasks))
        for task in tasks:
            await task
        await RisingEdge(dut.clk)
    for port in device.inputs.values():
        port.valid.value = 0
    dut.abort_pass.value = 0
    await Timer(2, "ns")
    while dut.aborting.value:  # an output waits
        await RisingEdge(dut.clk)
        await Timer(2, "ns")
    assert not any(port.valid.value for port in device.outputs.values())
