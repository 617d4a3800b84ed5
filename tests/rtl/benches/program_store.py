"""Bench of ProgramStore: programs of all sizes in and out, single passes of them, forgotten at any moment."""

import random
from collections import deque

import cocotb
from cocotb.triggers import RisingEdge, Timer
from streams import Coverage, bench_case, start_clock

from hwsim_rtl.system.payloads import LayerDescriptor
from hwsim_rtl.system.program_store import DESCRIPTORS, PROGRAM_BEATS, PROGRAMS

BEAT_WORDS, LAYER_WORDS, WORD_BITS = 4, 8, 64
CLAMPED = LayerDescriptor()["clamped"].offset


class Store:
    """What the docstring says: programs that came, those of them whose words were not all taken, and when the
    next word may be offered."""

    def __init__(self) -> None:
        self.came: list[list[int]] = []  # words of the programs that are there
        self.coming: list[int] = []
        self.left: deque[list[int]] = deque()
        self.taken = 0  # words of the oldest that is left
        self.primed = False

    @property
    def fed(self) -> int:
        return len(self.came) - len(self.left)

    @property
    def begun(self) -> int:
        return self.fed + (self.taken > 0)

    def step(self, words: list[int] | None, size: int, takes: bool) -> None:
        """A cycle: a beat came, of a program of so many; a word was taken."""
        ends = takes and self.taken + 1 == len(self.left[0])
        primed = bool(self.left) and not ends
        if takes:
            self.taken = 0 if ends else self.taken + 1
        if ends:
            self.left.popleft()
        if words:
            self.coming += words
            if len(self.coming) == BEAT_WORDS * size:
                self.came.append(self.coming)
                self.left.append(self.coming)
                self.coming = []
        self.primed = primed


@cocotb.test()
async def words_of_programs_come_in_their_order(dut):
    case = bench_case()
    coverage = Coverage()
    names = ("clear", "size", "layer", "number", "words__ready", "beats__valid", "beats__payload")
    await start_clock(dut, *names)
    store, size, looked = Store(), 2, None
    for _ in range(case["cycles"]):
        clear, reset = random.random() < 0.005, random.random() < 0.001
        takes = random.random() < case["taken"]
        room = len(store.came) - store.fed < PROGRAMS
        words = None
        if room and random.random() < case["given"]:
            if not store.coming:
                size = random.choice([2, 3, random.randint(2, 40), PROGRAM_BEATS])
            words = [random.getrandbits(WORD_BITS) for _ in range(BEAT_WORDS)]
        dut.clear.value, dut.rst.value, dut.words__ready.value, dut.size.value = clear, reset, takes, size
        dut.beats__valid.value = words is not None
        dut.beats__payload.value = sum(w << WORD_BITS * n for n, w in enumerate(words or [0]))
        if looked is not None:
            await Timer(2, "ns")
            assert int(dut.entry.value) == looked
        looked = None
        # Of a program that is there, and in whose place no other one begins.
        there = range(max(0, len(store.came) + (words is not None or bool(store.coming)) - PROGRAMS),
                      len(store.came))  # fmt: skip
        if there and random.random() < 0.5:
            program = random.choice(there)
            text = store.came[program]
            clamped = text[CLAMPED // WORD_BITS] >> CLAMPED % WORD_BITS & 1
            before = LAYER_WORDS + clamped  # its clamps are a word
            if len(text) > before:
                number = random.randrange(len(text) - before)
                dut.layer.value, dut.number.value = program, number
                looked = text[before + number]
                coverage.hit("passes of a program that was fed", program < store.fed)
        await Timer(2, "ns")
        assert dut.beats__ready.value
        counts = (dut.arrived.value, dut.fed.value, dut.begun.value)
        assert tuple(map(int, counts)) == (len(store.came), store.fed, store.begun)
        assert bool(dut.words__valid.value) == store.primed
        if store.primed:
            assert int(dut.words__payload.value) == store.left[0][store.taken]
        for program in range(max(0, len(store.came) - DESCRIPTORS + 1), len(store.came)):
            text = getattr(dut, f"descriptors__{program % DESCRIPTORS}").value
            whole = sum(w << WORD_BITS * n for n, w in enumerate(store.came[program][:LAYER_WORDS]))
            assert int(text) == whole & (1 << len(text)) - 1
            pool = getattr(dut, f"pools__{program % DESCRIPTORS}").value
            assert int(pool) == store.came[program][-1] & (1 << len(pool)) - 1
        coverage.hit("programs there", len(store.came) - store.fed)
        await RisingEdge(dut.clk)
        if clear or reset:
            coverage.hit("forgets", ("reset" if reset else "clear", bool(store.coming)))
            store = Store()
            if reset:
                looked = None
        else:
            store.step(words, size, takes and store.primed)
    coverage.require("programs there", [0, 1, 2])
    coverage.require("forgets", [("clear", False), ("clear", True)])
    coverage.require("passes of a program that was fed", [True, False])
