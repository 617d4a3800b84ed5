"""Bench of Top: two cores that share loads or have their own, each with passes one after the other."""

import random
from dataclasses import replace
from itertools import chain, cycle, islice

import cocotb
import numpy as np
from bench_cases import all_cases, cover, require_all
from bench_pass import PROFILES, Pass, Starts, Waits, feed, stalls_of
from cocotb.triggers import RisingEdge, Timer
from streams import AxiStream, Coverage, bench_case, now, start_clock

from hwsim.arch import WEIGHT_PASSES, Arch


class CoreBench:
    """What a core of the array does: its passes, its streams, when each pass began and ended."""

    def __init__(self, dut, number: int, stalls: bool) -> None:
        self.dut, self.number = dut, number
        self.passes: list[Pass] = []
        self.begins: list[int] = []
        self.ends: list[int] = []
        self.commands = AxiStream(dut, f"s_axis_passes_{number}", "data")
        self.words = AxiStream(dut, f"s_axis_words_{number}", "data", "last")
        self.rows = AxiStream(dut, f"s_axis_rows_{number}", "data")
        self.coded = AxiStream(dut, f"m_axis_coded_{number}", "data", "last")
        self.index = AxiStream(dut, f"m_axis_index_{number}", "data")
        self.waits = Waits(self.rows, self.coded, self.index)
        self._profiles = PROFILES[number:] + PROFILES[:number] if stalls else [set()]
        self._stalled: set[str] = set()
        self._stalls = {name: stalls_of(name, self._stalled) for name in ("rows", "coded", "index")}

    async def feed(self) -> None:
        """Every pass: its configuration; its words and rows, before it or with it."""
        profiles = list(islice(cycle(self._profiles), len(self.passes)))
        times = [one.arrival("words" in late) for one, late in zip(self.passes, profiles, strict=True)]
        starts = Starts(len(self.passes))
        words, rows = [], []
        for number, (one, (arrival, _)) in enumerate(zip(self.passes, times, strict=True)):
            early = one.comes_early(number, profiles[number])
            words.append((one.words, None if early else arrival))
            rows.append((_data(one.rows), None if early else [0] * len(one.rows)))
        cocotb.start_soon(feed(self.words, words, starts))
        cocotb.start_soon(feed(self.rows, rows, starts, self._stalls["rows"]))
        for one, stalled, (_, cycles) in zip(self.passes, profiles, times, strict=True):
            await self.commands.put([{"data": one.config}])
            self.begins.append(now())
            self._stalled.clear()
            self._stalled.update(stalled)
            self.waits.begin(cycles)
            starts.tell(now())

    def take(self) -> list:
        """Tasks that take the output."""
        words = sum(len(one.coded) for one in self.passes)
        entries = sum(len(one.index) for one in self.passes)
        return [
            cocotb.start_soon(self.coded.get(words, self._stalls["coded"])),
            cocotb.start_soon(self.index.get(entries, self._stalls["index"])),
        ]

    def watch(self) -> None:
        """Look at ``done`` in a cycle."""
        done = bool(int(self.dut.done.value) >> self.number & 1)
        if len(self.begins) > len(self.ends):
            assert not int(self.dut.error.value) >> self.number & 1
            self.waits.check(now() - self.begins[-1], done)
            if done:
                self.ends.append(now())
                past = self.passes[: len(self.ends)]
                assert self.coded.got == sum(len(one.coded) for one in past)
                assert self.index.got == sum(len(one.index) for one in past)
        else:
            assert not done

    def check_output(self, coded, index) -> None:
        """What was taken is what the reference makes."""
        assert coded.done(), "words are missing"
        assert index.done(), "index entries are missing"
        assert [payload for _, payload in coded.result()] == list(
            chain.from_iterable(one.coded for one in self.passes)
        )
        assert [payload["data"] for _, payload in index.result()] == [
            entry["words"] | entry["nonzeros"] << 16 for one in self.passes for entry in one.index
        ]

    def held_loads(self, passes: int) -> int:
        """Loads of weights of its first ``passes`` passes that are not done."""
        return sum(len(one.weights) for one in self.passes[len(self.ends) : passes])


