"""Bench of Scatter: the taps of random chosen items, and the cycle of each."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from streams import Coverage, StreamPort, bench_case, now, random_stalls, start_clock, unpack

from hwsim.arch import Arch
from hwsim.machine.descriptors import MAX_KERNEL
from hwsim_rtl.core.payloads import ChosenItem, CoreConfig, Tap


def bits_of(mask: int) -> list[int]:
    return [i for i in range(MAX_KERNEL) if mask >> i & 1]


def random_columns() -> int:
    """Kernel columns that an item meets: none, one, some."""
    some = random.getrandbits(MAX_KERNEL) & random.getrandbits(MAX_KERNEL)
    return random.choice([0, 1 << random.randrange(MAX_KERNEL), some])


def random_rows() -> int:
    """Kernel rows that a row of the map meets."""
    return random.choice([0, 1 << random.randrange(MAX_KERNEL), random.getrandbits(MAX_KERNEL)])


def taps_of(item: dict, steps: int | None, begin: int) -> tuple[list[tuple[int, dict]], int]:
    """The taps of an item that is taken in cycle ``begin``, each with its cycle, and the item's cycles.

    Args:
        item: fields of ``ChosenItem``.
        steps: of a depthwise pass; None: of another one.
    """
    taps = [(r, c) for r in bits_of(item["taps"]) for c in bits_of(item["columns"])]
    if not taps:
        return [], 1
    carried = {name: item[name] for name in ("value", "column", "weight", "pixel", "columns", "sub_banks")}
    carried["rows"] = item["taps"]
    if steps is None:
        where = [{"kernel_row": r, "kernel_column": c} for r, c in taps]
    else:
        where = [{"step": step} for step in range(steps)]
    return [(begin + i, tap | carried) for i, tap in enumerate(where)], len(where)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def taps_come_in_order_and_back_to_back(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    coverage = Coverage()
    await start_clock(dut, "items__valid", "config")
    items = StreamPort(dut, "items", ChosenItem(arch))
    seen, done = [], []

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk)
            if dut.taps__valid.value:
                seen.append((now() - 2, unpack(Tap(arch), int(dut.taps__payload.value))))
            if int(dut.rows_done.value):
                done.append((now() - 1, int(dut.rows_done.value)))

    cocotb.start_soon(watch())
    for steps in (None, 1, 3):
        config = CoreConfig(arch).const({"depthwise": int(steps is not None), "channel_words": steps or 9})
        dut.config.value = config.as_value().value
        await RisingEdge(dut.clk)  # it is there before the first item of a pass
        seen.clear()
        done.clear()
        sent = []
        for _ in range(case["items"]):
            fields = {name: random.getrandbits(field.width) for name, field in ChosenItem(arch)}
            done_rows = random.choice([0, 0, 1, 2])
            sent.append(fields | {"columns": random_columns(), "taps": random_rows(), "done": done_rows})
        times = await items.put(sent, random_stalls(case["stalls"], 4))
        for _ in range(270):
            await RisingEdge(dut.clk)

        expected, ends, free = [], [], 0
        for fields, (valid_from, taken) in zip(sent, times, strict=True):
            begin = max(valid_from, free)
            assert taken == begin
            coverage.hit("back to back", begin == free)
            issued, cost = taps_of(fields, steps, begin)
            coverage.hit("cost", min(cost, 10))
            expected += issued
            free = begin + cost
            if fields["done"]:
                ends.append((free - 1, fields["done"]))
        assert len(seen) == len(expected)
        for (cycle, tap), (want_cycle, want) in zip(seen, expected, strict=True):
            assert cycle == want_cycle
            assert {name: tap[name] for name in want} == want
        assert done == ends
    coverage.require("cost", [1, 2, 3, 10])
    coverage.require("back to back", [True, False])
