"""Bench of Decoder: in both lanes, symbols and the cycle of every segment, word and symbol."""

import random
from itertools import pairwise, product

import cocotb
from benches.values import all_runs, faults, random_values
from cocotb.triggers import RisingEdge
from golden.symbols import decode_times, segment_bits, symbols_of, words_of
from streams import Coverage, StreamPort, bench_case, now, pack, random_stalls, start_clock, unpack

from hwsim.arch import Arch
from hwsim_rtl.bits.word import Word
from hwsim_rtl.codec import symbol as payloads

LANES = (0, 1)
MODES = list(product((True, False), (0.0, 1.0, 0.4)))  # skip_zeros, share of segments that are raw
HELD = 5  # segments of a lane
VALID_AFTER = 2  # cycles from a symbol's to its being valid


class Device:
    """The decoder with its streams."""

    def __init__(self, dut, arch: Arch) -> None:
        self.dut = dut
        self.arch = arch
        self.segments = [StreamPort(dut, f"segments__{lane}", payloads.Segment) for lane in LANES]
        self.words = [StreamPort(dut, f"words__{lane}", Word) for lane in LANES]
        self.symbols = StreamPort(dut, "symbols", payloads.Symbol(arch))
        self.credits: tuple[list[bool], list[bool]] = ([], [])  # by lane and cycle

    async def give_credit(self, rate: float) -> None:
        source = random.Random(random.getrandbits(64))
        while True:
            credit = [source.random() < rate for _ in LANES]
            for one, known in zip(credit, self.credits, strict=True):
                known.extend([False] * (now() - len(known)) + [one])
            self.dut.credit.value = credit[0] + 2 * credit[1]
            await RisingEdge(self.dut.clk)

    async def start(self, **config: int) -> int:
        """Configure and start a pass; returns its cycle 0."""
        self.dut.config.value = pack(payloads.CodeConfig.as_shape(), config)
        self.dut.start.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.start.value = 0
        return now()


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def symbols_and_times_equal_the_golden_model(dut):
    case = bench_case()
    arch = Arch(run_max=case["run_max"], activation_bits=case["activation_bits"])
    device = await begin(dut, arch)
    cover = Coverage()
    for number in range(case["passes"]):
        await one_pass(device, number, cover)
    cover.require("order", range(16))
    cover.require("skip_zeros, raw", product((True, False), (True, False)))
    cover.require("raw and in SEG one after the other", product((True, False), (True, False)))
    cover.require("raw bits", range(1, arch.activation_bits + 1))
    cover.require("run", range(3 * arch.run_max + 1))
    cover.require("length", range(1, case["longest"] + 1))
    cover.require("padding", [0])
    cover.require("padding in eighths of a word", range(8))
    cover.require("segments of one symbol, one after the other")
    cover.require("segments of a lane", [0, 1, "more than it holds"])
    cover.require("segment waits for room")
    cover.require("word waits for room")
    cover.require("symbol waits for a word")
    cover.require("symbol waits for credit")
    cover.require("a symbol in each of ten cycles")


async def begin(dut, arch: Arch) -> Device:
    inputs = [f"{name}__{lane}__valid" for name in ("segments", "words") for lane in LANES]
    await start_clock(dut, "start", "credit", *inputs)
    return Device(dut, arch)


