"""Bench of Windows: every bit shown, and the cycle of every word, with consumers of any appetite."""

import random
from dataclasses import dataclass, field

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge
from golden.symbols import WORD, words_of
from streams import Coverage, bench_case, pack, start_clock

from hwsim_rtl.bits.word import Word

LANES = (0, 1)


@dataclass
class Lane:
    """A lane's segments as strings of bits, where it is in them, and what its window holds."""

    strings: list[str]
    idle: float  # share of its cycles in which it takes nothing
    late: float  # share of its cycles in which no word is offered
    hungry: bool
    bit: int = 0  # in the first string
    words: list[dict] = field(default_factory=list)  # to be offered
    level: int = 0  # words in the window

    @property
    def left(self) -> int:
        """Words of the first segment that have not left."""
        return len(self.strings[0]) // WORD - self.bit // WORD

    @property
    def ready(self) -> bool:
        """Whether a symbol may start: its word is here, and the next one unless that word is the last."""
        return bool(self.strings) and self.level >= min(2, self.left)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def bits_and_times_equal_the_rules(dut):
    case = bench_case()
    most, taken_bits = case["max_bits"], case["taken_bits"]
    cover = Coverage()
    inputs = ("turn", "words__valid", "words__payload", "take", "end", "rest", "clear")
    await start_clock(dut, *inputs)
    turn = 0
    for _ in range(case["passes"]):
        lanes = []
        for _ in LANES:
            sizes = [random.choice([1, 1, 2, 3, 7]) for _ in range(12)]
            strings = [f"{random.getrandbits(WORD * n):0{WORD * n}b}" for n in sizes]
            words = [word for string in strings for word in words_of(string)]
            rates = random.choice([0.0, 0.6]), random.choice([0.0, 0.5])
            lanes.append(Lane(strings, *rates, random.random() < 0.5, words=words))
        offered = [False, False]
        taken: str | None = None  # what the take of the cycle before must have given
        showed_ready = [False, False]
        while any(lane.strings for lane in lanes):
            turn = 1 - turn
            shows, takes = lanes[turn], lanes[1 - turn]
            dut.turn.value = turn
            # The lane that takes is offered a word; what is offered stays.
            mine = 1 - turn
            offered[mine] = bool(takes.words) and (offered[mine] or random.random() >= takes.late)
            dut.words__valid.value = int(offered[mine])
            if offered[mine]:
                dut.words__payload.value = pack(Word.as_shape(), takes.words[0])
            # It takes bits that it showed in the cycle before.
            length, ends, take = 0, False, showed_ready[mine] and random.random() >= takes.idle
            if take:
                length, ends = appetite(takes, most)
                dut.end.value = takes.bit % WORD + length
            dut.take.value, dut.rest.value = int(take), int(ends)
            await FallingEdge(dut.clk)
            check_shown(dut, shows, cover)
            if taken is not None:
                assert int(dut.taken.value) == int(taken, 2), "taken"
            if showed_ready[mine] or takes.strings:
                assert bool(dut.ready.value) == showed_ready[mine]
            if showed_ready[mine]:
                assert bool(dut.last.value) == (takes.left == 1)
            room = takes.level < 4
            assert bool(dut.words__ready.value) == room
            cover.hit("word waits for room", offered[mine] and not room)
            taken = None
            if take:
                taken = consume(takes, length, ends, taken_bits, cover)
            if offered[mine] and room:
                takes.words.pop(0)
                takes.level += 1
                offered[mine] = False
            showed_ready[turn] = shows.ready
            cover.hit("waits for a word", bool(shows.strings) and not shows.ready)
            await RisingEdge(dut.clk)
        dut.take.value = dut.words__valid.value = 0
        for _ in range(4):  # what the last lane left is gone, and turns go on
            turn = 1 - turn
            dut.turn.value = turn
            await RisingEdge(dut.clk)
    cover.require("length", [0, 1, most])
    cover.require("rest over a word's end", [False, True])
    cover.require("word waits for room", [False, True])
    cover.require("waits for a word", [False, True])
    cover.require("offset", range(0, WORD, 9), least=0 if most < 9 else 1)


def appetite(lane: Lane, most: int) -> tuple[int, bool]:
    """How many bits a lane takes, and whether it takes the rest of its segment too."""
    left = len(lane.strings[0]) - lane.bit
    most = min(most, left - 1)
    ends = lane.left <= 2 and (most == 0 or random.random() < (0.5 if lane.left == 1 else 0.3))
    return most if lane.hungry else random.randint(0, most), ends


def consume(lane: Lane, length: int, ends: bool, taken_bits: int, cover: Coverage) -> str | None:
    """Take bits; returns the last of them, if all that ``taken`` shows is specified."""
    string, before = lane.strings[0], lane.left
    cover.hit("length", length)
    cover.hit("offset", lane.bit % WORD)
    shown = string[lane.bit : lane.bit + length][-taken_bits:]
    lane.bit += length
    if ends:
        cover.hit("rest over a word's end", before > 1)
        lane.level -= before
        lane.strings.pop(0)
        lane.bit = 0
        return None
    lane.level -= before - lane.left
    return shown if length >= taken_bits else None


def check_shown(dut, lane: Lane, cover: Coverage) -> None:
    """The ring of the lane that shows, as far as its words are in."""
    if not lane.ready:
        return
    string, bit = lane.strings[0], lane.bit
    ring = f"{int(dut.bits.value):0{WORD}b}"[::-1]  # bit 0 first
    chunk = bit % WORD // 16 * 16
    shown = (ring[chunk:] + ring[:chunk])[bit % 16 :]
    known = min(len(shown), min(2, lane.left) * WORD - bit % WORD)
    assert known >= min(49, len(string) - bit)
    assert shown[:known] == string[bit:][:known]
    assert int(dut.offset.value) == bit % WORD
    # The marks of the chunks behind the head's.
    head = bit - bit % 16
    for ahead in range(1, 4):
        begin = head + 16 * ahead
        if begin + 16 > bit + known:
            break
        bits, before = string[begin : begin + 16], string[begin - 1]
        shift = 5 * (begin % WORD // 16)
        assert int(dut.zeros.value) >> shift & 31 == (bits + "0").index("0")
        assert int(dut.rises.value) >> shift & 31 == min((before + bits + "01").index("01"), 16)
