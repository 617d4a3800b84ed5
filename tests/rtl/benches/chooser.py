"""Bench of ItemChooser: which item is chosen in every cycle, by docs/architecture.md, and what it brings."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, pack, start_clock, unpack

from hwsim.arch import Arch
from hwsim_rtl.core.payloads import ChosenItem, QueuedItem, RowDescriptor

LANES = (0, 1)


@cocotb.test()
async def every_choice_is_that_of_the_page(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    coverage = Coverage()
    heads = [f"heads__{lane}__valid" for lane in LANES]
    await start_clock(dut, "start", "rows__valid", "chosen__ready", "row_limit", *heads)
    for _ in range(case["passes"]):
        await one_pass(dut, arch, coverage)
    coverage.require("rows complete with an item", [0, 1, 2])
    coverage.require("both can", ["of one row", "the older in 0", "the older in 1"])
    coverage.require("waits", ["for a place in the ring", "for its row to open", "for the one before"])
    coverage.require("row of a head, from the older open one", range(6))


async def one_pass(dut, arch: Arch, coverage: Coverage) -> None:
    rows, segments = random.choice([1, 2, 40, 70]), random.choice([1, 2, 5])
    descriptors = [
        {
            "taps": random.getrandbits(16),
            "sub_banks": random.getrandbits(48),
            "newest": random.randint(0, 2 * row),
            "done": random.choice([0, 0, 1, 2]),
        }
        for row in range(rows)
    ]
    # Segments go to the lanes in their order, at random; each makes some items.
    items: list[list[dict]] = [[], []]
    for row in range(rows):
        for _ in range(segments):
            lane = random.randrange(2)
            for left in reversed(range(random.choice([1, 1, 1, 3]))):
                fields = {name: random.getrandbits(field.width) for name, field in QueuedItem(arch)}
                items[lane].append(fields | {"mark": int(left == 0), "row": row})
    rates = [random.choice([0.3, 1.0]) for _ in LANES]
    ready_rate = random.choice([0.3, 1.0])
    dut.pass_rows.value, dut.segments.value = rows, segments
    dut.start.value = 1
    dut.row_limit.value = 0
    await RisingEdge(dut.clk)
    dut.start.value = 0
    offered = [*descriptors, {"taps": 1, "sub_banks": 0, "newest": 0, "done": 1}]  # one of the next pass
    limits = [0, 0]
    there = [False, False]  # heads; one that is there stays
    marks = [0] * rows  # that were chosen
    counted = [0] * rows  # that count in this cycle
    waiting: dict | None = None  # the item that was chosen
    open_row = finished = cycle = 0
    last: int | None = None
    while any(items) or waiting:
        limit = limits[-1] + random.choice([0, 0, 1, 3]) * (random.random() < 0.5)
        limits.append(limit)
        for lane in LANES:
            if items[lane] and cycle > 4 and items[lane][0]["row"] < open_row + 28:
                there[lane] |= random.random() < rates[lane]
            getattr(dut, f"heads__{lane}__valid").value = int(there[lane])
            if there[lane]:
                head = items[lane][0] | {"row": items[lane][0]["row"] % 32}
                getattr(dut, f"heads__{lane}__payload").value = pack(QueuedItem(arch), head)
        dut.row_limit.value = limit
        dut.rows__valid.value = 1
        dut.rows__payload.value = pack(RowDescriptor.as_shape(), offered[0])
        ready = random.random() < ready_rate
        dut.chosen__ready.value = int(ready)
        await Timer(2, "ns")

        assert bool(dut.chosen__valid.value) == (waiting is not None), f"cycle {cycle}"
        if waiting:
            assert unpack(ChosenItem(arch), int(dut.chosen__payload.value)) == waiting, f"cycle {cycle}"
        able = []
        for lane in LANES:
            if not there[lane]:
                continue
            row = items[lane][0]["row"]
            coverage.hit("row of a head, from the older open one", row - open_row)
            if row > open_row + 1:
                coverage.hit("waits", "for its row to open")
            elif descriptors[row]["newest"] >= limits[-2]:
                coverage.hit("waits", "for a place in the ring")
            else:
                able.append((row, lane == last, lane))
        if len(able) == 2:
            equal = able[0][0] == able[1][0]
            coverage.hit("both can", "of one row" if equal else f"the older in {min(able)[2]}")
        goes = None
        if waiting is None or ready:
            goes = min(able)[2] if able else None
        elif able:
            coverage.hit("waits", "for the one before")
        taken = [there[lane] and bool(getattr(dut, f"heads__{lane}__ready").value) for lane in LANES]
        assert taken == [goes == 0, goes == 1], f"cycle {cycle}"
        more = bool(dut.rows__ready.value)
        await RisingEdge(dut.clk)

        if ready:
            waiting = None
        next_open = open_row
        if open_row < rows and all(counted[row] == segments for row in range(open_row + 1)):
            next_open = open_row + 1
        if goes is not None:
            last = goes
            there[goes] = False
            item = items[goes].pop(0)
            marks[item["row"]] += item["mark"]
            done = 0
            before = finished
            while finished < rows and marks[finished] == segments:
                done += descriptors[finished]["done"]
                finished += 1
            coverage.hit("rows complete with an item", finished - before)
            row = descriptors[item["row"]]
            waiting = {name: item[name] for name in ("value", "columns", "column", "weight", "pixel")}
            waiting |= {"taps": row["taps"], "sub_banks": row["sub_banks"], "done": done}
        counted, open_row = list(marks), next_open
        if more:
            offered.pop(0)
            assert offered, "a descriptor too many"
        cycle += 1
        assert cycle < 20_000, "the pass does not end"
    assert len(offered) == 1
    dut.rows__valid.value = 0
    for lane in LANES:
        getattr(dut, f"heads__{lane}__valid").value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)
