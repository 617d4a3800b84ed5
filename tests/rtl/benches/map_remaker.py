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
from hwsim.codec.segments import encode_segments
from hwsim.layer import Layer
from hwsim.machine.chain import Link
from hwsim.machine.programs import LAYER_FIELDS
from hwsim.machine.remade import remake
from hwsim.quantize import integers
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.system.payloads import LayerDescriptor, MapPlaces, OutRow

LATENCY = 7  # from the last row of a window to the end of all work, beside the cycles of the windows


def case_of(rng: random.Random, bits: int) -> dict:
    """A raw map, how it is remade, and what comes of it."""
    shape = rng.randint(1, 9), rng.randint(1, 8), rng.choice([rng.randint(1, 9), rng.randint(20, 40)])
    pooled, signed, block = rng.random() < 0.7, rng.random() < 0.3, rng.choice([1, 2, 4])
    flatten = not pooled or rng.random() < 0.4
    values = np.array([rng.choice([0, rng.getrandbits(bits)]) for _ in range(np.prod(shape))], np.uint16)
    values = values.reshape(shape)
    window = dict.fromkeys(("rows", "columns", "vertical_stride", "horizontal_stride", "top", "left"), 0)
    made = values
    if pooled:
        window |= {name: rng.choice([1, 2, 3, rng.randint(1, 7)]) for name in list(window)[:4]}
        window |= {
            "top": rng.randrange(min(window["rows"], 3)),
            "left": rng.randrange(min(window["columns"], 3)),
        }
        window["rows"] = min(window["rows"], shape[1] + 2 * window["top"])
        window["columns"] = min(window["columns"], shape[2] + 2 * window["left"])
        made = pool(integers(values, signed), window)
        made = to_unsigned(made) if signed else made.astype(np.uint16)
    if flatten:
        made = made.reshape(-1, 1, 1)
    return {
        "values": values,
        "window": window,
        "signed": signed,
        "block": block,
        "flatten": flatten,
        "made": made,
    }


def pool(values: np.ndarray, window: dict) -> np.ndarray:
    """The largest integers, with padding that is lower than any."""
    top, left = window["top"], window["left"]
    low = np.pad(values, ((0, 0), (top, top), (left, left)), constant_values=-(1 << 20))
    views = np.lib.stride_tricks.sliding_window_view(low, (window["rows"], window["columns"]), (1, 2))
    return views.max(axis=(3, 4))[:, :: window["vertical_stride"], :: window["horizontal_stride"]]


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
    await start_clock(dut, "prepare", "start", "layer", "following", "raw", "channels", "line", *readies)
    for _ in range(case["maps"]):
        one = case_of(rng, bits)
        values, block, made = one["values"], one["block"], one["made"]
        order, first = rng.randint(0, 9), 8 * rng.randrange(5)
        lines, place = raw_lines(values, block, bits, first)
        segments, of_made = -(-len(values) // block), -(-len(made) // block)
        layer = dict.fromkeys(LAYER_FIELDS, 0) | {
            f"pool_{name}": value for name, value in one["window"].items()
        }
        layer |= {"out_height": values.shape[1], "out_width": values.shape[2], "out_block": block}
        layer |= {"out_order": order, "flatten": int(one["flatten"]), "signed_output": int(one["signed"])}
        following = dict.fromkeys(LAYER_FIELDS, 0) | {
            "map_segments": of_made,
            "full_values": block * made.shape[2],
        }
        places = dict.fromkeys(name for name, _ in MapPlaces.as_shape())
        places = dict.fromkeys(places, 0) | {
            "first": first,
            "row_words": segments * place,
            "place_words": place,
        }
        dut.layer.value = pack(LayerDescriptor(), layer)
        dut.following.value = pack(LayerDescriptor(), following)
        dut.raw.value = pack(MapPlaces.as_shape(), places)
        dut.channels.value = len(values)
        server = cocotb.start_soon(serve(dut, lines))
        dut.prepare.value = 1
        await RisingEdge(dut.clk)
        dut.prepare.value = 0
        for _ in range(20):
            await RisingEdge(dut.clk)
        dut.start.value = 1
        await RisingEdge(dut.clk)
        dut.start.value = 0
        working = cocotb.start_soon(cycles_of_work(dut))
        data, index = encode_segments(made, block, order)
        words, ends = data.view(">u8").astype(np.uint64).tolist(), set(np.cumsum(index["words"]).tolist())
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
        least = remade.cycles + LATENCY
        assert taken >= least
        assert case["stalls"] or taken == least, (one["window"], values.shape, block)
        coverage.hit("two lines", least > LATENCY + made.size * max(1, one["window"]["rows"]))
        server.cancel()
        coverage.hit("kind", (bool(one["window"]["rows"]), one["flatten"]))
        coverage.hit("signed", one["signed"])
        coverage.hit("padding", bool(one["window"]["top"] or one["window"]["left"]))
    coverage.require("kind", [(True, False), (True, True), (False, True)])
    coverage.require("signed", [True, False])
    coverage.require("padding", [True, False])
    coverage.require("two lines", [True, False])
