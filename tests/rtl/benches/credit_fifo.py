"""Bench of CreditFifo: a writer behind a pipeline of random length, which spends what credit it gets.

With ``early``, the bits of an entry that come with it; the others come a cycle later.
"""

import random
from collections import deque

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, start_clock


@cocotb.test()
async def entries_come_in_order_and_credits_are_exact(dut):
    case = bench_case()
    depth, early = case["depth"], case["early"]
    late = 0  # bits of what entered in the cycle before
    coverage = Coverage()
    await start_clock(dut, "spend", "entries__valid", "head__ready")
    under_way: deque[tuple[int, int]] = deque()  # (cycle in which it enters, entry)
    fifo: deque[int] = deque()
    spent_last = False
    taken = 0  # entries that are under way or in the FIFO, as of this cycle
    latency = 0
    for cycle in range(case["cycles"]):
        if not under_way and random.random() < 0.02:
            latency = random.randint(1, 9)
        enters = bool(under_way) and under_way[0][0] == cycle
        ready = random.random() < (0.9 if cycle // 200 % 2 else 0.3)
        dut.spend.value = int(spent_last)
        dut.entries__valid.value = int(enters)
        entry = under_way[0][1] if enters else random.getrandbits(8)
        dut.entries__payload.value = entry & early | late & ~early
        late = entry
        dut.head__ready.value = int(ready)
        await Timer(2, "ns")
        credit = bool(dut.credit.value)
        assert credit == (taken < depth), f"cycle {cycle}"
        assert bool(dut.head__valid.value) == bool(fifo)
        if fifo:
            assert int(dut.head__payload.value) == fifo[0]
        coverage.hit("credit", credit)
        coverage.hit("level", len(fifo))
        spends = credit and random.random() < 0.95
        if ready and fifo:
            fifo.popleft()
            taken -= 1
        if enters:
            fifo.append(under_way.popleft()[1])
        if spends:
            under_way.append((cycle + 1 + latency, random.getrandbits(8)))
            taken += 1
        spent_last = spends
        await RisingEdge(dut.clk)
    coverage.require("credit", [True, False], 50)
    coverage.require("level", range(depth + 1))
