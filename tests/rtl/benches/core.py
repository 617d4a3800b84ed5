"""Bench of Core: passes back to back, each started in the cycle in which the one before is done."""

import random

import cocotb
from amaranth.lib import data
from cocotb.triggers import RisingEdge, Timer
from core_cases import handful, prepare
from streams import StreamPort, bench_case, no_stalls, now, random_stalls, start_clock

from hwsim.arch import Arch
from rtl.codec.symbol import IndexEntry, Word
from rtl.core.payloads import ChannelScale, PassConfig, RowDescriptor, weight_word


class Raw(data.StructLayout):
    """Bits without fields."""

    def __init__(self, shape) -> None:
        super().__init__({"bits": data.Layout.cast(shape).size})


def bits(layout, fields) -> int:
    """A payload with nested or signed fields, as bits."""
    return data.Layout.cast(layout).const(fields).as_value().value


def raw(numbers) -> list[dict]:
    return [{"bits": number} for number in numbers]


class Pass:
    """What goes into a core for a pass, as bits."""

    def __init__(self, case, arch: Arch) -> None:
        stimulus, self.expected = prepare(case)
        geometry = stimulus.geometry
        self.config = bits(PassConfig(arch), geometry.config(arch))
        self.rows = raw(bits(RowDescriptor, row) for row in geometry.row_descriptors(arch))
        self.words = [
            {"data": int(word), "last": int(last)}
            for word, last in zip(stimulus.words, stimulus.last, strict=True)
        ]
        self.weights = raw(bits(weight_word(arch), [int(w) for w in word]) for word in stimulus.weights)
        self.scales = raw(
            bits(ChannelScale, {"bias": int(bias), "multiplier": int(multiplier)})
            for bias, multiplier in zip(stimulus.bias, stimulus.multiplier, strict=True)
        )
        self.scales += raw([0] * (arch.columns - len(self.scales)))


@cocotb.test(timeout_time=1, timeout_unit="ms")  # 100,000 cycles
async def passes_take_the_cycles_of_the_model_and_make_the_words_of_the_reference(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    stall = case["stalls"]
    stalls = (lambda: random_stalls(stall)) if stall else (lambda: no_stalls)
    passes = [Pass(one, arch) for one in handful(arch)]
    await start_clock(
        dut, "start", "words__valid", "rows__valid", "weights__valid", "scales__valid", "coded__ready",
        "index__ready",
    )  # fmt: skip
    words, rows = StreamPort(dut, "words", Word), StreamPort(dut, "rows", Raw(RowDescriptor))
    weights = StreamPort(dut, "weights", Raw(weight_word(arch)))
    scales = StreamPort(dut, "scales", Raw(ChannelScale))
    coded, index = StreamPort(dut, "coded", Word), StreamPort(dut, "index", IndexEntry)
    weights.ready = scales.ready = _Always
    all_words = sum(len(one.expected.words) for one in passes)
    all_entries = sum(len(one.expected.index) for one in passes)
    coded_task = cocotb.start_soon(coded.get(all_words, stalls()))
    index_task = cocotb.start_soon(index.get(all_entries, stalls()))

    await weights.put(passes[0].weights)
    await scales.put(passes[0].scales)
    for number, one in enumerate(passes):
        dut.start.value = 1
        dut.config.value = one.config
        await RisingEdge(dut.clk)
        dut.start.value = 0
        dut.config.value = random.getrandbits(len(dut.config))  # read with start alone
        begin = now()
        tasks = [cocotb.start_soon(words.put(one.words, stalls())), cocotb.start_soon(rows.put(one.rows))]
        if number + 1 < len(passes):
            tasks.append(cocotb.start_soon(weights.put(passes[number + 1].weights)))
            tasks.append(cocotb.start_soon(scales.put(passes[number + 1].scales)))
        await Timer(2, "ns")
        while not dut.done.value:
            assert dut.busy.value
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
        cycles = now() + 1 - begin
        if not stall:
            assert cycles == one.expected.timing.cycles, f"pass {number}"
        assert cycles >= one.expected.timing.cycles
        assert not dut.error.value
        for task in tasks:
            assert task.done(), f"pass {number} was done before its stimulus was in"

    await RisingEdge(dut.clk)
    got_words = [payload for _, payload in await coded_task]
    got_index = [payload for _, payload in await index_task]
    assert got_words == [
        {"data": int(word), "last": int(last)}
        for one in passes
        for word, last in zip(one.expected.words, one.expected.last, strict=True)
    ]
    assert got_index == [
        {"words": int(entry["words"]), "nonzeros": int(entry["nonzeros"])}
        for one in passes
        for entry in one.expected.index
    ]


class _Always:
    """The ready of a stream that is always ready."""

    value = 1
