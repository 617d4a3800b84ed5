"""Bench of SegEncoder: words and index entries of random segments, under random stalls on every stream."""

import random

import cocotb
from benches.values import encoded, random_values
from golden.symbols import seg, segment_bits, words_of
from streams import Coverage, StreamPort, bench_case, pack, start_clock

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.codec import symbol as payloads

LATENCY = 3  # of the docstring: last value to last word and index entry
ON_THE_WAY = 2  # value to a word that it fills before the end


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def words_and_entries_equal_the_golden_model(dut):
    case = bench_case()
    bits = case["activation_bits"]
    arch = Arch(activation_bits=bits)
    await start_clock(dut, "values__valid", "words__ready", "index__ready", "config")
    ports = (
        StreamPort(dut, "values", payloads.OutputValue(arch)),
        StreamPort(dut, "words", Word),
        StreamPort(dut, "index", IndexEntry),
    )
    cover = Coverage()
    for number in range(case["passes"]):
        await one_pass(dut, ports, bits, number, cover)
    cover.require("order", range(16))
    cover.require("raw")
    cover.require("length", [1, *range(3, case["longest"] + 1, 2)])
    cover.require("padding", [0, 1, 63])
    cover.require("padding in eighths of a word", range(8))
    cover.require("words of a segment", [1, 2, 3, 4])
    for stalled in ("values", "words", "index"):
        cover.require("stalled", [stalled])
    cover.require("back to back without a stall")


async def one_pass(dut, ports, bits: int, number: int, cover: Coverage) -> None:
    raw = number % 9 == 8
    order = None if raw else number % 16
    raw_bits = random.randint(1, bits)
    dut.config.value = pack(
        payloads.EncoderConfig.as_shape(),
        {"order": order or 0, "compressed": int(not raw), "raw_bits": raw_bits},
    )
    lengths = [random.choice([1, 1, 2, 3, 9, 20, 64, 130]) for _ in range(8)]
    segments = [random_values(count, raw_bits if raw else bits) for count in lengths]
    if order is not None:  # the ends of a word, on purpose: a zero is one bit
        for values, padding in zip(segments, (0, 1, 63), strict=False):
            values += [0] * ((-sum(len(seg(value, order)) for value in values) - padding) % 64)
    rates = {name: random.choice([0.0, 0.0, 0.3, 0.7]) for name in ("values", "words", "index")}
    if number % 3 == 0:
        rates = dict.fromkeys(rates, 0.0)
    strings = [segment_bits(values, order, raw_bits) for values in segments]
    words = [word for string in strings for word in words_of(string)]
    stream = [
        {"code": value, "segment_end": int(i == len(values) - 1)}
        for values in segments
        for i, value in enumerate(values)
    ]
    sent, got_words, got_entries = await encoded(
        dut, ports, stream, len(words), len(segments), rates, quiet=4
    )

    assert [word for _, word in got_words] == words
    assert [entry for _, entry in got_entries] == [
        {"words": len(string) // 64, "raw": int(raw), "nonzeros": sum(v != 0 for v in values)}
        for string, values in zip(strings, segments, strict=True)
    ]
    if not rates["words"] and not rates["index"]:
        check_times(segments, order, raw_bits, sent, got_words, got_entries)
    if not any(rates.values()):
        assert sent[-1][1] - sent[0][1] == len(stream) - 1, "not one value a cycle"
        cover.hit("back to back without a stall")
    for name, rate in rates.items():
        if rate:
            cover.hit("stalled", name)
    cover.hit("raw" if raw else "order", True if raw else order)
    for values, string in zip(segments, strings, strict=True):
        used = 0
        for value in values:
            length = raw_bits if order is None else len(seg(value, order))
            used += length
            if not raw and order == 0:
                cover.hit("length", length)
        padding = len(string) - used
        cover.hit("padding", padding)
        cover.hit("padding in eighths of a word", padding // 8)
        cover.hit("words of a segment", len(string) // 64)


def check_times(segments, order, raw_bits, sent, got_words, got_entries) -> None:
    """The latencies of the docstring, when neither words nor entries are stalled."""
    expected_words, expected_entries = [], []
    at = 0
    for values in segments:
        bits = 0
        for i, value in enumerate(values):
            taken = sent[at][1]
            before = bits // 64
            bits += raw_bits if order is None else len(seg(value, order))
            if i == len(values) - 1:
                if bits % 64 and bits // 64 > before:
                    expected_words.append(taken + ON_THE_WAY)
                expected_words.append(taken + LATENCY)
                expected_entries.append(taken + LATENCY)
            elif bits // 64 > before:
                expected_words.append(taken + ON_THE_WAY)
            at += 1
    assert [cycle for cycle, _ in got_words] == expected_words
    assert [cycle for cycle, _ in got_entries] == expected_entries
