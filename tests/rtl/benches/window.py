"""Bench of Window: every bit shown, and the cycle of every word, with consumers of any appetite."""

import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge
from golden.symbols import WORD, words_of
from streams import Coverage, StreamPort, bench_case, now, random_stalls, start_clock

from hwsim_rtl.bits.word import Word


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def bits_and_times_equal_the_recurrence(dut):
    max_bits, taken_bits = bench_case()["max_bits"], bench_case()["taken_bits"]
    await start_clock(dut, "words__valid", "take", "end", "rest", "clear")
    port = StreamPort(dut, "words", Word)
    cover = Coverage()
    for number in range(bench_case()["passes"]):
        await one_pass(dut, port, max_bits, taken_bits, number, cover)
    cover.require("length", [0, 1, max_bits])
    cover.require("rest over a word's end", [False, True])
    cover.require("next segment follows at once", [1, 2])
    cover.require("word waits for room")
    cover.require("waits for a word")
    cover.require("offset", range(0, WORD, 9), least=0 if max_bits < 9 else 1)


async def one_pass(dut, port, max_bits: int, taken_bits: int, number: int, cover: Coverage) -> None:
    words_each = [random.choice([1, 1, 2, 3, 7]) for _ in range(12)]
    strings = [f"{random.getrandbits(WORD * n):0{WORD * n}b}" for n in words_each]
    words = [word for string in strings for word in words_of(string)]
    idle = 0.0 if number % 2 else 0.6  # share of cycles in which nothing is taken
    hungry = random.random() < 0.5
    sender = cocotb.start_soon(port.put(words, random_stalls(random.choice([0.0, 0.5]))))
    left: list[int] = []  # X of each word
    ready_from: list[tuple[int, int]] = []  # (word that was needed, first cycle with `ready`)
    start = 0
    before = None
    for string in strings:
        last = start + len(string) // WORD - 1
        bit = 0
        ended = False
        while not ended:
            await FallingEdge(dut.clk)
            need = min(start + bit // WORD + 1, last)
            while not dut.ready.value:
                cover.hit("waits for a word")
                before = None  # `taken` holds for one cycle
                dut.take.value = 0
                await RisingEdge(dut.clk)
                await FallingEdge(dut.clk)
            ready_from.append((need, now()))
            ring = f"{int(dut.bits.value):0{WORD}b}"[::-1]  # bit 0 first
            chunk_begin = bit % WORD // 16 * 16
            shown = (ring[chunk_begin:] + ring[:chunk_begin])[bit % 16 :]
            known = min(len(shown), (need - start + 1) * WORD - bit)
            assert known >= min(49, len(string) - bit)
            assert shown[:known] == string[bit:][:known]
            check_marks(dut, string, bit, known)
            assert int(dut.offset.value) == bit % WORD
            assert bool(dut.last.value) == (start + bit // WORD == last)
            if before is not None:
                assert int(dut.taken.value) == int(before, 2), "taken"
            take = random.random() >= idle
            end_word = start + bit // WORD
            may_end = end_word >= last - 1
            ended = take and may_end and random.random() < (0.5 if last == start else 0.3)
            most = min(max_bits, len(string) - bit - 1)
            ended = ended or (take and most == 0)
            length = most if hungry else random.randint(0, most)
            dut.take.value = int(take)
            dut.rest.value = int(ended)
            dut.end.value = bit % WORD + length
            before = None
            if take:
                cover.hit("length", length)
                cover.hit("offset", bit % WORD)
                before = ("0" * taken_bits + string[bit : bit + length])[-taken_bits:] if not ended else None
                if before is not None and length < taken_bits:
                    before = None  # its upper bits are not specified
                if ended:
                    cover.hit("rest over a word's end", end_word < last)
                bit += length
                gone = last + 1 if ended else start + bit // WORD
                if ended and len(left) < gone:
                    cover.hit("next segment follows at once", gone - len(left))
                left += [now()] * (gone - len(left))
            await RisingEdge(dut.clk)
        start = last + 1
    dut.take.value = 0
    sent = await sender
    entered: list[int] = []
    for i, (there, cycle) in enumerate(sent):
        entered.append(max(there, entered[i - 1] + 1 if i else 0, left[i - 4] + 1 if i >= 4 else 0))
        assert cycle == entered[i], f"word {i}"
        if i >= 4 and cycle == left[i - 4] + 1 and there < cycle:
            cover.hit("word waits for room")
    for (need, cycle), (_, previous) in zip(ready_from[1:], ready_from, strict=False):
        assert cycle == max(entered[need] + 1, previous + 1), f"ready for word {need}"


def check_marks(dut, string: str, bit: int, known: int) -> None:
    """Those of the chunks behind the head's, as far as their words are in."""
    head = bit - bit % 16
    for ahead in range(1, 4):
        begin = head + 16 * ahead
        if begin + 16 > bit + known:
            break
        chunk, before = string[begin : begin + 16], string[begin - 1]
        shift = 5 * (begin % WORD // 16)
        zero = (chunk + "0").index("0")
        rise = (before + chunk + "01").index("01")
        assert int(dut.zeros.value) >> shift & 31 == zero
        assert int(dut.rises.value) >> shift & 31 == min(rise, 16)
