"""Bench of SegDecoder: symbols, and the cycle of every word and symbol, on random rows."""

import random
from itertools import pairwise, product

import cocotb
from benches.values import all_runs, faults, random_values
from cocotb.triggers import RisingEdge
from golden.symbols import Symbol, decode_times, segment_bits, symbols_of, words_of
from streams import Coverage, StreamPort, bench_case, now, pack, random_stalls, start_clock, unpack

from hwsim.arch import Arch
from hwsim_rtl.bits.word import Word
from hwsim_rtl.codec import symbol as payloads

MODES = list(product((True, False), repeat=2))  # skip_zeros, compressed


class Device:
    """The decoder with its streams, one pass at a time."""

    def __init__(self, dut, arch: Arch) -> None:
        self.dut = dut
        self.arch = arch
        self.words = StreamPort(dut, "words", Word)
        self.symbols = StreamPort(dut, "symbols", payloads.Symbol(arch))
        self.credits: list[bool] = []  # by cycle

    async def give_credit(self, rate: float) -> None:
        source = random.Random(random.getrandbits(64))
        while True:
            credit = source.random() < rate
            self.credits.extend([False] * (now() - len(self.credits)) + [credit])
            self.dut.credit.value = int(credit)
            await RisingEdge(self.dut.clk)

    async def start(self, **config: int) -> int:
        """Configure and start a pass; returns its cycle 0."""
        self.dut.config.value = pack(payloads.DecoderConfig.as_shape(), config)
        self.dut.start.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.start.value = 0
        return now()


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def symbols_and_times_equal_the_golden_model(dut):
    case = bench_case()
    arch = Arch(run_max=case["run_max"], activation_bits=case["activation_bits"])
    await start_clock(dut, "start", "credit", "words__valid")
    device = Device(dut, arch)
    cover = Coverage()
    for number in range(case["passes"]):
        await one_pass(device, number, cover)
    cover.require("order", range(16))
    cover.require("skip_zeros, compressed", MODES)
    cover.require("raw bits", range(1, arch.activation_bits + 1))
    cover.require("run", range(3 * arch.run_max + 1))
    cover.require("length", range(1, case["longest"] + 1))
    cover.require("padding", [0])
    cover.require("padding in eighths of a word", range(8))
    cover.require("segments of one symbol, back to back")
    cover.require("word waits for room")
    cover.require("symbol waits for a word")
    cover.require("symbol waits for credit")