async def one_pass(device: Device, number: int, cover: Coverage) -> None:
    dut, arch = device.dut, device.arch
    skip_zeros, share = MODES[number // 2 % len(MODES)] if number % 2 else MODES[0]
    order = number // 2 % 16
    raw_bits = number // 4 % arch.activation_bits + 1  # in two passes, one of which has raw segments
    bits = raw_bits if share else arch.activation_bits
    sizes = random.choice([[1, 2], [1, 17], [5, 17], [64], [100, 200], [48, 49]])
    counts = random.choice([(0, 9), (1, 3), (1, 0), (3, 9), (9, 1), (3, 0)])
    lanes = [[random_values(random.choice(sizes), bits) for _ in range(count)] for count in counts]
    if number in (0, 2 * 15):  # the orders of the longest codes, in one lane or the other
        lanes[number // 30] = [all_runs(3 * arch.run_max + 2, bits)]
    raw = [[random.random() < share or (i == 0 and share > 0) for i in range(len(lane))] for lane in lanes]
    coded = [
        [(values, None if is_raw else order) for values, is_raw in zip(segments, mine, strict=True)]
        for segments, mine in zip(lanes, raw, strict=True)
    ]
    expected = [
        [symbols_of(values, order, raw_bits, arch.run_max, skip_zeros) for values, order in segments]
        for segments in coded
    ]
    strings = [[segment_bits(values, order, raw_bits) for values, order in segments] for segments in coded]

    credit = cocotb.start_soon(device.give_credit(random.choice([1.0, 1.0, 0.5])))
    first = await device.start(order=order, skip_zeros=int(skip_zeros), raw_bits=raw_bits)
    stalls = random.choice([0.0, 0.0, 0.2, 0.7])
    senders = []
    for lane in LANES:
        heads = [
            {"values": len(values), "raw": int(is_raw)}
            for values, is_raw in zip(lanes[lane], raw[lane], strict=True)
        ]
        words = [word for string in strings[lane] for word in words_of(string)]
        senders.append(
            (
                cocotb.start_soon(device.segments[lane].put(heads, random_stalls(stalls))),
                cocotb.start_soon(device.words[lane].put(words, random_stalls(stalls))),
            )
        )
    flat = [[symbol for symbols in lane for symbol in symbols] for lane in expected]
    received = await device.symbols.get(sum(len(symbols) for symbols in flat))
    sent = [(await heads, await words) for heads, words in senders]
    credit.cancel()
    dut.credit.value = 0
    while dut.running.value:
        await RisingEdge(dut.clk)
    for _ in range(3):
        await RisingEdge(dut.clk)
    assert not dut.error.value, "error on a legal stream"

    cycles = [cycle for cycle, _ in received]
    if any(after - before == 9 for before, after in zip(cycles, cycles[9:], strict=False)):
        cover.hit("a symbol in each of ten cycles")
    for lane in LANES:
        mine = [(cycle, got) for cycle, got in received if got["lane"] == lane]
        assert len(mine) == len(flat[lane])
        check_lane(device, lane, first, expected[lane], strings[lane], *sent[lane], mine, cover)
    for each in raw:
        for is_raw in each:
            cover.hit("skip_zeros, raw", (skip_zeros, is_raw))
            cover.hit("raw bits" if is_raw else "order", raw_bits if is_raw else order)
        for pair in pairwise(each):
            cover.hit("raw and in SEG one after the other", pair)


def check_lane(device, lane, first, expected, strings, heads, words, received, cover) -> None:
    """The symbols of a lane, and every cycle."""
    bound = [cycle for _, cycle in heads]  # in which each segment was taken
    there, at = [], 0
    for number, string in enumerate(strings):
        for _ in range(len(string) // 64):
            there.append(max(words[at][0], bound[number] + 1))
            at += 1
    times = decode_times(expected, there, device.credits[lane], first + lane)
    assert [entered for _, entered in words] == times.entered
    ends = []  # cycle of the last symbol of each segment
    at = 0
    for number, symbols in enumerate(expected):
        for symbol in symbols:
            cycle, got = received[at]
            where = (lane, number, at, symbol)
            assert (got["run"], got["present"]) == (symbol.run, symbol.value is not None), where
            assert symbol.value is None or got["value"] == symbol.value, (*where, got)
            assert got["segment_end"] == symbol.ends, where
            assert cycle == times.consumed[at] + VALID_AFTER, where
            cover.hit("run", symbol.run)
            cover.hit("length", symbol.length)
            at += 1
        ends.append(times.consumed[at - 1])
    for number, (offered, taken) in enumerate(heads):
        earliest = max(offered, first, bound[number - 1] + 1 if number else 0)
        room = ends[number - HELD] + 1 if number >= HELD else 0
        assert taken == turn(max(earliest, room), first + lane), (lane, number)
        if room > earliest + 1:
            cover.hit("segment waits for room")

    for symbols, string in zip(expected, strings, strict=True):
        padding = len(string) - sum(symbol.length for symbol in symbols)
        cover.hit("padding", padding)
        cover.hit("padding in eighths of a word", padding // 8)
    for before, after in pairwise(expected):
        if len(before) == len(after) == 1:
            cover.hit("segments of one symbol, one after the other")
    cover.hit("segments of a lane", len(strings) if len(strings) <= HELD else "more than it holds")
    for (_, before), (_, entered), ready in zip(words, words[1:], there[1:], strict=False):
        if entered > max(ready, before + 1) + 1:
            cover.hit("word waits for room")
    for before, after in zip(times.consumed, times.consumed[1:], strict=False):
        if after > before + 2:
            waits = device.credits[lane][before + 2]
            cover.hit("symbol waits for a word" if waits else "symbol waits for credit")


def turn(cycle: int, own: int) -> int:
    """The first cycle from ``cycle`` on that is as odd as ``own``."""
    return cycle + (own - cycle) % 2


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def a_fault_in_one_lane_ends_both_with_their_own_words(dut):
    """Each fault in each of three segments of a lane, beside good ones; then a good pass."""
    bits, run_max = bench_case()["activation_bits"], bench_case()["run_max"]
    device = await begin(dut, Arch(run_max=run_max, activation_bits=bits))
    for number, order in enumerate((0, 1, 5, 15, None)):
        for (name, whole, string), place in product(faults(order, bits), range(3)):
            lane = (number + place) % 2
            config = {"order": order or 0, "skip_zeros": 1, "raw_bits": bits}
            heads = [{"values": len(whole), "raw": int(order is None)}] * 3
            good = [segment_bits(whole, order, bits)] * 3
            wrong = [string if i == place else one for i, one in enumerate(good)]
            where = f"{name} in segment {place} of lane {lane}, order {order}"
            both = [good, good]
            both[lane] = wrong
            failed_at = await to_the_end(device, heads, both, where, lane, **config)
            assert failed_at is not None, f"{where}: no error"
            assert failed_at >= place * len(whole), f"{where}: error in a good segment"
            if name.startswith("code"):  # the first one is at fault: a cycle later, no other symbol is out
                assert failed_at == place * len(whole) + 1, f"{where}: error not at its symbol"
            assert dut.error.value, "error is sticky"
            failed_at = await to_the_end(device, heads, [good, good], where, lane, **config)
            assert failed_at is None, f"after {where}: error"
    await one_pass(device, 3, Coverage())


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def a_reset_in_any_cycle_leaves_nothing(dut):
    """Passes cut off after some cycles, with words and segments at the door, each before a whole one."""
    bits, run_max = bench_case()["activation_bits"], bench_case()["run_max"]
    device = await begin(dut, Arch(run_max=run_max, activation_bits=bits))
    words = words_of(segment_bits(random_values(40, bits), 2, bits)) * 4
    for cycles in (0, 1, 2, 3, 4, 5, 6, 7, 8, 13, 20, 33):
        await device.start(order=2, skip_zeros=1, raw_bits=bits)
        dut.credit.value = 3
        tasks = [cocotb.start_soon(port.put([{"values": 40, "raw": 0}] * 8)) for port in device.segments]
        tasks += [cocotb.start_soon(port.put(words)) for port in device.words]
        for _ in range(cycles):
            await RisingEdge(dut.clk)
        dut.rst.value = 1
        await RisingEdge(dut.clk)
        dut.rst.value = 0
        for task in tasks:
            task.cancel()
        for port in (*device.segments, *device.words):
            port.valid.value = 0
        dut.credit.value = 0
        await RisingEdge(dut.clk)
        assert not dut.running.value, f"after a reset in cycle {cycles}"
        await one_pass(device, 2 * cycles + 1, Coverage())


async def to_the_end(
    device: Device, heads: list[dict], strings: list[list[str]], where: str, lane: int, **config: int
) -> int | None:
    """Run a pass of such segments in each lane, with words in both that nobody asked for behind its own.

    Returns:
        How many values of the lane had come when ``error`` rose, if it did.
    """
    dut = device.dut
    count = sum(head["values"] for head in heads)
    await device.start(**config)
    dut.credit.value = 3
    before = [port.sent for port in device.words]
    senders = []
    for port, words, segments in zip(device.segments, device.words, strings, strict=True):
        own = [word for string in segments for word in words_of(string)]
        senders.append(cocotb.start_soon(port.put(heads)))
        senders.append(cocotb.start_soon(words.put([*own, *words_of("1" * 64)])))
    seen, failed_at, idle = [0, 0], None, 0
    for _ in range(1500):
        await RisingEdge(dut.clk)
        if dut.error.value and failed_at is None:
            failed_at = seen[lane]
        if dut.symbols__valid.value:
            symbol = unpack(payloads.Symbol(device.arch), int(dut.symbols__payload.value))
            seen[symbol["lane"]] += symbol["run"] + symbol["present"]
        idle = 0 if dut.running.value else idle + 1
        if idle == 8:
            break
    assert idle == 8, f"{where}: the pass does not end"
    assert seen == [count, count], where
    for port, segments, sent in zip(device.words, strings, before, strict=True):
        assert port.sent - sent == sum(len(string) for string in segments) // 64, f"{where}: words of nobody"
    for sender in senders:
        sender.cancel()
    for port in (*device.segments, *device.words):
        port.valid.value = 0
    dut.credit.value = 0
    return failed_at
