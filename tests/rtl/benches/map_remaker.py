"""Bench of MapRemaker: pools and flattening of random maps, word for word those of the integer reference, and
in the cycles of the model."""

import random

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer
from core_cases import entry_fields
from streams import Coverage, StreamPort, bench_case, pack, random_stalls, start_clock

from hwsim.arch import Arch
from hwsim.codec.mapping import to_unsigned
from hwsim.codec.segments import lengths_of, store_segments
from hwsim.layer import Layer
from hwsim.machine.chain import Link
from hwsim.machine.descriptors import POOL_FIELDS
from hwsim.machine.programs import LAYER_FIELDS
from hwsim.machine.remade import remake
from hwsim.quantize import integers
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.system.payloads import LayerDescriptor, MapPlaces, OutRow, PoolWindow

LATENCY = (
    12  # to the end of all work, beside the cycles of windows and those in which values wait behind them
)
ROUNDING = 7  # more, of means


def case_of(rng: random.Random, bits: int) -> dict:
    """A raw map, how it is remade, and what comes of it."""
    shape = rng.randint(1, 9), rng.randint(1, 8), rng.choice([rng.randint(1, 9), rng.randint(20, 40)])
    pooled, signed, block = rng.random() < 0.8, rng.random() < 0.3, rng.choice([1, 2, 4])
    flatten = not pooled or rng.random() < 0.4
    values = np.array([rng.choice([0, rng.getrandbits(bits)]) for _ in range(np.prod(shape))], np.uint16)
    values = values.reshape(shape)
    window = dict.fromkeys(POOL_FIELDS, 0)
    made, out_bits, out_signed = values, bits, signed
    if pooled:
        window |= {name: rng.choice([1, 2, 3, rng.randint(1, 24)]) for name in list(window)[:4]}
        window |= {
            "top": rng.randrange(min(window["rows"], 3)),
            "left": rng.randrange(min(window["columns"], 3)),
        }
        window["rows"] = min(window["rows"], shape[1] + 2 * window["top"])
        window["columns"] = min(window["columns"], shape[2] + 2 * window["left"])
        if rng.random() < 0.2:  # global
            window |= {"rows": shape[1], "columns": shape[2], "top": 0, "left": 0}
        views = windows(integers(values, signed), window)
        if rng.random() < 0.5:
            out_bits, out_signed = rng.randint(2, bits), rng.random() < 0.3
            window |= {
                "average": 1,
                "relu": rng.randrange(2) if out_signed else 0,
                "shift": rng.randint(1, 20),
            }
            # Up to three times the reciprocal of the places, so that means have the size of values.
            window["multiplier"] = rng.randint(
                0, min(65535, max(1, (3 << window["shift"]) // views[0, 0, 0].size))
            )
            made = means(views, window, out_bits, out_signed)
        else:
            made = views.max(axis=(3, 4))
        made = to_unsigned(made) if out_signed else made.astype(np.uint16)
    if flatten:
        made = made.reshape(-1, 1, 1)
    return {
        "values": values,
        "window": window,
        "signed": signed,
        "block": block,
        "flatten": flatten,
        "made": made,
        "code": (out_bits, out_signed),
    }


PADDING = -(1 << 20)  # lower than any integer


def windows(values: np.ndarray, window: dict) -> np.ndarray:
    """The integers that every window sees, on two more axes, and PADDING."""
    top, left = window["top"], window["left"]
    low = np.pad(values, ((0, 0), (top, top), (left, left)), constant_values=PADDING)
    views = np.lib.stride_tricks.sliding_window_view(low, (window["rows"], window["columns"]), (1, 2))
    return views[:, :: window["vertical_stride"], :: window["horizontal_stride"]]


def means(views: np.ndarray, window: dict, bits: int, signed: bool) -> np.ndarray:
    """The integers of an average pool (docs/integers.md), window by window."""
    high = (1 << bits - signed) - 1
    low = -high if signed and not window["relu"] else 0
    made = np.empty(views.shape[:3], np.int64)
    for at in np.ndindex(made.shape):
        total = sum(int(value) for value in views[at].ravel() if value != PADDING)
        rounded = (2 * total * window["multiplier"] + 2 ** window["shift"]) // 2 ** (window["shift"] + 1)
        made[at] = min(max(rounded, low), high)
    return made


def raw_lines(values: np.ndarray, block: int, bits: int, first: int) -> tuple[list[int], int]:
    """The map as cores leave it, as lines of 512 bits, and the words of a place."""
    channels, height, width = values.shape
    segments, place = -(-channels // block), -(-block * width * bits // 64)
    words = [random.getrandbits(64) for _ in range(first)] + [0] * (height * segments * place)
    for channel, y, x in np.ndindex(values.shape):
        at = (channel % block) * width + x
        word = first + (y * segments + channel // block) * place + at // (64 // bits)
        words[word] |= int(values[channel, y, x]) << 64 - bits * (at % (64 // bits) + 1)
    words += [0] * (-len(words) % 8)
    lines = [sum(word << 64 * i for i, word in enumerate(words[n : n + 8])) for n in range(0, len(words), 8)]
    return lines, place


async def cycles_of_work(dut) -> int:
    """From the first one after the start to the last one in which it is busy."""
    cycles = 0
    while True:
        await Timer(2, "ns")
        if not dut.busy.value:
            return cycles
        cycles += 1
        await RisingEdge(dut.clk)


async def serve(dut, lines: list[int]) -> None:
    """Answer reads a cycle later."""
    while True:
        await Timer(2, "ns")
        reading, number = int(dut.reading.value), int(dut.reads.value)
        await RisingEdge(dut.clk)
        if reading:
            dut.line.value = lines[number] if number < len(lines) else random.getrandbits(512)


@cocotb.test()
async def remade_maps_are_those_of_the_reference(dut):
    case = bench_case()
    bits = Arch(**case["arch"]).activation_bits
    rng, coverage = random.Random(random.getrandbits(32)), Coverage()
    readies = [f"{name}__ready" for name in ("rows", "coded", "index")]
    await start_clock(
        dut, "prepare", "start", "layer", "following", "pool", "raw", "channels", "line", *readies
    )
    for _ in range(case["maps"]):
        one = case_of(rng, bits)
        values, block, made = one["values"], one["block"], one["made"]
        order, first = rng.randint(0, 9), 8 * rng.randrange(5)
        lines, place = raw_lines(values, block, bits, first)
        segments, of_made = -(-len(values) // block), -(-len(made) // block)
        layer = dict.fromkeys(LAYER_FIELDS, 0)
        layer |= {"out_height": values.shape[1], "out_width": values.shape[2], "out_block": block}
        layer |= {"out_order": order, "flatten": int(one["flatten"]), "signed_output": int(one["signed"])}
        following = dict.fromkeys(LAYER_FIELDS, 0) | {
            "map_segments": of_made,
            "full_values": block * made.shape[2],
            "in_bits": one["code"][0],
            "signed_input": int(one["code"][1]),
        }
        places = dict.fromkeys(name for name, _ in MapPlaces.as_shape())
        places = dict.fromkeys(places, 0) | {
            "first": first,
            "row_words": segments * place,
            "place_words": place,
        }
        dut.layer.value = pack(LayerDescriptor(), layer)
        dut.following.value = pack(LayerDescriptor(), following)
        dut.pool.value = pack(PoolWindow(), one["window"])
        dut.raw.value = pack(MapPlaces.as_shape(), places)
        dut.channels.value = len(values)
        server = cocotb.start_soon(serve(dut, lines))
        dut.prepare.value = 1
        await RisingEdge(dut.clk)
        dut.prepare.value = 0
        for _ in range(50):
            await RisingEdge(dut.clk)
        dut.start.value = 1
        await RisingEdge(dut.clk)
        dut.start.value = 0
        working = cocotb.start_soon(cycles_of_work(dut))
        data, index = store_segments(made, block, order, one["code"][0])
        words, ends = data.view(">u8").astype(np.uint64).tolist(), set(np.cumsum(lengths_of(index)).tolist())
        expected = {
            "rows": [{"layer": 0, "row": y, "first": 0, "segments": of_made} for y in range(made.shape[1])],
            "coded": [{"data": word, "last": int(i + 1 in ends)} for i, word in enumerate(words)],
            "index": [entry_fields(e["words"], e["nonzeros"]) for e in index.ravel()],
        }
        layouts = {"rows": OutRow, "coded": Word, "index": IndexEntry}
        tasks = [
            (
                name,
                cocotb.start_soon(
                    StreamPort(dut, name, layouts[name]).get(len(due), random_stalls(case["stalls"]))
                ),
            )
            for name, due in expected.items()
        ]
        for name, task in tasks:
            found = [payload for _, payload in await task]
            if name == "rows":
                found = [payload | {"layer": 0} for payload in found]
            assert found == expected[name], (name, one["window"], values.shape, one["flatten"])
        taken = await working
        one_layer = Layer("l", "conv", "x", (1, *values.shape[1:]), values.shape)
        link = Link(one["window"] if one["window"]["rows"] else {}, one["flatten"])
        remade = remake(one_layer, link, block, segments, Arch(**case["arch"]))
        least = remade.cycles + remade.encoding + LATENCY + ROUNDING * remade.averaged
        assert taken >= least
        assert case["stalls"] or taken == least, (one["window"], values.shape, block)
        parts = made.size * max(1, one["window"]["rows"]) * max(1, -(-one["window"]["columns"] // 7))
        coverage.hit("two lines", remade.cycles > parts)
        coverage.hit("parts", one["window"]["columns"] > 14)
        coverage.hit("global", one["window"]["rows"] == values.shape[1] > 1 and made.shape[1] == 1)
        server.cancel()
        coverage.hit("kind", (bool(one["window"]["rows"]), one["flatten"]))
        if remade.averaged:
            coverage.hit("mean", (one["signed"], one["code"][1]))
        coverage.hit("signed", one["signed"])
        coverage.hit("padding", bool(one["window"]["top"] or one["window"]["left"]))
    coverage.require("kind", [(True, False), (True, True), (False, True)])
    coverage.require("signed", [True, False])
    coverage.require("padding", [True, False])
    for what in ("two lines", "parts", "global"):
        coverage.require(what, [True, False])
    coverage.require("mean", [(one, other) for one in (True, False) for other in (True, False)])
