"""Runs a memory image on hwsim_system by cocotb and cocotbext-axi, and compares memory after it.

Written beside the Verilog by `hwsim rtl emit --testbench`; needs cocotb 2, cocotbext-axi 0.1.28 and a
simulator, and nothing of hwsim: registers are those of hwsim.h, memory is that of image.bin, expected.hex and
mask.hex.

    make -f cocotb.mk                               # Icarus, or any simulator of cocotb's as SIM=...
    make -f cocotb.mk HWSIM_STALLS=0.6 COCOTB_RANDOM_SEED=7

The image lies at any multiple of 32 bytes, and all channels of both buses stand still in a quarter of the
cycles, by the seed that cocotb prints; HWSIM_STALLS is another share, less than 1. A run that does not end is
given up after HWSIM_PATIENCE cycles, and more where channels stand still. It says PASS with the number of
cycles, or FAIL and why.
"""

import logging
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam, AxiResp

FOLDER = Path(__file__).parent
STALLS = float(os.environ.get("HWSIM_STALLS", "0.25"))
PATIENCE = int(int(os.environ.get("HWSIM_PATIENCE", 1 << 30)) / (1 - STALLS))  # cycles
CYCLE_NS = 10
RESET_CYCLES = 4  # one is enough
ADDRESS_BITS, BEAT_BYTES = 40, 32

# Inputs that the other sides of the buses leave unknown until they first have something to say.
LEFT_UNKNOWN = (
    *("m_axi_bid", "m_axi_bresp", "m_axi_rid", "m_axi_rdata", "m_axi_rresp", "m_axi_rlast"),
    *("s_axi_awaddr", "s_axi_awprot", "s_axi_wdata", "s_axi_wstrb", "s_axi_araddr", "s_axi_arprot"),
)


def header_numbers() -> dict[str, int]:
    """The numbers of hwsim.h by their names, without ``HWSIM_``."""
    text = (FOLDER / "hwsim.h").read_text(encoding="utf-8")
    found = re.findall(r"^#define HWSIM_(\w+) (0x[0-9a-f]+|\d+)u$", text, re.MULTILINE)
    return {name: int(value, 0) for name, value in found}


def beats(name: str) -> bytes:
    """The bytes of a file for Verilog's $readmemh: a line a beat, its last byte first."""
    lines = (FOLDER / name).read_text(encoding="ascii").split()
    return b"".join(bytes.fromhex(line)[::-1] for line in lines)


def pauses() -> Iterator[bool]:
    """For every cycle, whether a channel stands still in it."""
    while True:
        yield random.random() < STALLS


def stall(side: Any) -> None:
    """Let all channels of one side of a bus stand still at random."""
    write, read = side.write_if, side.read_if
    channels = (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)
    for channel in channels:
        channel.set_pause_generator(pauses())


class Host:
    """A processor on the registers, beside the memory."""

    def __init__(self, dut: Any) -> None:
        self.numbers = header_numbers()
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)

    async def read(self, register: str) -> int:
        answer = await self.master.read(self.numbers[f"REG_{register}"], 4)
        assert answer.resp == AxiResp.OKAY, f"{register} was not read"
        return int.from_bytes(answer.data, "little")

    async def write(self, register: str, value: int) -> None:
        answer = await self.master.write(self.numbers[f"REG_{register}"], value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY, f"{register} was not written"

    async def write_wide(self, register: str, value: int) -> None:
        """Both halves of a number of 64 bits."""
        await self.write(f"{register}_LOW", value & 0xFFFF_FFFF)
        await self.write(f"{register}_HIGH", value >> 32)

    def mask(self, field: str) -> int:
        """The bits of a field in its register."""
        return self.numbers[f"{field}_MASK"]


async def run_image(dut: Any) -> int:
    """Run the image and compare memory with what is expected; returns the cycles of the run.

    Raises:
        AssertionError: the machine does not what it must.
    """
    image, expected, mask = (FOLDER / "image.bin").read_bytes(), beats("expected.hex"), beats("mask.hex")
    place = BEAT_BYTES * random.randrange((1 << ADDRESS_BITS) - len(expected) >> 5)
    for name in LEFT_UNKNOWN:
        getattr(dut, name).value = 0
    ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=1 << ADDRESS_BITS)
    host = Host(dut)
    stall(ram)
    stall(host.master)
    Clock(dut.clk, CYCLE_NS, unit="ns").start()
    dut.rst.value = 1
    await ClockCycles(dut.clk, RESET_CYCLES)
    await FallingEdge(dut.clk)
    dut.rst.value = 0

    assert await host.read("IDENTITY") == host.numbers["IDENTITY"], "this is no hwsim machine"
    assert await host.read("INTERFACE") == host.numbers["INTERFACE"], "its registers are not those of hwsim.h"
    ram.write(place, image)
    await host.write_wide("IMAGE", place)
    await host.write_wide("LENGTH", len(expected))
    await host.write("INTERRUPT_ENABLE", host.mask("INTERRUPT_ENABLE_DONE"))
    await host.write("CONTROL", host.mask("CONTROL_START"))
    if not dut.irq.value:
        await RisingEdge(dut.irq)
    await host.write("INTERRUPT_PENDING", host.mask("INTERRUPT_PENDING_DONE"))
    assert not dut.irq.value, "the interrupt was not taken back"

    status = await host.read("STATUS")
    error = (status & host.mask("STATUS_ERROR")) >> host.numbers["STATUS_ERROR_LOW"]
    assert error == host.numbers["ERROR_NONE"], f"the machine stopped with error {error}"
    assert status & host.mask("STATUS_DONE"), "the machine does not say that it is done"
    made = ram.read(place, len(expected))
    wrong = [at for at, bits in enumerate(mask) if (made[at] ^ expected[at]) & bits]
    assert not wrong, (
        f"{len(wrong)} bytes are wrong, the first one {wrong[0]} bytes behind the image's first one"
    )
    return await host.read("CYCLES_LOW") | await host.read("CYCLES_HIGH") << 32


@cocotb.test()
async def an_image_is_run_and_leaves_in_memory_what_it_must(dut: Any) -> None:
    logging.getLogger("cocotb.hwsim_system").setLevel(logging.WARNING)  # or each burst is told
    try:
        cycles = await with_timeout(run_image(dut), PATIENCE * CYCLE_NS, "ns")
    except SimTimeoutError:
        print(f"FAIL: the machine does not end within {PATIENCE} cycles")
        raise
    except Exception as error:
        print(f"FAIL: {error}")
        raise
    print(f"PASS: {cycles} cycles")
