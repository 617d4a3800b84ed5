"""Bench of hwsim.driver on a System with Copier as its machine: the code that runs a board runs it here."""

import cocotb
import numpy as np
import pytest
from axi_memory import AxiMemory
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, First, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster
from driver_images import image_of_noise, value_at
from streams import start_clock

from hwsim.driver import Driver
from hwsim.errors import DriverError

REGISTERS, MEMORY, MEMORY_BYTES = 0x7000_0000, 0x1_2000_0000, 16384
LONGEST = 5000  # cycles of a pause


class SimulatedBus:
    """Registers over AXI4-Lite; memory as the processor of a system finds it, which is not simulated."""

    def __init__(self, dut, memory: bytearray) -> None:
        self.dut, self.memory = dut, memory
        self.interrupts, self.longest = 0, LONGEST
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)

    def read(self, address: int, size: int) -> bytes:
        if MEMORY <= address < MEMORY + MEMORY_BYTES:
            return bytes(self.memory[address - MEMORY : address - MEMORY + size])
        return resume(self._read)(address - REGISTERS, size)

    def write(self, address: int, data: bytes) -> None:
        if MEMORY <= address < MEMORY + MEMORY_BYTES:
            self.memory[address - MEMORY : address - MEMORY + len(data)] = data
        else:
            resume(self._write)(address - REGISTERS, data)

    def pause(self) -> None:
        resume(self._pause)()

    async def _read(self, address: int, size: int) -> bytes:
        return bytes((await self.master.read(address, size)).data)

    async def _write(self, address: int, data: bytes) -> None:
        await self.master.write(address, data)

    async def _pause(self) -> None:
        rises = RisingEdge(self.dut.irq)
        self.interrupts += await First(rises, ClockCycles(self.dut.clk, self.longest)) is rises


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def an_image_is_run_by_the_driver(dut):
    """Copier copies the first half of the image and its memory to the second, in which its result lies."""
    memory = bytearray(MEMORY_BYTES)
    AxiMemory(dut, memory, at=MEMORY, stalls=0.3)
    bus = SimulatedBus(dut, memory)
    await start_clock(dut)
    half = (192 + 8000) // 2
    for signed in (False, True):
        image = image_of_noise(half, signed, seed=signed)

        def run(image=image) -> tuple:
            driver = Driver(bus, registers=REGISTERS, memory=MEMORY, memory_bytes=MEMORY_BYTES)
            return driver.run(image), driver.counts()

        made, counts = await bridge(run)()
        copied = image.memory[0:192]  # half behind it lies the result
        expected = [
            [[value_at(copied, c, y, x, signed) for x in range(3)] for y in range(2)] for c in range(11)
        ]
        np.testing.assert_array_equal(made, expected)
        assert counts.read_beats == counts.written_beats == half // 32
        assert half // 32 < counts.cycles < 3000
    assert bus.interrupts == 2


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def what_goes_wrong_is_one_line_and_the_next_run_goes_well(dut):
    memory = bytearray(MEMORY_BYTES)
    axi = AxiMemory(dut, memory, at=MEMORY)
    bus = SimulatedBus(dut, memory)
    await start_clock(dut)
    image = image_of_noise(4096, False)

    def fails(words: str, **options: int) -> None:
        driver = Driver(bus, registers=REGISTERS, memory=MEMORY, memory_bytes=MEMORY_BYTES, **options)
        with pytest.raises(DriverError, match=words):
            driver.run(image)

    axi.wrong = frozenset({MEMORY // 32 + 50})
    await bridge(fails)("memory answered a request with an error")
    axi.wrong = frozenset()
    bus.longest = 20
    await bridge(fails)("not done after 5 pauses, and was aborted", patience=5)
    bus.longest = LONGEST
    driver = await bridge(Driver)(bus, registers=REGISTERS, memory=MEMORY, memory_bytes=MEMORY_BYTES)
    await bridge(driver.run)(image)
    assert memory[4096:8192] == memory[:4096] == image.to_bytes()[:4096]
