"""Bench of InputReader: maps of all shapes from memory into their places, cut off at any moment."""

import random

import cocotb
from amaranth.lib import data
from bench_pass import Raw
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, StreamPort, bench_case, pack, random_stalls, start_clock

from hwsim.machine.programs import LAYER_FIELDS
from hwsim.program.image import HEADER
from hwsim_rtl.core.payloads import LINE_BITS
from hwsim_rtl.system.header_reader import ImageHeader
from hwsim_rtl.system.memory_port import MemoryRequest
from hwsim_rtl.system.payloads import LayerDescriptor, LineStore

BEAT_BYTES, LINE_PARTS = 32, 16


class InputMap:
    """A map in memory, and what must be asked for and written: beats of the half by their numbers."""

    def __init__(self, empty: bool) -> None:
        rows, segments = random.randint(1, 9), random.randint(1, 6)
        place, tail = random.randint(1, 5), random.randint(1, 5)
        map_place, index_at = max(place, tail) + random.randint(0, 2), random.randrange(1 << 20)
        map_row, map_at = segments * map_place + random.randint(0, 3), random.randrange(1 << 20)
        row = (segments - 1) * place + tail
        self.line = (rows * row + 1) // 2
        self.layer = {"height": rows, "map_segments": segments, "place_beats": place, "row_beats": row,
                      "index_line": self.line}  # fmt: skip
        self.header = {"index_at": index_at, "map_at": map_at, "map_place": map_place, "map_row": map_row}
        self.header = {name: BEAT_BYTES * beats for name, beats in self.header.items()}
        self.empty = random.randrange(rows * segments) if empty else None  # a segment without words
        lengths = [
            random.randint(1, 4 * (tail if number % segments == segments - 1 else place))
            for number in range(rows * segments)
        ]
        if self.empty is not None:
            lengths[self.empty] = 0
        entries = [length | random.getrandbits(17) << 15 for length in lengths]
        index = b"".join(entry.to_bytes(4, "little") for entry in entries)
        index += random.randbytes(-len(index) % BEAT_BYTES)
        self.index_beats = len(index) // BEAT_BYTES
        self.requests = [(index_at, self.index_beats)]
        self.memory = {index_at + n: index[BEAT_BYTES * n :][:BEAT_BYTES] for n in range(self.index_beats)}
        self.stored = {2 * self.line + n: self.memory[index_at + n] for n in range(self.index_beats)}
        self.ends = [0]  # beats of the half before which all has come, by how many beats came
        for number, length in enumerate(lengths[: self.empty]):
            y, segment = divmod(number, segments)
            at, there = map_at + y * map_row + segment * map_place, y * row + segment * place
            beats = -(-length // 4)
            self.requests.append((at, beats))
            for beat in range(beats):
                content = random.randbytes(BEAT_BYTES)
                self.memory[at + beat] = content
                turned = b"".join(content[word : word + 8][::-1] for word in range(0, BEAT_BYTES, 8))
                self.stored[there + beat] = turned
                self.ends.append(there + beat + 1)
            follows = there + (tail if segment + 1 == segments else place)
            self.ends[-1] = follows + (follows % 2 if number + 1 == rows * segments else 0)


async def answer(dut, given: InputMap, asked: list, ports: dict, stalls: float) -> None:
    """Requests in their order, for ever."""
    while True:
        for _, request in await ports["requests"].get(1, random_stalls(stalls)):
            asked.append((request["address"], request["beats"]))
            numbers = range(request["address"], request["address"] + request["beats"])
            beats = (int.from_bytes(given.memory.get(n, b""), "little") for n in numbers)
            await ports["beats"].put(({"bits": beat} for beat in beats), random_stalls(stalls))


async def look_up(dut, half: dict, ports: dict, stalls: float) -> None:
    """Lines of the map buffer, each in the cycle after it was taken, and anything else in all others."""
    while True:
        ((_, taken),) = await ports["index_reads"].get(1, random_stalls(stalls))
        line = half.get(2 * taken["bits"], b"").ljust(BEAT_BYTES, b"?") + half.get(2 * taken["bits"] + 1, b"")
        dut.line.value = int.from_bytes(line, "little")
        await RisingEdge(dut.clk)
        dut.line.value = random.getrandbits(16 * BEAT_BYTES)


async def watch(dut, given: InputMap, half: dict, coverage: Coverage) -> None:
    """What is written, and what is said to have come, in every cycle."""
    came = 0
    while True:
        await Timer(4, "ns")
        store = dut.stores__payload.value
        if dut.stores__valid.value:
            fields = data.Const(LineStore.as_shape(), int(store))
            place = fields.words
            part = 0 if fields.parts == 0xFF else 1
            assert fields.parts == 0xFF << 8 * part
            beat = 2 * fields.number + part
            assert beat not in half, "written twice"
            half[beat] = (place >> 8 * BEAT_BYTES * part & (1 << 8 * BEAT_BYTES) - 1).to_bytes(32, "little")
            came += 1
        arrived = max(0, came - given.index_beats)
        assert int(dut.arrived.value) == given.ends[arrived], arrived
        if came < given.index_beats or (came == given.index_beats and dut.stores__valid.value):
            assert not dut.index_there.value
        else:
            assert dut.index_there.value
            coverage.hit("index is there")
        await RisingEdge(dut.clk)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def maps_come_into_their_places(dut):
    case = bench_case()
    coverage = Coverage()
    await start_clock(dut, "start", "header", "layer", "line", "requests__ready", "beats__valid",
                      "index_reads__ready")  # fmt: skip
    ports = {"requests": StreamPort(dut, "requests", MemoryRequest),
             "beats": StreamPort(dut, "beats", Raw(data.ArrayLayout(8 * BEAT_BYTES, 1))),
             "index_reads": StreamPort(dut, "index_reads", Raw(data.ArrayLayout(LINE_BITS, 1)))}  # fmt: skip
    for number in range(case["maps"]):
        given, asked, half = InputMap(number % 6 == 5), [], {}
        dut.layer.value = pack(LayerDescriptor(), dict.fromkeys(LAYER_FIELDS, 0) | given.layer)
        dut.header.value = pack(ImageHeader, dict.fromkeys(HEADER, 0) | given.header)
        await RisingEdge(dut.clk)
        dut.start.value = 1
        await RisingEdge(dut.clk)
        dut.start.value = 0
        rate = case["stalls"]
        tasks = [
            cocotb.start_soon(answer(dut, given, asked, ports, rate)),
            cocotb.start_soon(look_up(dut, half, ports, rate)),
            cocotb.start_soon(watch(dut, given, half, coverage)),
        ]
        cut = random.randint(1, 60) if number % 6 == 3 else None
        for cycle in range(3000):
            await RisingEdge(dut.clk)
            await Timer(6, "ns")
            if cycle == cut or not dut.busy.value or dut.wrong.value:
                break
            assert dut.asking.value or len(asked) == len(given.requests)
        for task in tasks:
            task.cancel()
        if cycle == cut or given.empty is not None:
            assert cycle == cut or dut.wrong.value
            coverage.hit("cut off" if cycle == cut else "segment without words", bool(half))
            assert half.items() <= given.stored.items()
            dut.rst.value = 1
            await RisingEdge(dut.clk)
            dut.rst.value = 0
        else:
            assert half == given.stored
            coverage.hit("last beat is the first of its line", given.ends[-1] > given.ends[-2] + 1)
        if cycle != cut:
            assert asked == given.requests
        for name in ("requests__ready", "beats__valid", "index_reads__ready"):
            getattr(dut, name).value = 0
        await RisingEdge(dut.clk)
        await Timer(2, "ns")
        assert not dut.busy.value
        assert not dut.requests__valid.value
        coverage.hit("index of more than a line", given.index_beats > 2)
    coverage.require("index of more than a line", [True, False])
    coverage.require("segment without words", [True])
    coverage.require("cut off", [True])
    coverage.require("index is there")