def _data(payloads: list[dict]) -> list[dict]:
    return [{"data": payload["bits"]} for payload in payloads]


async def load(port: AxiStream, name: str, loads: list, cores: list[CoreBench], room: int, stalls) -> None:
    """Weights or scales of all passes: each as soon as all its cores have room."""
    sent = [0] * len(cores)
    for one, users in loads:
        for core in users:
            sent[core] += 1
        while name == "weights" and any(cores[core].held_loads(sent[core]) > room for core in users):
            await RisingEdge(port.clk)
        transfers = _data(getattr(one, name))
        mask = sum(1 << core for core in users)
        last = [0] * (len(transfers) - 1) + [1]
        await port.put(
            [{**transfer, "user": mask, "last": end} for transfer, end in zip(transfers, last, strict=True)],
            stalls,
        )
        # The last load of a pass more may wait in the register before the cores.
        assert all(sent[core] - len(cores[core].ends) <= WEIGHT_PASSES + 1 for core in users)


@cocotb.test(timeout_time=0.3, timeout_unit="ms")  # 30,000 cycles
async def both_cores_are_exact_with_loads_that_they_share_and_loads_of_their_own(dut):
    parameters = bench_case()
    arch, stalls = Arch(**parameters["arch"]), parameters["stalls"]
    inputs = ("passes", "words", "rows")
    await start_clock(
        dut,
        *("abort_pass", "s_axis_weights_tvalid", "s_axis_scales_tvalid"),
        *(f"s_axis_{name}_{core}_tvalid" for name in inputs for core in range(arch.cores)),
        *(f"m_axis_{name}_{core}_tready" for name in ("coded", "index") for core in range(arch.cores)),
    )
    cores = [CoreBench(dut, number, stalls) for number in range(arch.cores)]
    coverage = Coverage()
    loads = []
    for number, case in enumerate(all_cases(arch, random.getrandbits(32))):
        # The cores share the rows of a pass, or one of them has it alone.
        shared = len(case.owned) >= arch.cores
        users = range(arch.cores) if shared else [number % arch.cores]
        owned = np.array_split(case.owned, len(users))
        for core, rows in zip(users, owned, strict=True):
            part = replace(case, owned=tuple(rows.tolist()))
            cores[core].passes.append(Pass(part))
            cover(coverage, part)
        loads.append((cores[users[0]].passes[-1], users))
        coverage.hit("load", "shared" if shared else users[0])
    outputs = [core.take() for core in cores]
    for core in cores:
        cocotb.start_soon(core.feed())
    ports = {name: AxiStream(dut, f"s_axis_{name}", "data", "user", "last") for name in ("weights", "scales")}
    for name, port in ports.items():
        late = stalls_of(name, {name} if stalls else set())
        cocotb.start_soon(load(port, name, loads, cores, arch.weight_words // 2, late))
    while any(len(core.ends) < len(core.passes) for core in cores):
        await Timer(2, "ns")
        for core in cores:
            core.watch()
        await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)

    for core, output in zip(cores, outputs, strict=True):
        core.check_output(*output)
        begins = zip(core.ends, core.begins[1:], strict=False)
        coverage.hit(
            "pass begins in the cycle after the one before", any(begin - end == 1 for end, begin in begins)
        )
    require_all(coverage, arch)
    coverage.require("load", ["shared", *range(arch.cores)])
    if stalls:
        assert all(port.late for port in ports.values())
        for core in cores:
            assert all(port.late for port in (core.words, core.rows))
            assert all(port.held for port in (core.words, core.rows, core.coded))
        assert any(core.index.held for core in cores)  # few entries come while a profile holds them
    else:
        coverage.require("pass begins in the cycle after the one before", least=arch.cores)
        assert all(port.held for port in ports.values()), "no load waited for a place among the passes"
