"""Bench of Positions: where random symbols of both lanes lie, each lane in its own segment."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import cocotb
from cocotb.triggers import RisingEdge
from reference_rows import lands
from streams import Coverage, bench_case, pack, start_clock, unpack

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.descriptors import MAX_KERNEL, MAX_STRIDE, Code, PassGeometry
from hwsim_rtl.codec.symbol import Symbol
from hwsim_rtl.core.payloads import BoundSegment, CoreConfig, QueuedItem

LATENCY = 5
LANES = (0, 1)
AHEAD = 6  # segments that the decoder of a lane may take before the last symbol of the first one comes


@dataclass
class Placing:
    """What an item's place depends on: a random layer, its segments and the configuration of its pass."""

    layer: Layer
    block: int
    channels: int
    config: dict

    def items(self, arch: Arch, first: int) -> Iterator[tuple[dict, dict | None]]:
        """Random symbols of the segment that begins with channel ``first``, each with the item it makes.

        ``columns``, ``value`` and ``weight`` are as in the item; ``outputs`` says to which column of the
        output each kernel column leads, ``channel`` is that in the segment. All but the first one is there
        only with a value. None: no value.
        """
        width, kernel = self.layer.in_shape[2], self.layer.kernel[1]
        count = (min(first + self.block, self.channels) - first) * width
        at = 0
        while at < count:
            run = random.choice([0, 0, 1, random.randint(0, 48)])
            present = at + run < count and run <= arch.run_max
            run = min(run, count - at)
            at += run
            symbol = {
                "run": run,
                "present": int(present),
                "value": random.getrandbits(arch.activation_bits),
                "segment_end": int(at + present == count),
            }
            item: dict = {"columns": 0}
            if present:
                channel, x = divmod(at, width)
                outputs = {kx: lands(self.layer, 1, x, kx) for kx in range(kernel)}
                outputs = {kx: output for kx, output in outputs.items() if output is not None}
                item = {
                    "columns": sum(1 << kx for kx in outputs),
                    "value": symbol["value"],
                    "weight": (first + channel) * kernel,
                    "outputs": outputs,
                    "channel": channel,
                }
            yield symbol, item if present or symbol["segment_end"] else None
            at += present


def random_placing(arch: Arch) -> Placing:
    """Any layer that the core runs, of one row."""
    transposed, stride = random.random() < 0.3, random.choice([1, 2, random.randint(1, MAX_STRIDE)])
    kernel = random.choice([MAX_KERNEL, random.randint(1, 7)])
    dilation = 1 if transposed else random.choice([1, 1, random.randint(1, 8)])
    padding = random.randint(0, (kernel - 1) * dilation)
    width = random.choice([1, 2, 3, 7, 8, 14, 63, 64, 65, random.randint(1, 200)])
    block = random.choice([1, 2, arch.columns])
    channels = random.randint(1, 3 * block)
    if transposed:
        padding = min(padding, (width - 1) * stride + kernel - 1)
        most = (width - 1) * stride + kernel - padding
    else:
        most = (width - 1 + padding) // stride + 1
    out_width = random.randint(1, min(most, 64))
    layer = Layer(
        "l", "conv", "x", (channels, 1, width), (1, 1, out_width), (1, kernel), (1, stride), (0, padding),
        dilation=(1, dilation), transposed=transposed,
    )  # fmt: skip
    geometry = PassGeometry(layer, channels, (0,), 1, block, block, Code(8, 0), Code(8, 0), 1, False)
    return Placing(layer, block, channels, geometry.core_config(arch))


def check_item(placing: Placing, arch: Arch, got: dict, expected: dict, pixel: int) -> None:
    """An item is where it must be; ``pixel``: accumulators before its segment."""
    for kx, output in expected.get("outputs", {}).items():
        offset = placing.config["kernel_columns"][kx]["offset"]
        assert (got["column"] - offset) % arch.accumulators == output, (placing.layer, kx)
        at = pixel + expected["channel"] * placing.layer.out_shape[2]
        assert got["pixel"] == at % arch.accumulators
    known = {name: value for name, value in expected.items() if name not in ("outputs", "channel")}
    assert {name: got[name] for name in known} == known, placing.layer


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
        dut.config.value = CoreConfig(arch).const(placing.config).as_value().value
        await RisingEdge(dut.clk)
        width = placing.layer.in_shape[2]
        coverage.hit("width", "one" if width == 1 else "power" if width & (width - 1) == 0 else "other")
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
                coverage.hit("rows crossed", min(symbol["run"] // width, 3))
                dut.symbols__payload.value = pack(Symbol(arch), symbol | {"lane": lane})
            dut.symbols__valid.value = int(entry is not None)
            dut.makes.value = (1 << lane) if entry and entry[3] is not None else 0
            sent.append(entry)
            await RisingEdge(dut.clk)
            if len(sent) > LATENCY:
                check_early(dut, arch, sent[-1 - LATENCY])
            if len(sent) > LATENCY + 1:
                check_late(dut, arch, placing, sent[-2 - LATENCY], coverage)
            cycle += 1
    coverage.require("width", ["one", "power", "other"])
    coverage.require("rows crossed", [0, 1, 2, 3])
    coverage.require("item of lane", LANES)
    coverage.require("columns", range(MAX_KERNEL + 1))
    coverage.require("segments ahead", range(1, AHEAD))


def segment_of(placing, arch: Arch) -> tuple[dict, list]:
    """A segment as the reader gives it, and its symbols and items."""
    first = random.randrange(0, placing.channels, placing.block)
    segment = {
        "values": 0,
        "raw": 0,
        "weight": first * placing.layer.kernel[1],
        "pixel": random.randrange(arch.accumulators),
        "row": random.randrange(32),
    }
    return segment, list(placing.items(arch, first))


def item_of(dut, arch: Arch, lane: int) -> dict:
    """What is on the port of a lane."""
    return unpack(QueuedItem(arch), int(getattr(dut, f"items__{lane}__payload").value))


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
