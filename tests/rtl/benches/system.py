"""Bench of System, with Copier as its machine: registers by cocotbext-axi, and memory behind it."""

import random

import cocotb
from axi_memory import AxiMemory, random_pauses
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp
from streams import Coverage, bench_case, start_clock

from hwsim.arch import BEAT_BYTES, Arch
from hwsim.registers import COUNTERS, IDENTITY, REGISTERS, MachineError

AT = 0x34_5678_0000  # of the memory, on the bus
BEATS = 600


class Host:
    """A host: its memory and its way to the registers, both with stalls."""

    def __init__(self, dut, stalls: float, wrong: frozenset[int] = frozenset()) -> None:
        self.dut = dut
        self.memory = bytearray(random.randbytes(BEATS * BEAT_BYTES))
        self.bus = AxiMemory(dut, self.memory, at=AT, stalls=stalls, wrong=wrong)
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        if stalls:
            write, read = self.registers.write_if, self.registers.read_if
            channels = (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)
            for channel in channels:
                channel.set_pause_generator(random_pauses(stalls))

    async def read(self, name: str, field: str | None = None) -> int:
        register = REGISTERS[name]
        answer = await self.registers.read(register.address, 4)
        assert answer.resp == AxiResp.OKAY
        value = int.from_bytes(answer.data, "little")
        return register[field].of(value) if field else value

    async def wide(self, name: str) -> int:
        return await self.read(f"{name}_low") | await self.read(f"{name}_high") << 32

    async def write(self, name: str, value: int, wanted: AxiResp = AxiResp.OKAY) -> None:
        answer = await self.registers.write(REGISTERS[name].address, value.to_bytes(4, "little"))
        assert answer.resp == wanted, name

    async def place(self, image: int, length: int, wanted: AxiResp = AxiResp.OKAY) -> None:
        for name, value in (("image", image), ("length", length)):
            await self.write(f"{name}_low", value & 0xFFFF_FFFF, wanted)
            await self.write(f"{name}_high", value >> 32, wanted)

    async def start(self, beats: int) -> None:
        await self.place(AT, 2 * beats * BEAT_BYTES)
        await self.write("control", 1)

    async def until(self, field: str, value: int) -> None:
        while await self.read("status", field) != value:
            pass


async def begin(dut, wrong: frozenset[int] = frozenset()) -> Host:
    host = Host(dut, bench_case()["stalls"], wrong)
    await start_clock(dut)
    return host


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def registers_say_what_the_machine_is_and_refuse_what_is_wrong(dut):
    host, arch = await begin(dut), Arch(**bench_case()["arch"])
    assert await host.read("identity") == IDENTITY
    machine = {field.name: await host.read("machine", field.name) for field in REGISTERS["machine"].fields}
    assert machine.pop("lanes") == 2
    assert machine == {name: int(getattr(arch, name)) for name in machine}
    assert await host.read("accumulators") == arch.accumulators
    assert await host.read("weight_words") == arch.weight_words
    assert await host.read("map_lines") * 64 == arch.map_buffer
    taken = {register.address for register in REGISTERS.values()}
    nowhere = next(address for address in range(0, 4096, 4) if address not in taken)
    for address in (nowhere, 4092):
        answer = await host.registers.read(address, 4)
        assert (answer.resp, answer.data) == (AxiResp.SLVERR, bytes(4))
        assert (await host.registers.write(address, bytes(4))).resp == AxiResp.SLVERR
    for name, register in REGISTERS.items():
        if register.access == "read":
            await host.write(name, 0xFFFF_FFFF, AxiResp.SLVERR)
    # What is no multiple of 32 is cut; bytes are written alone.
    await host.place(0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210)
    assert await host.wide("image") == 0x0123_4567_89AB_CDE0
    assert await host.wide("length") == 0xFEDC_BA98_7654_3200
    await host.registers.write(REGISTERS["image_low"].address + 1, b"\x77\x66")
    assert await host.wide("image") == 0x0123_4567_8966_77E0
    assert await host.read("identity") == IDENTITY


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_run_is_started_counted_and_interrupts(dut):
    host = await begin(dut)
    for enabled, beats in ((1, 50), (0, 200), (1, 300)):
        before = bytes(host.memory)
        await host.write("interrupt_enable", enabled)
        await host.start(beats)
        # Not while busy:
        await host.write("control", 1, AxiResp.SLVERR)
        await host.place(0, 64, AxiResp.SLVERR)
        await host.until("done", 1)
        assert not await host.read("status", "error")
        assert not await host.read("status", "busy")
        half = beats * BEAT_BYTES
        assert bytes(host.memory) == before[:half] * 2 + before[2 * half :]
        assert await host.wide("image") == AT
        assert await host.read("interrupt_pending") == 1
        assert dut.irq.value == enabled
        await host.write("interrupt_pending", 0)
        assert dut.irq.value == enabled
        await host.write("interrupt_pending", 1)
        assert not dut.irq.value
        counters = {name: await host.wide(name) for name in COUNTERS}
        assert counters["read_beats"] == counters["written_beats"] == beats
        assert counters["cycles"] > beats
        assert 0 < counters["read_waits"] < counters["cycles"] - beats + 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def cycles_are_those_in_which_the_machine_is_busy(dut):
    host = await begin(dut)
    seen = []

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk)
            seen.append(int(dut.machine.control__busy.value))

    cocotb.start_soon(watch())
    await host.start(20)
    await host.until("done", 1)
    assert await host.wide("cycles") == sum(seen) > 20


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_error_has_its_code_and_the_next_run_is_as_if_there_had_been_none(dut):
    host = await begin(dut, wrong=frozenset({AT // BEAT_BYTES + 120}))
    for beats, error in ((50, MachineError.none), (200, MachineError.memory), (50, MachineError.none)):
        await host.start(beats)
        await host.until("done", 1)
        await host.until("busy", 0)
        assert await host.read("status", "error") == error
    for image, length in ((1 << 40, 64), ((1 << 40) - 64, 96), (1 << 63, 64), (AT, 0), (64, (1 << 64) - 64)):
        await host.place(image, length)
        await host.write("control", 1)
        assert await host.read("status") == 2 | MachineError.image << 8
        assert not await host.wide("read_beats")
    await host.place((1 << 40) - 64, 64)  # just so: what comes then is an error of memory
    await host.write("control", 1)
    await host.until("done", 1)
    assert await host.read("status", "error") == MachineError.memory


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_abort_leaves_nothing_at_any_moment(dut):
    host, coverage = await begin(dut), Coverage()
    await host.write("interrupt_enable", 1)
    for _ in range(bench_case()["aborts"]):
        await host.start(200)
        for _ in range(random.randint(0, 300)):
            await RisingEdge(dut.clk)
        await host.write("control", random.choice((2, 3)))  # a start with an abort is an abort
        status = await host.read("status")
        coverage.hit("busy", status & 1)
        assert not status & ~1
        await host.until("busy", 0)
        pending = await host.read("interrupt_pending")
        coverage.hit("pending", pending)
        await host.write("interrupt_pending", pending)
        before = bytes(host.memory)
        await host.start(40)
        await host.until("done", 1)
        assert await host.read("status") == 2
        half = 40 * BEAT_BYTES
        assert bytes(host.memory) == before[:half] * 2 + before[2 * half :]
        await host.write("interrupt_pending", 1)
    coverage.require("busy", [1])
    coverage.require("pending", [0])
