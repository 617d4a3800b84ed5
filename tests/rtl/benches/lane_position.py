"""Bench of LanePositions: where random symbols of two lanes lie, each lane in its own segment."""

import random

import cocotb
from benches.position import LATENCY, check_item, random_placing
from cocotb.triggers import RisingEdge
from streams import Coverage, bench_case, pack, start_clock, unpack

from hwsim.arch import Arch
from hwsim.machine.descriptors import MAX_KERNEL
from hwsim_rtl.codec.symbol import LaneSymbol
from hwsim_rtl.core.lane_payloads import BoundSegment, LaneItem
from hwsim_rtl.core.payloads import PassConfig

LANES = (0, 1)
AHEAD = 6  # segments that the decoder of a lane may take before the last symbol of the first one comes


@cocotb.test()
async def items_of_both_lanes_carry_their_position_and_their_segment(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    coverage = Coverage()
    names = ["symbols", *(f"segments__{lane}" for lane in LANES)]
    ports = [f"{name}__{part}" for name in names for part in ("valid", "payload")]
    await start_clock(dut, "makes", "config", *ports)
    for _ in range(case["passes"]):
        placing = random_placing(arch)
        dut.config.value = PassConfig(arch).const(placing.config).as_value().value
        await RisingEdge(dut.clk)
        # Of each lane: segments to come, those that were taken, symbols of the one that is decoded.
        todo = [[segment_of(placing, arch) for _ in range(random.randint(0, 9))] for _ in LANES]
        taken: list[list[tuple]] = [[], []]
        symbols: list[list[tuple]] = [[], []]
        sent: list[tuple | None] = []
        cycle = random.randrange(2)  # the parity with which the first symbol comes
        while any(todo) or any(taken) or any(symbols) or any(sent[-LATENCY - 1 :]):
            lane = cycle % 2
            for other in LANES:
                getattr(dut, f"segments__{other}__valid").value = 0
            if todo[lane] and len(taken[lane]) + bool(symbols[lane]) < AHEAD and random.random() < 0.5:
                segment, listed = todo[lane].pop(0)
                getattr(dut, f"segments__{lane}__valid").value = 1
                getattr(dut, f"segments__{lane}__payload").value = pack(BoundSegment(arch), segment)
                taken[lane].append((segment, listed, cycle))
                coverage.hit("segments ahead", len(taken[lane]))
            if not symbols[lane] and taken[lane] and taken[lane][0][2] < cycle:
                segment, listed, _ = taken[lane].pop(0)
                symbols[lane] = [(segment, *each) for each in listed]
            entry = None
            if symbols[lane] and random.random() < 0.8:
                segment, symbol, item = symbols[lane].pop(0)
                entry = lane, segment, symbol, item
                dut.symbols__payload.value = pack(LaneSymbol(arch), symbol | {"lane": lane})
            dut.symbols__valid.value = int(entry is not None)
            dut.makes.value = (1 << lane) if entry and entry[3] is not None else 0
            sent.append(entry)
            await RisingEdge(dut.clk)
            if len(sent) > LATENCY:
                check_early(dut, arch, sent[-1 - LATENCY])
            if len(sent) > LATENCY + 1:
                check_late(dut, arch, placing, sent[-2 - LATENCY], coverage)
            cycle += 1
    coverage.require("item of lane", LANES)
    coverage.require("columns", range(MAX_KERNEL + 1))
    coverage.require("segments ahead", range(1, AHEAD))


def segment_of(placing, arch: Arch) -> tuple[dict, list]:
    """A segment as the reader gives it, and its symbols and items."""
    first = random.randrange(0, placing.channels, placing.block)
    segment = {
        "values": 0,
        "weight": first * placing.layer.kernel[1],
        "pixel": random.randrange(arch.accumulators),
        "row": random.randrange(32),
    }
    return segment, list(placing.items(arch, first))


def item_of(dut, arch: Arch, lane: int) -> dict:
    """What is on the port of a lane."""
    return unpack(LaneItem(arch), int(getattr(dut, f"items__{lane}__payload").value))


def check_early(dut, arch: Arch, before: tuple | None) -> None:
    """What comes with the item of what was sent so many cycles ago."""
    for lane in LANES:
        valid = bool(getattr(dut, f"items__{lane}__valid").value)
        assert valid == (before is not None and before[0] == lane and before[3] is not None)
    if before is not None and before[3] is not None:
        lane, segment, symbol, _ = before
        got = item_of(dut, arch, lane)
        assert (got["mark"], got["row"]) == (symbol["segment_end"], segment["row"])


def check_late(dut, arch: Arch, placing, before: tuple | None, coverage: Coverage) -> None:
    """What comes a cycle after it."""
    if before is None or before[3] is None:
        return
    lane, segment, symbol, item = before
    check_item(placing, arch, item_of(dut, arch, lane), item, segment["pixel"])
    coverage.hit("item of lane", lane)
    if symbol["present"]:
        coverage.hit("columns", len(item["outputs"]))
