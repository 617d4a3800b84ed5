"""Bench of Scatter: the taps of random items, and the cycle of each."""

import random

import cocotb
from cocotb.triggers import RisingEdge
from streams import Coverage, StreamPort, bench_case, now, random_stalls, start_clock, unpack

from hwsim.arch import Arch
from hwsim.machine.descriptors import MAX_KERNEL
from hwsim_rtl.core.payloads import SUB_BANK_BITS, Item, PassConfig, RowDescriptor, Tap


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
        item: fields of ``Item`` and of its row's ``RowDescriptor``.
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


@cocotb.test()
async def taps_come_in_order_and_back_to_back(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    layouts = Item(arch), RowDescriptor.as_shape(), Tap(arch)
    coverage = Coverage()
    await start_clock(dut, "items__valid", "rows__valid", "row_limit", "config")
    items, rows = StreamPort(dut, "items", layouts[0]), StreamPort(dut, "rows", layouts[1])
    seen, done = [], []

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk)
            if dut.taps__valid.value:
                seen.append((now() - 2, unpack(layouts[2], int(dut.taps__payload.value))))
            if int(dut.rows_done.value):
                done.append((now() - 1, int(dut.rows_done.value)))

    cocotb.start_soon(watch())
    for depthwise in (False, True):
        steps = random.randint(1, 4)
        config = PassConfig(arch).const({"depthwise": int(depthwise), "channel_words": steps})
        dut.config.value = config.as_value().value
        seen.clear()
        done.clear()
        row_fields, item_fields, row_of = [], [], []
        for number in range(case["rows"]):
            row_fields.append(
                {
                    "taps": random_rows(),
                    "sub_banks": random.getrandbits(SUB_BANK_BITS * MAX_KERNEL),
                    "newest": number,
                    "done": number % 4,
                }
            )
            count = random.randint(1, 6)
            for i in range(count):
                fields = {name: random.getrandbits(field.width) for name, field in layouts[0]}
                fields["columns"] = random_columns()
                fields["row_end"] = int(i == count - 1)
                item_fields.append(fields)
                row_of.append(number)
        dut.row_limit.value = 0
        item_task = cocotb.start_soon(items.put(item_fields, random_stalls(case["stalls"], 4)))
        row_task = cocotb.start_soon(rows.put(row_fields))
        opened = []  # cycle from which each row has a place
        for number in range(case["rows"]):
            for _ in range(random.choice([0, 0, 5, 40])):
                await RisingEdge(dut.clk)
            dut.row_limit.value = number + 1
            opened.append(now())
        times = await item_task
        await row_task
        for _ in range(60):
            await RisingEdge(dut.clk)

        expected, ends, free = [], [], 0
        for fields, number, (valid_from, _) in zip(item_fields, row_of, times, strict=True):
            row = row_fields[number]
            begin = max(valid_from, opened[number], free)
            issued, cost = taps_of(fields | row, steps if depthwise else None, begin)
            expected += issued
            coverage.hit("waits for a place", opened[number] > max(valid_from, free))
            coverage.hit("back to back", begin == free)
            coverage.hit("cost", min(cost, 10))
            free = begin + cost
            if fields["row_end"] and row["done"]:
                ends.append((free - 1, row["done"]))
        assert len(seen) == len(expected)
        for (cycle, tap), (want_cycle, want) in zip(seen, expected, strict=True):
            assert cycle == want_cycle
            assert {name: tap[name] for name in want} == want
        assert done == ends
    coverage.require("cost", [1, 2, 3, 10])
    coverage.require("waits for a place", [True, False])
    coverage.require("back to back", [True, False])
