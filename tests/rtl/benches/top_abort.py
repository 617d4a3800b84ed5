"""Bench of Top: one core is aborted beside one that works, and ``tready`` of a load does not depend on it."""

import cocotb
from bench_cases import small_case
from bench_pass import Pass
from cocotb.triggers import RisingEdge, Timer
from streams import AxiStream, Coverage, bench_case, now, random_stalls, start_clock, until_idle

from hwsim.arch import WEIGHT_PASSES, Arch

CORES = 2
STEP = 5  # between moments: tests/rtl/benches/moments.py looks at every cycle of a core
LOADS = ("weights", "scales")


class Device:
    """Two cores behind their ports."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.loads = {name: AxiStream(dut, f"s_axis_{name}", "data", "user", "last") for name in LOADS}
        self.passes = [AxiStream(dut, f"s_axis_passes_{core}", "data") for core in range(CORES)]
        self.words = [AxiStream(dut, f"s_axis_words_{core}", "data", "last") for core in range(CORES)]
        self.rows = [AxiStream(dut, f"s_axis_rows_{core}", "data") for core in range(CORES)]
        self.coded = [AxiStream(dut, f"m_axis_coded_{core}", "data", "last") for core in range(CORES)]
        self.index = [AxiStream(dut, f"m_axis_index_{core}", "data") for core in range(CORES)]
        self.begins = [0] * CORES

    async def reset(self) -> None:
        inward = [*self.loads.values(), *self.passes, *self.words, *self.rows]
        outward = [*self.coded, *self.index]
        names = [f"{port.name}_tvalid" for port in inward] + [f"{port.name}_tready" for port in outward]
        await start_clock(self.dut, "abort_pass", *names)
        await until_idle(self.dut)

    async def load(self, one: Pass, mask: int) -> None:
        for name, port in self.loads.items():
            entries = getattr(one, name)
            await port.put(
                {"data": entry["bits"], "user": mask, "last": int(i == len(entries) - 1)}
                for i, entry in enumerate(entries)
            )

    async def feed(self, one: Pass, core: int, stalls: float) -> None:
        """Configuration, words and rows of a pass."""
        await self.passes[core].put([{"data": one.config}])
        self.begins[core] = now()
        rows = [{"data": row["bits"]} for row in one.rows]
        tasks = [
            cocotb.start_soon(self.words[core].put(one.words, random_stalls(stalls))),
            cocotb.start_soon(self.rows[core].put(rows)),
        ]
        for task in tasks:
            await task

    async def exact(self, one: Pass, core: int) -> None:
        """A pass that has just been offered takes its cycles and makes its words."""
        coded = cocotb.start_soon(self.coded[core].get(len(one.coded)))
        index = cocotb.start_soon(self.index[core].get(len(one.index)))
        await Timer(2, "ns")
        while not int(self.dut.done.value) >> core & 1:
            await RisingEdge(self.dut.clk)
            await Timer(2, "ns")
        assert now() - self.begins[core] + 1 == one.cycles, f"core {core}"
        await RisingEdge(self.dut.clk)
        assert [payload for _, payload in await coded] == one.coded, f"core {core}"
        entries = [entry["words"] | entry["nonzeros"] << 16 for entry in one.index]
        assert [payload["data"] for _, payload in await index] == entries, f"core {core}"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_abort_of_one_core_is_not_noticed_by_the_other(dut):
    one = Pass(small_case(Arch(**bench_case()["arch"])))
    device, cover = Device(dut), Coverage()
    await device.reset()
    for moment in range(0, one.cycles, STEP):
        await device.load(one, 0b11)
        feeds = [cocotb.start_soon(device.feed(one, core, 0.3 * (core == 0))) for core in range(CORES)]
        other = cocotb.start_soon(device.exact(one, 1))
        taken = [cocotb.start_soon(port.get(10**6)) for port in (device.coded[0], device.index[0])]
        for _ in range(moment + 1):
            await RisingEdge(dut.clk)
        dut.abort_pass.value = 0b01
        cover.hit("late words", not feeds[0].done())
        await feeds[0]
        await RisingEdge(dut.clk)
        dut.abort_pass.value = 0
        await other
        await feeds[1]
        for task in taken:
            task.cancel()
        await until_idle(dut)

        # The aborted core has no weights: a pass alone does not start it.
        feed = cocotb.start_soon(device.feed(one, 0, 0.0))
        for _ in range(3):
            await RisingEdge(dut.clk)
            assert not int(dut.busy.value)
        again = cocotb.start_soon(device.exact(one, 0))
        await device.load(one, 0b01)
        await again
        await feed
    cover.require("late words", [True, False])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def whether_a_load_is_taken_does_not_depend_on_whose_it_is(dut):
    one = Pass(small_case(Arch(**bench_case()["arch"])))
    device, cover = Device(dut), Coverage()
    await device.reset()
    sender = cocotb.start_soon(fill(device, one))
    for _ in range(WEIGHT_PASSES * 2 * (len(one.weights) + len(one.scales))):
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
    sender.cancel()
    for name in LOADS:
        cover.require(name, [0, 1])


async def fill(device: Device, one: Pass) -> None:
    """Loads for core 0 alone, more than it has room for."""
    for name in LOADS:
        port, entries = device.loads[name], getattr(one, name)
        transfers = [
            {"data": entry["bits"], "user": 0b01, "last": int(i == len(entries) - 1)}
            for i, entry in enumerate(entries)
        ]
        cocotb.start_soon(port.put(transfers * (WEIGHT_PASSES + 1)))
