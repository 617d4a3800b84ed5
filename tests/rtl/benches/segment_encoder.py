"""Bench of SegmentEncoder: every segment in its shorter form, and every word in its cycle."""

import random
from typing import Any

import cocotb
from benches.values import encoded, random_values
from golden.symbols import WORD, seg, segment_bits, words_of
from streams import Coverage, StreamPort, bench_case, pack, start_clock

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.codec import symbol as payloads

LATENCY = 3  # of SegEncoder, from the last value of a segment to its last word
ON_THE_WAY = 2  # to a word that a value fills before
KINDS = "one size", "rows with a tail", "one channel behind all", "changing sizes"


class FormedValues(StreamPort):
    """The stream of values; the configuration of the segment of each goes to ``config`` beside it."""

    config: Any

    def offer(self, payload: dict) -> None:
        value = dict(payload)
        self.config.value = value.pop("config")
        super().offer(value)


class Segment:
    """Random values with what is asked of them, and what must come of them.

    ``order``: k of SEG; None: raw without a choice. ``raw``: whether the segment must be.
    """

    def __init__(self, values: list[int], order: int | None, raw_bits: int) -> None:
        self.values, self.order, self.raw_bits = values, order, raw_bits
        plain = segment_bits([value % (1 << raw_bits) for value in values], None, raw_bits)
        coded = plain if order is None else segment_bits(values, order, raw_bits)
        self.raw = order is None or len(coded) > len(plain)
        self.bits, self.other = (plain, coded) if self.raw else (coded, plain)

    def stream(self) -> list[dict]:
        fields = {"order": self.order or 0, "compressed": int(self.order is not None)}
        config = pack(payloads.EncoderConfig.as_shape(), fields | {"raw_bits": self.raw_bits})
        last = len(self.values) - 1
        return [
            {"code": value, "segment_end": int(i == last), "config": config}
            for i, value in enumerate(self.values)
        ]

    def lengths(self) -> list[int]:
        """Bits of each value, as they are written."""
        if self.raw or self.order is None:
            return [self.raw_bits] * len(self.values)
        return [len(seg(value, self.order)) for value in self.values]


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def every_segment_has_its_shorter_form_and_every_word_its_cycle(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    await start_clock(dut, "values__valid", "words__ready", "index__ready", "config")
    values = FormedValues(dut, "values", payloads.OutputValue(arch))
    values.config = dut.config
    ports = values, StreamPort(dut, "words", Word), StreamPort(dut, "index", IndexEntry)
    cover = Coverage()
    for number in range(case["passes"]):
        await one_pass(dut, ports, arch, number, case["room"], cover)
    cover.require("form", ["raw from the start", "raw", "SEG", "SEG, of as many words"])
    cover.require("values", [1, 2, case["room"]])
    cover.require("words in the longer form, more", [1, 2])
    cover.require("exact", KINDS)
    cover.require("stalled", ["values", "words", "index"])


def sizes_of(kind: str, room: int, columns: int) -> list[int]:
    """Of segments that follow each other: as passes make them, or as they come."""
    if kind == "one size":
        return [random.choice([1, 2, 3, room // 4, room - 1, room, room])] * random.choice([3, 6])
    if kind == "one channel behind all":
        return [columns] * random.choice([0, 1, 2]) + [1] * (columns + 6)
    if kind == "rows with a tail":
        width = random.randint(1, room // columns)
        return [columns * width, random.randint(1, columns) * width] * 4
    return [random.choice([1, 1, 2, 5, random.randint(1, room), room]) for _ in range(20)]


async def one_pass(dut, ports, arch: Arch, number: int, room: int, cover: Coverage) -> None:
    kind = KINDS[number % len(KINDS)]
    bits = arch.activation_bits
    raw_bits = random.randint(1, bits)
    sizes = sizes_of(kind, room, arch.columns)
    forms = [random.choice([None, *range(16)])] * len(sizes)
    if kind == "changing sizes":
        forms = [random.choice([None, *range(16)]) for _ in forms]
    segments = []
    for size, order in zip(sizes, forms, strict=True):
        segments.append(Segment(random_values(size, raw_bits), order, raw_bits))
    rates = {name: random.choice([0.0, 0.0, 0.3, 0.7]) for name in ("values", "words", "index")}
    if number // len(KINDS) % 2 == 0:
        rates = dict.fromkeys(rates, 0.0)
    words = [word for each in segments for word in words_of(each.bits)]
    stream = [value for each in segments for value in each.stream()]
    sent, got_words, got_entries = await encoded(
        dut, ports, stream, len(words), len(segments), rates, quiet=8
    )

    assert [word for _, word in got_words] == words
    assert [entry for _, entry in got_entries] == [
        {
            "words": len(each.bits) // WORD,
            "raw": int(each.raw),
            "nonzeros": sum(value != 0 for value in each.values),
        }
        for each in segments
    ]
    # Values are taken as they come, unless many short segments are ready behind a long one.
    waited = any(begin != taken for begin, taken in sent)
    if not (rates["words"] or rates["index"] or (waited and kind == "changing sizes")):
        assert not waited
        due_words, due_entries = due(segments, [taken for _, taken in sent])
        assert [cycle for cycle, _ in got_words] == due_words
        assert [cycle for cycle, _ in got_entries] == due_entries
        cover.hit("exact", kind)
    for name, rate in rates.items():
        if rate:
            cover.hit("stalled", name)
    for each in segments:
        cover.hit("values", len(each.values))
        longer = (len(each.other) - len(each.bits)) // WORD
        cover.hit("words in the longer form, more", longer)
        if each.order is None:
            cover.hit("form", "raw from the start")
        else:
            cover.hit("form", "raw" if each.raw else "SEG, of as many words" if not longer else "SEG")


def due(segments: list[Segment], taken: list[int]) -> tuple[list[int], list[int]]:
    """Cycles of words and entries, if none has to wait: by docs/architecture.md, *Layer after layer*."""
    words, entries = [], []
    at, leaves = 0, -1
    for each in segments:
        mine = taken[at : at + len(each.values)]
        at += len(mine)
        used = 0
        for i, (cycle, length) in enumerate(zip(mine, each.lengths(), strict=True)):
            waits = each.order is not None and len(mine) > 1
            leaves = max(leaves + 1, mine[-1] + 6 if waits else cycle + 7)
            before, used = used // WORD, used + length
            if i + 1 == len(mine):
                if used % WORD and used // WORD > before:
                    words.append(leaves + ON_THE_WAY)
                words.append(leaves + LATENCY)
            elif used // WORD > before:
                words.append(leaves + ON_THE_WAY)
        entries.append(leaves + LATENCY)
    return words, entries
