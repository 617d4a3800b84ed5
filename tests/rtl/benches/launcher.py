"""Bench of Launcher: passes of a core of any length, loads that run ahead of them as far as they may.

The core has a turn in every ``period`` cycles.
"""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, start_clock

from hwsim.arch import WEIGHT_PASSES


@cocotb.test()
async def a_pass_starts_as_soon_as_its_loads_are_in_and_the_core_is_free(dut):
    case = bench_case()
    period, could_start = case["period"], False  # whether it could have started in the cycle before
    coverage = Coverage()
    inputs = ("passes__valid", "busy", "done", "turn", "weights_last", "scales_last", "clear")
    await start_clock(dut, *inputs)
    started = 0
    loaded = {"weights": 0, "scales": 0}  # passes, with what was loaded in the cycles before
    loaded_at = {"weights": [], "scales": []}  # cycle of the last load of each pass
    left = 0  # cycles of the pass at work, with this one
    offered = False
    config = 0
    done_before = False
    for cycle in range(case["cycles"]):
        slow = cycle // 300 % 3  # the core, the loads, or neither
        busy, done = left > 0, left == 1
        if not offered and random.random() < 0.7:
            offered, config = True, random.getrandbits(len(dut.started))
        room = {name: loaded[name] - started + busy < WEIGHT_PASSES for name in loaded}
        loads = {name: room[name] and random.random() < (0.1 if slow == 1 else 0.8) for name in loaded}
        clear = random.random() < 0.01
        dut.clear.value = int(clear)
        dut.passes__valid.value = int(offered)
        dut.passes__payload.value = config
        dut.busy.value, dut.done.value = int(busy), int(done)
        dut.weights_last.value, dut.scales_last.value = int(loads["weights"]), int(loads["scales"])
        turn = cycle % period == 0
        dut.turn.value = int(turn)
        await Timer(2, "ns")
        able = offered and min(loaded.values()) > started and (not busy or done) and not clear
        starts = could_start and turn and not clear
        could_start = able and not starts
        assert bool(dut.start.value) == starts, f"cycle {cycle}"
        assert bool(dut.passes__ready.value) == (starts or clear)
        assert bool(dut.weights_open.value) == room["weights"]
        assert bool(dut.scales_open.value) == room["scales"]
        coverage.hit("open", (room["weights"], room["scales"]))
        if starts:
            assert int(dut.started.value) == config
            last_load = max(times[started] for times in loaded_at.values())
            coverage.hit("at the earliest after the last load", last_load == cycle - 2)
            coverage.hit("in the cycle after the one before is done", done_before)
            offered = False
            started += 1
        left = random.choice([1, 2, 3, 40 if slow == 0 else 5]) if starts else max(0, left - 1)
        for name, load in loads.items():
            loaded[name] += load
            loaded_at[name] += [cycle] * load
        if clear:
            coverage.hit("cleared in the place of a start", offered and min(loaded.values()) > started)
            offered = False
            for name in loaded:
                loaded[name] = started
                del loaded_at[name][started:]
        done_before = done
        await RisingEdge(dut.clk)
    coverage.require("at the earliest after the last load", [True, False], 20)
    coverage.require("in the cycle after the one before is done", [True, False], 20)
    coverage.require("cleared in the place of a start", [True, False], 5)
    coverage.require("open", [(w, s) for w in (True, False) for s in (True, False)], 20)
