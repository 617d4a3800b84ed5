"""Bench of Reader: who is served in every slot, and every segment and word of both lanes in its cycle."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer
from golden.reading import ENTRIES, LATENCY, LINE, Place, Reading
from streams import Coverage, bench_case, pack, start_clock, unpack

from hwsim.arch import Arch
from hwsim_rtl.bits.word import Word
from hwsim_rtl.core.payloads import BoundSegment, MapRow, ReaderConfig

LANES = (0, 1)
LEAD = 2  # cycles from the start to the first slot
NEVER = 10**9


class Map:
    """A random map behind the line port: where the segments of a pass lie, and what is in every line.

    ``dense``: two segments a line, so that two that share one have their entries in two lines of the index.
    """

    def __init__(self, arch: Arch, dense: bool = False) -> None:
        self.rows = random.choice([1, 2, random.randint(1, 12)]) if not dense else 9
        self.blocks = random.choice([1, 2, random.randint(1, 9)])  # that the pass reads
        all_blocks = self.blocks + random.choice([0, 0, 3]) * (not dense)
        self.place_words = random.choice([4, 8, 12, 12, 20, 20, random.randint(1, 40)]) if not dense else 4
        self.config = {
            "rows": self.rows,
            "segments": self.blocks,
            "full_values": random.randint(1, 999),
            "tail_values": random.randint(1, 999),
            "place_words": self.place_words,
            "index_line": random.choice([0, 5000]),
            "segment_words": random.randint(1, 60),
            "segment_pixels": random.randint(0, 30),
        }
        first_row = random.choice([0, 0, 77]) * (not dense)
        step = random.choice([1, 1, 3]) if not dense else 1
        base = random.choice([0, 4, 400]) if not dense else 4
        self.map_rows, self.places, self.bound = [], [], []
        for row in range(self.rows):
            first_entry = (first_row + step * row) * all_blocks
            first_place = base + step * row * all_blocks * self.place_words
            self.map_rows.append({"place": first_place, "entry": first_entry})
            for block in range(self.blocks):
                most = self.place_words
                words = random.choice([1, most, most, most, random.randint(1, most)])
                self.places.append(Place(first_place + block * self.place_words, words, first_entry + block))
                raw = random.getrandbits(1)
                last = block == self.blocks - 1
                self.bound.append(
                    {
                        "values": self.config["tail_values" if last else "full_values"],
                        "raw": raw,
                        "weight": block * self.config["segment_words"] % arch.weight_words,
                        "pixel": block * self.config["segment_pixels"] % arch.accumulators,
                        "row": row % 32,
                    }
                )
        self.words = [[random.getrandbits(64) for _ in range(place.words)] for place in self.places]
        self.lines: dict[int, int] = {}
        for place, content, bound in zip(self.places, self.words, self.bound, strict=True):
            for at, word in enumerate(content, place.word):
                self._put(at // LINE, at % LINE * 64, word)
            entry = place.words | bound["raw"] << 15 | random.getrandbits(16) << 16
            self._put(
                self.config["index_line"] + 100_000 + place.entry // ENTRIES,
                place.entry % ENTRIES * 32,
                entry,
            )

    def _put(self, line: int, bit: int, value: int) -> None:
        self.lines[line] = self.lines.get(line, 0) | value << bit

    def line(self, number: int, of_index: bool) -> int:
        """What lies in a line."""
        return self.lines.get(number + 100_000 * of_index, 0)

    def first_lengths(self) -> int:
        """The lengths in the line of the index with the first entry, 16 bits each."""
        line = self.line(self.config["index_line"] + self.places[0].entry // ENTRIES, True)
        return sum((line >> 32 * i & 0xFFFF) << 16 * i for i in range(ENTRIES))


@cocotb.test()
async def every_slot_segment_and_word_is_that_of_the_page(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    coverage = Coverage()
    segments = [f"segments__{lane}__ready" for lane in LANES]
    words = [f"words__{lane}__ready" for lane in LANES]
    await start_clock(dut, "start", "slot", "rows__valid", "there", *segments, *words)
    for number in range(case["passes"]):
        if number % 5 == 4:
            await cut_off(dut, Map(arch))
        one = Map(arch, dense=number % 6 == 3)
        await one_pass(dut, arch, one, random.choice([2, 2, 3, 5, 17]), coverage)
    coverage.require("served", [(lane, of_index) for lane in LANES for of_index in (False, True)])
    for name in (
        *("a line for both", "a new segment for both", "new for the other one", "old for the other one"),
        *("a lane is passed over", "a slot is not used", "a line comes late", "the index is on its way"),
        "two segments of a line, two lines of the index",
    ):
        coverage.require(name)
    coverage.require("words of a line", range(1, LINE + 1))


async def cut_off(dut, one: Map) -> None:
    """A reset in the middle of a pass, with lines on their way."""
    dut.config.value = pack(ReaderConfig(Arch(**bench_case()["arch"])), one.config)
    for cycle in range(random.randint(1, 20)):
        dut.start.value = int(cycle == 0)
        dut.slot.value = int(cycle % 3 == 2)
        dut.there.value = 3
        dut.rows__valid.value = 1
        dut.rows__payload.value = pack(MapRow.as_shape(), one.map_rows[0])
        dut.line.value = random.getrandbits(512)
        await RisingEdge(dut.clk)
    dut.start.value = dut.rows__valid.value = dut.slot.value = 0
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    dut.rst.value = 0


async def one_pass(dut, arch: Arch, one: Map, period: int, coverage: Coverage) -> None:
    late = random.choice([0, 0, 60, 400])
    lines = {place.word // LINE + i for place in one.places for i in range(one.place_words // LINE + 2)}
    there = {line: random.randint(0, late) for line in lines}
    model = Reading(one.places, lambda line: there[line])
    rate = random.choice([1.0, 0.7, 0.2])
    dut.config.value = pack(ReaderConfig(arch), one.config)
    next_row = {"place": 40, "entry": 3}  # of the pass after this one
    rows = [*one.map_rows, next_row]
    bound: list[list[tuple[int, int]]] = [
        [],
        [],
    ]  # slot and number of segments of each lane that are still to be seen
    reads: dict[int, tuple[int, bool]] = {}
    requested: dict[int, tuple[int, bool]] = {}
    service = None
    cycle, rest = -LEAD, 0
    while rest < 12:
        # Inputs of the cycle.
        dut.start.value = int(cycle == -LEAD)
        is_slot = cycle >= 0 and cycle % period == 0
        dut.slot.value = int(is_slot)
        dut.rows__valid.value = 1
        dut.rows__payload.value = pack(MapRow.as_shape(), rows[0])
        dut.lengths.value = one.first_lengths() if cycle == -LEAD else random.getrandbits(256)
        dut.line.value = one.line(*reads.pop(cycle)) if cycle in reads else random.getrandbits(512)
        own = cycle % 2
        ready = [random.random() < rate if lane == own else False for lane in LANES]
        for lane in LANES:
            getattr(dut, f"segments__{lane}__ready").value = int(lane == own)
            getattr(dut, f"words__{lane}__ready").value = int(ready[lane])
        dut.there.value = random.getrandbits(2)
        await Timer(1, "ns")
        if is_slot:
            asks = [int(getattr(dut, f"asks__{lane}").value) for lane in LANES]
            dut.there.value = sum((there.get(line, NEVER) <= cycle) << lane for lane, line in enumerate(asks))
        await Timer(1, "ns")

        # Outputs.
        served = int(dut.served.value)
        assert served == (1 << service.lane if service else 0), f"cycle {cycle}, lane served"
        if is_slot:
            on_its_way = model._coming is not None and model._coming[0] > cycle
            service = model.slot(cycle)
            note(coverage, model, service, on_its_way)
            if service:
                base = one.config["index_line"] if service.of_index else 0
                requested[cycle + LATENCY - 3] = (base + service.line, service.of_index)
                for lane, got in enumerate(service.got):
                    if got and got[1] == 0:
                        bound[lane].append((cycle, got[0]))
        else:
            service = None
        assert bool(dut.reads__valid.value) == (cycle in requested), f"cycle {cycle}, read"
        if cycle in requested:
            assert int(dut.reads__payload.value) == requested[cycle][0]
            reads[cycle + 1] = requested.pop(cycle)
        for lane in LANES:
            stream = getattr(dut, f"segments__{lane}__payload")
            if int(getattr(dut, f"segments__{lane}__valid").value) and lane == own:
                slot, segment = bound[lane].pop(0)
                assert cycle <= slot + LATENCY - 2, "a segment comes later than two cycles before its words"
                assert unpack(BoundSegment(arch), int(stream.value)) == one.bound[segment]
            valid = int(getattr(dut, f"words__{lane}__valid").value)
            due = model.due[lane][model.entered[lane] :]
            if lane == own or valid:
                assert valid == bool(due and due[0][0] <= cycle), f"cycle {cycle}, lane {lane}: word"
            if valid:
                _, segment, at = due[0]
                word = unpack(Word.as_shape(), int(getattr(dut, f"words__{lane}__payload").value))
                last = at == one.places[segment].words - 1
                assert word == {"data": one.words[segment][at], "last": int(last)}
        taken = int(dut.rows__ready.value)
        await RisingEdge(dut.clk)
        for lane in LANES:
            due = model.due[lane][model.entered[lane] :]
            model.entered[lane] += bool(ready[lane] and due and due[0][0] <= cycle)
        if taken:
            rows.pop(0)
        entered = all(model.entered[lane] == len(model.due[lane]) for lane in LANES)
        rest = rest + 1 if model.done() and entered else 0
        cycle += 1
        assert cycle < 40_000, "the pass does not end"
    assert rows == [next_row]
    assert bound == [[], []]
    dut.rows__valid.value = dut.slot.value = 0
    if late and any(there.values()):
        coverage.hit("a line comes late")


def note(coverage: Coverage, model: Reading, service, on_its_way: bool) -> None:
    """Count what a slot exercises."""
    if service is None:
        coverage.hit("a slot is not used")
        coverage.hit("the index is on its way", on_its_way)
        return
    coverage.hit("served", (service.lane, service.of_index))
    coverage.hit("a lane is passed over", model.passed_over)
    coverage.hit("two segments of a line, two lines of the index", model.not_indexed)
    mine, others = service.got[service.lane], service.got[1 - service.lane]
    for got in (mine, others):
        if got:
            coverage.hit("words of a line", got[2])
    if mine and others:
        coverage.hit("a line for both")
        coverage.hit("a new segment for both", mine[1] == others[1] == 0)
        coverage.hit("new for the other one", others[1] == 0 and mine[1] > 0)
        coverage.hit("old for the other one", others[1] > 0)
