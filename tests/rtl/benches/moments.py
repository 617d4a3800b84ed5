"""Bench of Core: a pass is cut off in any cycle, by a reset or an abort; the next one is exact."""

import random

import cocotb
from bench_cases import small_case
from bench_pass import Pass, Raw
from benches.core import run
from cocotb.triggers import RisingEdge, Timer
from mapped_cases import MappedPass, mapped_pass
from streams import Coverage, StreamPort, bench_case, now, random_stalls, start_clock, until_idle

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.payloads import ChannelScale, MapRow, RowDescriptor, bank_address_bits, weight_load

LOADS, ROWS = ("weights", "scales"), ("map_rows", "rows")
BEFORE = 4  # cycles before the start in which loads are cut off too
BEHIND = 30  # cycles after the pass, in which words leave
PERIOD = 2
FLUSH = 18  # cycles of an abort, after the one in which no output waits any more


class Device:
    """A core with its streams, and the pass that it makes."""

    def __init__(self, dut, arch: Arch) -> None:
        self.dut, self.arch = dut, arch
        self.one: Pass = Pass(small_case(arch))
        self.mapped: MappedPass = mapped_pass(self.one.case)
        layouts = {"map_rows": MapRow, "rows": Raw(RowDescriptor)}
        layouts |= {"weights": Raw(weight_load(arch)), "scales": Raw(ChannelScale)}
        self.sent = {
            "map_rows": self.mapped.map_rows,
            **{name: getattr(self.one, name) for name in ("rows", *LOADS)},
        }
        self.inputs = {name: StreamPort(dut, name, layout) for name, layout in layouts.items()}
        self.outputs = {
            "coded": StreamPort(dut, "coded", Word),
            "index": StreamPort(dut, "index", IndexEntry),
        }
        self.taken: dict[str, list[dict]] = {name: [] for name in self.outputs}
        self.stalls = self.resetting = False

    def send(self, names, stalls: float = 0.0) -> list:
        """Tasks that send what a pass needs."""
        return [
            cocotb.start_soon(self.inputs[name].put(self.sent[name], random_stalls(stalls))) for name in names
        ]

    def stop(self, tasks: list) -> None:
        """Nothing is sent any more."""
        for task in tasks:
            task.cancel()
        for port in self.inputs.values():
            port.valid.value = 0

    async def take(self, name: str) -> None:
        """Take what comes; what waits must stay, but for a reset."""
        port, held = self.outputs[name], None
        while True:
            port.ready.value = int(not self.stalls or random.random() < 0.2)
            await RisingEdge(self.dut.clk)
            payload = port.seen() if port.valid.value else None
            assert held is None or payload == held or self.resetting, f"{name} changed while not ready"
            held = None if port.ready.value else payload
            if payload is not None and port.ready.value:
                self.taken[name].append(payload)

    @property
    def shows(self) -> list[str]:
        """Outputs that are offered."""
        return [name for name, port in self.outputs.items() if port.valid.value]

    @property
    def waits(self) -> bool:
        """An output is offered and not taken."""
        return any(not self.outputs[name].ready.value for name in self.shows)

    async def whole(self) -> None:
        """A pass that nobody cuts off is exact."""
        for taken in self.taken.values():
            taken.clear()
        self.stalls = False
        for task in self.send(LOADS):
            await task
        tasks = self.send(ROWS)
        await run(self.dut, self.arch, self.mapped, PERIOD)
        while self.dut.encoding.value:
            await RisingEdge(self.dut.clk)
        assert not self.dut.error.value
        for name, taken in self.taken.items():
            assert taken == getattr(self.one, name), name
        for task in tasks:
            await task


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def a_pass_after_one_that_was_cut_off_is_exact(dut):
    case = bench_case()
    arch, way = Arch(**case["arch"]), case["way"]
    device, cover = Device(dut, arch), Coverage()
    ports = (f"{name}__valid" for name in device.inputs), (f"{name}__ready" for name in device.outputs)
    await start_clock(dut, "start", "abort_pass", "slot", "there", "line", *ports[0], *ports[1])
    for name in device.outputs:
        cocotb.start_soon(device.take(name))
    await until_idle(dut)
    await device.whole()
    for moment in range(-BEFORE, device.mapped.stepped(PERIOD).cycles + BEHIND, case["step"]):
        dut._log.info("cut off in cycle %d", moment)
        await cut_off(device, moment, way, cover)
        begin = now()
        await until_idle(dut)
        assert now() - begin <= (1 << bank_address_bits(arch)) + 1
        await device.whole()
    if way != "reset":
        cover.require("output waited", [True, False])
        cover.require("words to come behind the pass", [True, False])
        cover.require("late rows", [way == "held"], 4)


async def cut_off(device: Device, moment: int, way: str, cover: Coverage) -> None:
    """Begin a pass and cut it off in its cycle ``moment``; -3 and before: while it is loaded."""
    dut = device.dut
    device.stalls = way != "reset"
    tasks = device.send(LOADS, 0.3)
    if moment < -2:
        for _ in range(BEFORE + moment):
            await RisingEdge(dut.clk)
    else:
        for task in tasks:
            await task
        tasks = device.send(ROWS, 0.3)
        cycle = await run(dut, device.arch, device.mapped, PERIOD, exact=False, until=moment)
        for _ in range(moment - cycle):
            await RisingEdge(dut.clk)
        cover.hit("words to come behind the pass", bool(cycle <= moment and dut.encoding.value))
    if way == "reset":
        dut.rst.value, device.resetting = 1, True
        device.stop(tasks)
        dut.start.value = 0
        await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        device.resetting = False
        return

    dut.abort_pass.value = 1
    await Timer(2, "ns")
    assert dut.aborting.value
    cover.hit("output waited", device.waits)
    cover.hit("late rows", not all(task.done() for task in tasks))
    if way == "held":
        for task in tasks:
            await task
        await Timer(2, "ns")
        while device.waits:
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
        await RisingEdge(dut.clk)
        dut.abort_pass.value = dut.start.value = 0
    else:
        device.stop(tasks)
        while device.waits:
            await RisingEdge(dut.clk)
            dut.abort_pass.value = dut.start.value = 0
            await Timer(2, "ns")
            assert dut.aborting.value, "an abort is over while an output waits"
        await RisingEdge(dut.clk)
        dut.abort_pass.value = dut.start.value = 0
    # What comes late, whatever it is, is dropped, and nothing leaves.
    for port in device.inputs.values():
        port.valid.value = 1
        port.offer({name: random.getrandbits(8) for name in port.seen()})
    for _ in range(FLUSH):
        await Timer(2, "ns")
        assert dut.aborting.value
        assert not device.shows
        assert not dut.done.value
        assert all(device.inputs[name].ready.value for name in ROWS)
        await RisingEdge(dut.clk)
    device.stop([])
    await Timer(2, "ns")
    assert not dut.aborting.value
    assert dut.busy.value
