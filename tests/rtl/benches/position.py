"""Bench of PositionCounter and ValidColumns: where random symbols lie, and which kernel columns they meet."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import cocotb
from cocotb.triggers import RisingEdge
from reference_core import lands
from streams import Coverage, bench_case, pack, start_clock, unpack

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.descriptors import MAX_KERNEL, MAX_STRIDE, Code, PassGeometry
from hwsim_rtl.codec.symbol import Symbol
from hwsim_rtl.core.payloads import Item, PassConfig

LATENCY = 5


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
    return Placing(layer, block, channels, geometry.config(arch))


def check_item(placing: Placing, arch: Arch, got: dict, expected: dict, pixel: int = 0) -> None:
    """An item is where it must be; ``pixel``: accumulators before its segment."""
    for kx, output in expected.get("outputs", {}).items():
        offset = placing.config["kernel_columns"][kx]["offset"]
        assert (got["column"] - offset) % arch.accumulators == output, (placing.layer, kx)
        at = pixel + expected["channel"] * placing.layer.out_shape[2]
        assert got["pixel"] == at % arch.accumulators
    known = {name: value for name, value in expected.items() if name not in ("outputs", "channel")}
    assert {name: got[name] for name in known} == known, placing.layer


@cocotb.test()
async def items_carry_their_position_and_their_columns(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    coverage = Coverage()
    await start_clock(dut, "symbols__valid", "config")
    for _ in range(case["passes"]):
        placing = random_placing(arch)
        width = placing.layer.in_shape[2]
        dut.config.value = PassConfig(arch).const(placing.config).as_value().value
        await RisingEdge(dut.clk)
        coverage.hit("width", "one" if width == 1 else "power" if width & (width - 1) == 0 else "other")

        sent: list[tuple[dict, dict | None] | None] = []  # symbol and item by cycle
        for first in range(0, placing.channels, placing.block):
            for symbol, item in placing.items(arch, first):
                row_end = symbol["segment_end"] and first + placing.block >= placing.channels
                makes = item is not None and (symbol["present"] or row_end)
                coverage.hit("rows crossed", min(symbol["run"] // width, 3))
                if symbol["present"]:
                    coverage.hit("columns", len(item["outputs"]))
                sent.append(
                    (symbol | {"row_end": int(row_end)}, item | {"row_end": int(row_end)} if makes else None)
                )
                while random.random() < 0.2:
                    sent.append(None)
        sent += [None] * LATENCY
        for cycle, entry in enumerate(sent):
            dut.symbols__valid.value = int(entry is not None)
            if entry is not None:
                dut.symbols__payload.value = pack(Symbol(arch), entry[0])
            await RisingEdge(dut.clk)
            if cycle >= LATENCY:
                before = sent[cycle - LATENCY]
                expected = before and before[1]
                assert bool(dut.items__valid.value) == (expected is not None)
                if expected:
                    check_item(placing, arch, unpack(Item(arch), int(dut.items__payload.value)), expected)
    coverage.require("width", ["one", "power", "other"])
    coverage.require("rows crossed", [0, 1, 2, 3])
    coverage.require("columns", range(MAX_KERNEL + 1))
