"""Bench of Top: two cores with the same weights, each with rows of its own; passes follow without a gap."""

from dataclasses import replace

import cocotb
from benches.core import Pass
from cocotb.triggers import RisingEdge, Timer
from core_cases import handful
from streams import bench_case, now, start_clock

from hwsim.arch import Arch


class AxiStream:
    """An AXI4-Stream port by its name."""

    def __init__(self, dut, name: str) -> None:
        self.dut = dut
        self.name = name

    def port(self, suffix: str):
        return getattr(self.dut, f"{self.name}_t{suffix}")

    async def put(self, transfers: list[dict[str, int]]) -> None:
        for transfer in transfers:
            for suffix, value in transfer.items():
                self.port(suffix).value = value
            self.port("valid").value = 1
            await RisingEdge(self.dut.clk)
            while not self.port("ready").value:
                await RisingEdge(self.dut.clk)
        self.port("valid").value = 0

    async def get(self, count: int, *suffixes: str) -> list[tuple[int, ...]]:
        self.port("ready").value = 1
        taken = []
        while len(taken) < count:
            await RisingEdge(self.dut.clk)
            if self.port("valid").value:
                taken.append(tuple(int(self.port(suffix).value) for suffix in suffixes))
        return taken


async def feed_core(dut, core: int, passes: list[Pass], times: list[int]) -> None:
    """Words and rows of each pass from its start on."""
    commands = AxiStream(dut, f"s_axis_passes_{core}")
    words, rows = AxiStream(dut, f"s_axis_words_{core}"), AxiStream(dut, f"s_axis_rows_{core}")
    for one in passes:
        await commands.put([{"data": one.config}])
        times.append(now())  # cycle 0 of the pass
        tasks = [
            cocotb.start_soon(
                words.put([{"data": word["data"], "last": word["last"]} for word in one.words])
            ),
            cocotb.start_soon(rows.put([{"data": row["bits"]} for row in one.rows])),
        ]
        for task in tasks:
            await task


async def watch_done(dut, ends: list[list[int]]) -> None:
    while True:
        await Timer(2, "ns")
        for core, found in enumerate(ends):
            if int(dut.done.value) >> core & 1:
                found.append(now())
        await RisingEdge(dut.clk)


@cocotb.test(timeout_time=1, timeout_unit="ms")  # 100,000 cycles
async def both_cores_are_exact_and_share_their_loads(dut):
    arch = Arch(**bench_case()["arch"])
    cores = range(arch.cores)
    cases = [case for case in handful(arch) if len(case.owned) >= arch.cores]
    work = [
        [Pass(replace(case, owned=case.owned[core :: arch.cores]), arch) for case in cases] for core in cores
    ]
    names = [f"s_axis_{name}_{core}_tvalid" for name in ("passes", "words", "rows") for core in cores]
    await start_clock(dut, "s_axis_weights_tvalid", "s_axis_scales_tvalid", *names)
    begins, ends = [[] for _ in cores], [[] for _ in cores]
    outputs = []
    for core in cores:
        cocotb.start_soon(feed_core(dut, core, work[core], begins[core]))
        coded, index = AxiStream(dut, f"m_axis_coded_{core}"), AxiStream(dut, f"m_axis_index_{core}")
        expected = [one.expected for one in work[core]]
        outputs.append(
            (
                cocotb.start_soon(coded.get(sum(len(e.words) for e in expected), "data", "last")),
                cocotb.start_soon(index.get(sum(len(e.index) for e in expected), "data")),
            )
        )
    cocotb.start_soon(watch_done(dut, ends))
    weights, scales = AxiStream(dut, "s_axis_weights"), AxiStream(dut, "s_axis_scales")
    loads = []
    for port, name in ((weights, "weights"), (scales, "scales")):
        transfers = []
        for one in work[0]:
            entries = getattr(one, name)
            transfers += [
                {"data": entry["bits"], "user": (1 << arch.cores) - 1, "last": int(entry is entries[-1])}
                for entry in entries
            ]
        loads.append(cocotb.start_soon(port.put(transfers)))
    for task in loads:
        await task

    for core in cores:
        expected = [one.expected for one in work[core]]
        coded, index = [await task for task in outputs[core]]
        while len(ends[core]) < len(expected):
            await RisingEdge(dut.clk)
        cycles = [end + 1 - begin for begin, end in zip(begins[core], ends[core], strict=True)]
        assert cycles == [one.timing.cycles for one in expected]
        assert coded == [
            (int(word), int(last)) for one in expected for word, last in zip(one.words, one.last, strict=True)
        ]
        assert index == [
            (int(entry["words"]) | int(entry["nonzeros"]) << 16,) for one in expected for entry in one.index
        ]
        gaps = [begin - end for begin, end in zip(begins[core][1:], ends[core], strict=False)]
        assert min(gaps) == 1, "no pass followed in the cycle after the one before"
