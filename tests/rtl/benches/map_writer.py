"""Bench of MapWriter: words and entries of rows in any order, into their places and no others."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from core_cases import entry_fields
from streams import Coverage, StreamPort, bench_case, pack, random_stalls, start_clock

from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.system.payloads import LineStore, MapPlaces, OutRow


async def watch(dut, port: StreamPort, stalls, memory: dict[int, int]) -> None:
    """Take lines, for ever: ``memory`` has every part of 4 bytes that was written."""
    while True:
        for _, store in await port.get(1, stalls):
            for part in range(16):
                if store["parts"] >> part & 1:
                    memory[16 * store["number"] + part] = store["words"] >> 32 * part & 0xFFFFFFFF


def map_of(rng: random.Random) -> tuple[dict, list[dict], list[list[list[int]]]]:
    """Places, rows in a random order, and of each row its segments' words."""
    segments, place = rng.randint(1, 20), rng.randint(1, 12)
    tail, rows = rng.randint(1, place), rng.randint(1, 12)
    unit = rng.choice([size for size in range(1, segments + 1) if segments % size == 0])
    indexed = rng.random() < 0.7
    row_words = (segments - 1) * place + tail
    places = {
        "first": rng.choice([0, rng.randrange(1000)]),
        "row_words": row_words,
        "place_words": place,
        "tail_words": tail,
        "index_line": 500,
        "entries": segments if indexed else 0,
        "indexed": int(indexed),
    }
    parts = [(row, first) for row in range(rows) for first in range(0, segments, unit)]
    rng.shuffle(parts)
    made = [{"layer": 0, "row": row, "first": first, "segments": unit} for row, first in parts]
    words = [
        [
            [rng.getrandbits(64) for _ in range(rng.randint(1, tail if segment + 1 == segments else place))]
            for segment in range(first, first + unit)
        ]
        for _, first in parts
    ]
    return places, made, words


@cocotb.test()
async def words_and_entries_come_into_their_places(dut):
    case = bench_case()
    rng = random.Random(random.getrandbits(32))
    coverage = Coverage()
    await start_clock(dut, "rows__valid", "coded__valid", "index__valid", "stores__ready", "flush", "places")
    ports = {name: StreamPort(dut, name, layout) for name, layout in
             (("rows", OutRow), ("coded", Word), ("index", IndexEntry), ("stores", LineStore))}  # fmt: skip
    memory: dict[int, int] = {}
    cocotb.start_soon(watch(dut, ports["stores"], random_stalls(case["stalls"], 17), memory))
    for _ in range(case["maps"]):
        places, rows, words = map_of(rng)
        memory.clear()
        dut.places.value = pack(MapPlaces.as_shape(), places)
        await RisingEdge(dut.clk)
        expected: dict[int, int] = {}
        coded, index = [], []
        for row, segments in zip(rows, words, strict=True):
            for number, segment in enumerate(segments, row["first"]):
                at = places["first"] + row["row"] * places["row_words"] + number * places["place_words"]
                for count, word in enumerate(segment):
                    expected[2 * (at + count)] = word & 0xFFFFFFFF
                    expected[2 * (at + count) + 1] = word >> 32
                    coded.append({"data": word, "last": int(count + 1 == len(segment))})
                entry = entry_fields(len(segment) | rng.getrandbits(1) << 15, rng.getrandbits(16))
                index.append(entry)
                if places["indexed"]:
                    of_map = 16 * places["index_line"] + row["row"] * places["entries"] + number
                    expected[of_map] = pack(IndexEntry.as_shape(), entry)
        tasks = [
            cocotb.start_soon(ports[name].put(payloads, random_stalls(case["stalls"])))
            for name, payloads in (("rows", rows), ("coded", coded), ("index", index))
        ]
        for task in tasks:
            await task
        dut.flush.value = 1
        for _ in range(4000):
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
            if dut.idle.value:
                break
            assert not dut.overflows.value
        assert dut.idle.value
        dut.flush.value = 0
        for _ in range(20):
            await RisingEdge(dut.clk)
        assert memory == expected, places
        coverage.hit("indexed", bool(places["indexed"]))
        coverage.hit("segments of a row", min(2, rows[0]["segments"]))
    coverage.require("indexed", [True, False])
    coverage.require("segments of a row", [1, 2])

    # A segment that is longer than its place, by a word.
    places = dict.fromkeys(places, 0) | {"row_words": 8, "place_words": 5, "tail_words": 3, "entries": 2,
                                         "index_line": 9, "indexed": 1}  # fmt: skip
    for first, room in ((0, 5), (1, 3)):
        dut.places.value = pack(MapPlaces.as_shape(), places)
        cocotb.start_soon(ports["rows"].put([{"layer": 0, "row": 3, "first": first, "segments": 1}]))
        await ports["coded"].put([{"data": 1, "last": 0}] * room)
        await Timer(2, "ns")
        assert not dut.overflows.value
        cocotb.start_soon(ports["coded"].put([{"data": 1, "last": 1}]))
        await RisingEdge(dut.clk)
        await Timer(2, "ns")
        assert dut.overflows.value, room
        await ports["index"].put([entry_fields(room + 1, 1)])