async def one_pass(device: Device, number: int, cover: Coverage) -> None:
    dut, arch = device.dut, device.arch
    skip_zeros, compressed = MODES[number // 2 % len(MODES)] if number % 2 else MODES[0]
    order = number // 2 % 16 if compressed else None
    raw_bits = number // 4 % arch.activation_bits + 1
    segments = random.randint(1, 4)
    full, tail = random.choice([(1, 1), (2, 1), (17, 5), (64, 64), (200, 100), (49, 48)])
    bits = arch.activation_bits if compressed else raw_bits
    counts = ([full] * (segments - 1) + [tail]) * random.randint(1, 3)
    rows = [random_values(count, bits) for count in counts]
    if number in (0, 2 * 15):  # the orders of the longest codes
        rows = [all_runs(3 * arch.run_max + 2, bits)]
        segments, full, tail = 1, 1, len(rows[0])
    expected = [symbols_of(values, order, raw_bits, arch.run_max, skip_zeros) for values in rows]
    bit_strings = [segment_bits(values, order, raw_bits) for values in rows]
    words = [word for string in bit_strings for word in words_of(string)]

    credit = cocotb.start_soon(device.give_credit(random.choice([1.0, 1.0, 0.5])))
    first = await device.start(
        order=order or 0,
        compressed=int(compressed),
        skip_zeros=int(skip_zeros),
        raw_bits=raw_bits,
        rows=len(rows) // segments,
        segments=segments,
        full_values=full,
        tail_values=tail,
    )
    sender = cocotb.start_soon(device.words.put(words, random_stalls(random.choice([0.0, 0.0, 0.2, 0.7]))))
    flat = [symbol for symbols in expected for symbol in symbols]
    received = await device.symbols.get(len(flat))
    sent = await sender
    await RisingEdge(dut.clk)
    credit.cancel()
    dut.credit.value = 0
    assert not dut.error.value, "error on a legal stream"

    times = decode_times(expected, [there for there, _ in sent], device.credits, first)
    assert [entered for _, entered in sent] == times.entered
    at = 0
    for i, symbols in enumerate(expected):
        for symbol in symbols:
            cycle, got = received[at]
            assert (got["run"], got["present"]) == (symbol.run, symbol.value is not None), (i, at, symbol)
            assert symbol.value is None or got["value"] == symbol.value, (i, at, symbol, got)
            assert got["segment_end"] == symbol.ends
            assert got["row_end"] == (symbol.ends and i % segments == segments - 1)
            assert cycle == times.consumed[at] + 1, (i, at)
            at += 1
    cover.hit("skip_zeros, compressed", (skip_zeros, compressed))
    if compressed:
        cover.hit("order", order)
    else:
        cover.hit("raw bits", raw_bits)
    note_coverage(cover, expected, bit_strings, sent, times, device.credits)


def note_coverage(cover: Coverage, expected: list[list[Symbol]], bit_strings, sent, times, credits) -> None:
    for symbols, string in zip(expected, bit_strings, strict=True):
        for symbol in symbols:
            cover.hit("run", symbol.run)
            cover.hit("length", symbol.length)
        padding = len(string) - sum(symbol.length for symbol in symbols)
        cover.hit("padding", padding)
        cover.hit("padding in eighths of a word", padding // 8)
    for before, after in pairwise(expected):
        if len(before) == len(after) == 1:
            cover.hit("segments of one symbol, back to back")
    for (there, entered), (_, before) in zip(sent[1:], sent, strict=False):
        if entered > max(there, before + 1):
            cover.hit("word waits for room")
    for before, after in pairwise(times.consumed):
        if after > before + 1:
            cover.hit("symbol waits for a word" if credits[before + 1] else "symbol waits for credit")


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_fault_sets_error_and_the_pass_ends_with_its_own_words(dut):
    """Each fault in each of three segments; then a good pass, whose words wait behind those at fault."""
    bits, run_max = bench_case()["activation_bits"], bench_case()["run_max"]
    await start_clock(dut, "start", "credit", "words__valid")
    device = Device(dut, Arch(run_max=run_max, activation_bits=bits))
    for order in (0, 1, 5, 15, None):
        for (name, whole, string), place in product(faults(order, bits), range(3)):
            strings = [segment_bits(whole, order, bits)] * 3
            config = {
                "order": order or 0,
                "compressed": int(order is not None),
                "skip_zeros": 1,
                "raw_bits": bits,
                "rows": 1,
                "segments": 3,
                "full_values": len(whole),
                "tail_values": len(whole),
            }
            right = [word for one in strings for word in words_of(one)]
            strings[place] = string
            wrong = [word for one in strings for word in words_of(one)]
            sent = device.words.sent
            sender = cocotb.start_soon(device.words.put([*wrong, *right]))
            where = f"{name} in segment {place}, order {order}"
            failed_at = await to_row_end(device, 3 * len(whole), where, **config)
            assert failed_at is not None, f"{where}: no error"
            assert failed_at >= place * len(whole), f"{where}: error in a good segment"
            if name.startswith("code"):  # the first one is at fault: two cycles later, no other symbol is out
                assert failed_at == place * len(whole) + 1, f"{where}: error not at its symbol"
            while dut.running.value:
                await RisingEdge(dut.clk)
            for _ in range(5):
                await RisingEdge(dut.clk)
                assert not dut.words__ready.value, f"{where}: a word of the next pass is taken"
            assert device.words.sent == sent + len(wrong)
            assert dut.error.value, "error is sticky"
            failed_at = await to_row_end(device, 3 * len(whole), f"after {where}", **config)
            assert failed_at is None, f"after {where}: error"
            await sender
    await one_pass(device, 3, Coverage())


async def to_row_end(device: Device, count: int, where: str, **config: int) -> int | None:
    """Run a pass of one row of so many values; returns how many had come when ``error`` rose, if it did."""
    dut = device.dut
    await device.start(**config)
    dut.credit.value = 1
    seen, failed_at, row_end = 0, None, False
    for _ in range(600):
        await RisingEdge(dut.clk)
        if dut.error.value and failed_at is None:
            failed_at = seen
        if dut.symbols__valid.value:
            assert not row_end, f"{where}: a symbol after the last one"
            symbol = unpack(payloads.Symbol(device.arch), int(dut.symbols__payload.value))
            seen += symbol["run"] + symbol["present"]
            row_end = bool(symbol["row_end"])
        elif row_end and (failed_at is not None or not dut.running.value):
            dut.credit.value = 0
            assert seen == count, where
            return failed_at
    raise AssertionError(f"{where}: the pass does not end")
