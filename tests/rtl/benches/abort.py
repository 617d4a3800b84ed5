"""Bench of Top: an abort of one core beside one that works, resets at many moments; ``tready`` of a load does
not depend on whose it is."""

from __future__ import annotations

import cocotb
from bench_cases import small_case
from bench_pass import Pass, bits
from cocotb.triggers import RisingEdge, Timer
from map_buffer import AtWork, MapBuffer
from mapped_cases import MappedPass, fields_of, mapped_pass
from streams import AxiStream, Coverage, bench_case, now, pack, random_stalls, start_clock, until_idle

from hwsim.arch import WEIGHT_PASSES, Arch
from hwsim_rtl.bits.word import IndexEntry
from hwsim_rtl.core import payloads

CORES = 2
LOADS = ("weights", "scales")
INPUTS, OUTPUTS = ("passes", "map_rows", "rows"), ("coded", "index")


class Device:
    """Two cores behind their ports, both at the same pass."""

    def __init__(self, dut, arch: Arch) -> None:
        self.dut = dut
        self.one: Pass = Pass(small_case(arch))
        self.mapped: MappedPass = mapped_pass(self.one.case)
        self.cycles = self.mapped.stepped(CORES + 1).cycles
        sent = {"config": self.mapped.config, "lengths": fields_of(self.mapped.lengths)}
        self.payloads = {
            "passes": [bits(payloads.SentPass(arch), sent)["bits"]],
            "map_rows": [pack(payloads.MapRow.as_shape(), row) for row in self.mapped.map_rows],
            "rows": [row["bits"] for row in self.one.rows],
        }
        self.loads = {name: AxiStream(dut, f"s_axis_{name}", "data", "user", "last") for name in LOADS}
        self.inputs = [
            {name: AxiStream(dut, f"s_axis_{name}_{core}", "data") for name in INPUTS}
            for core in range(CORES)
        ]
        self.coded = [AxiStream(dut, f"m_axis_coded_{core}", "data", "last") for core in range(CORES)]
        self.index = [AxiStream(dut, f"m_axis_index_{core}", "data") for core in range(CORES)]
        self.buffer = MapBuffer(dut, CORES, 0)
        self.begins = [0] * CORES

    async def first_reset(self) -> None:
        valids = [*self.loads.values(), *(port for ports in self.inputs for port in ports.values())]
        readies = [*self.coded, *self.index]
        names = [f"{port.name}_tvalid" for port in valids] + [f"{port.name}_tready" for port in readies]
        await start_clock(self.dut, "abort_pass", "align", "map_there", "map_line", *names)
        self.buffer.base = now() - 1
        cocotb.start_soon(self.buffer.serve())
        await until_idle(self.dut)

    async def reset(self, senders: list) -> None:
        """In one cycle; the next one is a slot of core 0."""
        self.dut.rst.value = 1
        for task in senders:
            task.cancel()
        for port in [*self.loads.values(), *(port for ports in self.inputs for port in ports.values())]:
            port.valid.value = 0
        await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        self.buffer.base = now()

    def transfers(self, name: str, mask: int) -> list[dict]:
        """Weights or scales of the pass, for the cores of a mask."""
        entries = getattr(self.one, name)
        return [
            {"data": entry["bits"], "user": mask, "last": int(i == len(entries) - 1)}
            for i, entry in enumerate(entries)
        ]

    async def load(self, mask: int) -> None:
        for name, port in self.loads.items():
            await port.put(self.transfers(name, mask))

    async def feed(self, core: int, stalls: float = 0.0) -> None:
        """The pass and its rows, which may be late."""

        async def send(name: str) -> None:
            late = random_stalls(stalls if name == "rows" else 0.0)
            await self.inputs[core][name].put(({"data": data} for data in self.payloads[name]), late)
            if name == "passes":
                self.begins[core] = now() + 1
                self.buffer.at_work[core] = AtWork(self.mapped.lines, self.mapped.there, now() + 1)

        for task in [cocotb.start_soon(send(name)) for name in INPUTS]:
            await task

    async def exact(self, core: int) -> None:
        """A pass that is offered begins in a slot, takes its cycles and makes its words."""
        coded = cocotb.start_soon(self.coded[core].get(len(self.one.coded)))
        index = cocotb.start_soon(self.index[core].get(len(self.one.index)))
        await Timer(2, "ns")
        while not int(self.dut.done.value) >> core & 1:
            await RisingEdge(self.dut.clk)
            await Timer(2, "ns")
        assert (self.begins[core] - self.buffer.base) % (CORES + 1) == core
        assert now() - self.begins[core] + 1 == self.cycles, f"core {core}"
        await RisingEdge(self.dut.clk)
        assert [payload for _, payload in await coded] == self.one.coded, f"core {core}"
        entries = [pack(IndexEntry.as_shape(), entry) for entry in self.one.index]
        assert [payload["data"] for _, payload in await index] == entries, f"core {core}"

    async def both_exact(self) -> None:
        feeds = [cocotb.start_soon(self.feed(core)) for core in range(CORES)]
        exact = [cocotb.start_soon(self.exact(core)) for core in range(CORES)]
        await self.load(0b11)
        for task in [*feeds, *exact]:
            await task


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_abort_of_one_core_is_not_noticed_by_the_other(dut):
    case = bench_case()
    device, cover = Device(dut, Arch(**case["arch"])), Coverage()
    await device.first_reset()
    await device.both_exact()
    for moment in range(0, device.cycles, case["step"]):
        await device.load(0b11)
        feeds = [cocotb.start_soon(device.feed(core, 0.3 * (core == 0))) for core in range(CORES)]
        other = cocotb.start_soon(device.exact(1))
        taken = [cocotb.start_soon(port.get(10**6)) for port in (device.coded[0], device.index[0])]
        for _ in range(moment + 1):
            await RisingEdge(dut.clk)
        dut.abort_pass.value = 0b01
        cover.hit("late rows", not feeds[0].done())
        await feeds[0]
        await RisingEdge(dut.clk)
        dut.abort_pass.value = 0
        await other
        await feeds[1]
        for task in taken:
            task.cancel()
        await until_idle(dut)

        # The aborted core has no weights: a pass alone does not start it.
        feed = cocotb.start_soon(device.feed(0))
        for _ in range(2 * (CORES + 1)):
            await RisingEdge(dut.clk)
            assert not int(dut.busy.value)
        again = cocotb.start_soon(device.exact(0))
        await device.load(0b01)
        await again
        await feed
    cover.require("late rows", [True, False])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_reset_at_any_moment_leaves_no_trace_and_counts_slots_anew(dut):
    case = bench_case()
    device, cover = Device(dut, Arch(**case["arch"])), Coverage()
    await device.first_reset()
    for moment in range(0, device.cycles, case["step"]):
        senders = [cocotb.start_soon(device.feed(core)) for core in range(CORES)]
        senders.append(cocotb.start_soon(device.load(0b11)))
        taken = [cocotb.start_soon(port.get(10**6)) for port in (*device.coded, *device.index)]
        for _ in range(moment + 1):
            await RisingEdge(dut.clk)
        cover.hit("slot", (now() - device.buffer.base) % (CORES + 1))
        for task in taken:
            task.cancel()
        await device.reset(senders)
        await until_idle(dut)
        await device.both_exact()
    cover.require("slot", range(CORES + 1))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def whether_a_load_is_taken_does_not_depend_on_whose_it_is(dut):
    device, cover = Device(dut, Arch(**bench_case()["arch"])), Coverage()
    await device.first_reset()
    # Loads for core 0 alone, more than it has room for.
    senders = [
        cocotb.start_soon(port.put(device.transfers(name, 0b01) * (WEIGHT_PASSES + 1)))
        for name, port in device.loads.items()
    ]
    for _ in range(WEIGHT_PASSES * 2 * sum(len(getattr(device.one, name)) for name in LOADS)):
        await Timer(2, "ns")
        for name in LOADS:
            user, ready = (getattr(dut, f"s_axis_{name}_{part}") for part in ("tuser", "tready"))
            kept = user.value
            seen = set()
            for mask in range(1 << CORES):
                user.value = mask
                await Timer(1, "ns")
                seen.add(int(ready.value))
            user.value = kept
            assert len(seen) == 1, f"tready of {name} depends on tuser"
            cover.hit(name, seen.pop())
        await RisingEdge(dut.clk)
    for sender in senders:
        sender.cancel()
    for name in LOADS:
        cover.require(name, [0, 1])
