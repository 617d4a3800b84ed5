"""Bench of Core: passes one after the other, every symbol, choice and slot in the cycle of the page."""

import random
from collections.abc import Callable
from itertools import chain

import cocotb
from bench_cases import all_cases, cover, require_all
from bench_pass import Pass, Raw, bits
from cocotb.triggers import RisingEdge, Timer
from mapped_cases import MappedPass, mapped_pass
from streams import Coverage, StreamPort, bench_case, now, random_stalls, start_clock, until_idle

from hwsim.arch import Arch
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.core import Events
from hwsim_rtl.core.payloads import ChannelScale, MapRow, PassConfig, RowDescriptor, weight_load

INPUTS = ("map_rows", "rows", "weights", "scales")
PERIODS = (2, 3, 5, 17)
LEAD = 2  # cycles from the start to cycle 0
VALID_AFTER = 2  # cycles from a symbol's to its being valid


@cocotb.test(timeout_time=0.6, timeout_unit="ms")  # 60,000 cycles
async def every_event_is_that_of_the_page_and_every_word_that_of_the_reference(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    cases = all_cases(arch, random.getrandbits(32))[:: 4 if case["stalls"] else 1]
    passes = [(Pass(one), mapped_pass(one, random.choice([0, 0, 200]))) for one in cases]
    coverage = Coverage()
    taken = ("coded__ready", "index__ready")
    inputs = [f"{name}__valid" for name in INPUTS]
    await start_clock(dut, "start", "abort_pass", "slot", "there", "line", *taken, *inputs)
    await until_idle(dut)
    layouts = MapRow, Raw(RowDescriptor), Raw(weight_load(arch)), Raw(ChannelScale)
    map_rows, rows, weights, scales = (
        StreamPort(dut, name, layout) for name, layout in zip(INPUTS, layouts, strict=True)
    )
    coded, index = StreamPort(dut, "coded", Word), StreamPort(dut, "index", IndexEntry)
    stalls = random_stalls(case["stalls"], 30)
    outputs = [
        cocotb.start_soon(port.get(sum(len(getattr(one, name)) for one, _ in passes), stalls))
        for name, port in (("coded", coded), ("index", index))
    ]
    # Rows are offered as early as can be, or stall, those of the next pass while this one runs.
    cocotb.start_soon(map_rows.put(chain.from_iterable(mapped.map_rows for _, mapped in passes)))
    late = random_stalls(case["stalls"], 30)
    cocotb.start_soon(rows.put(chain.from_iterable(one.rows for one, _ in passes), late))

    def load(one: Pass) -> list:
        return [
            cocotb.start_soon(weights.put(one.weights, random_stalls(case["stalls"] / 8))),
            cocotb.start_soon(scales.put(one.scales, random_stalls(case["stalls"]))),
        ]

    loads = load(passes[0][0])
    for number, (one, mapped) in enumerate(passes):
        for task in loads:
            await task
        # The weights of the next pass come while this one works, if they fit beside its own. It starts in the
        # cycle in which this one is done, if they are there then.
        after = passes[number + 1][0] if number + 1 < len(passes) else None
        ahead = after is not None and len(one.weights) + len(after.weights) <= arch.weight_words // 2
        loads = load(after) if after and ahead else []

        at_once = []

        def next_starts(ahead: bool = ahead, loads: list = loads, told: list = at_once) -> bool:
            told.append(ahead and all(task.done() for task in loads))
            return told[-1]

        exact, period = not case["stalls"], random.choice(PERIODS)
        await run(dut, arch, mapped, period, exact, late=lambda: rows.is_late, follows=next_starts)
        coverage.hit("next pass", "at once" if at_once[-1] else "later")
        if after and not ahead:
            loads = load(after)
        assert not dut.error.value
        # What its last segments are made of may leave later, while the next pass is under way.
        for port, name in ((coded, "coded"), (index, "index")):
            made = sum(len(getattr(each, name)) for each, _ in passes[: number + 1])
            assert port.got <= made
            coverage.hit("words leave", "with the pass" if port.got == made else "after it")
        cover(coverage, one.case)
    while dut.encoding.value:
        await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    coverage.require("next pass", ["at once", "later"])
    coverage.require("words leave", ["after it"])
    for name, task in zip(("coded", "index"), outputs, strict=True):
        assert task.done(), f"{name}: too few"
        taken = [payload for _, payload in await task]
        assert taken == list(chain.from_iterable(getattr(one, name) for one, _ in passes))
    if not case["stalls"]:
        require_all(coverage, arch)


async def run(
    dut,
    arch: Arch,
    mapped: MappedPass,
    period: int,
    exact: bool = True,
    until: int | None = None,
    late: Callable[[], bool] = lambda: False,
    follows: Callable[[], bool] = lambda: False,
) -> int:
    """One pass; with ``exact`` every event is compared, else that it takes no fewer cycles, and at most one
    more for each cycle in which an output waits to be taken, or a row descriptor is ``late``.

    ``until``: the cycle before which it is left alone, unless it is done. ``follows``: asked in the cycle in
    which it is done, whether another one starts in this cycle; then it ends in it, else in the next one.

    Returns:
        The cycles that it took.
    """
    expected = mapped.stepped(period)
    want = {
        "symbol": sorted(cycle for _, cycle in expected.symbols),
        "chosen": [(lane, chosen) for lane, chosen, _, _ in expected.taken],
        "served": [(lane, cycle) for cycle, lane in expected.served],
    }
    got: dict[str, list] = {"symbol": [], "chosen": [], "served": []}
    reads: int | None = None
    waited = 0
    begin = now() + LEAD
    while True:
        cycle = now() - begin
        dut.start.value = int(cycle == -LEAD)
        config = mapped.config if cycle == -LEAD else None
        if config:
            dut.config.value = bits(PassConfig(arch), config)["bits"]
        else:
            dut.config.value = random.getrandbits(len(dut.config))
        dut.lengths.value = mapped.lengths if config else random.getrandbits(256)
        words = [random.getrandbits(64)] * 8 if reads is None else mapped.lines[reads].tolist()
        dut.line.value = sum(word << 64 * i for i, word in enumerate(words))
        slot = cycle % period == 0
        dut.slot.value = int(slot)
        await Timer(2, "ns")
        asks = [int(dut.asks__0.value), int(dut.asks__1.value)]
        there = [line < len(mapped.there) and bool(mapped.there[line] <= cycle) for line in asks]
        dut.there.value = int(there[0]) + 2 * int(there[1])
        await Timer(2, "ns")
        events = Events.as_shape()
        seen = {name: int(dut.events.value) >> field.offset for name, field in events}
        if seen["symbol"] & 1:
            got["symbol"].append(cycle - VALID_AFTER)
        got["chosen"] += [(lane, cycle) for lane in (0, 1) if seen["chosen"] >> lane & 1]
        got["served"] += [(lane, cycle - 1) for lane in (0, 1) if seen["served"] >> lane & 1]
        reads = int(dut.reads__payload.value) if dut.reads__valid.value else None
        waited += late() or any(
            getattr(dut, f"{name}__valid").value and not getattr(dut, f"{name}__ready").value
            for name in ("coded", "index")
        )
        if dut.done.value and cycle > -LEAD:  # before, it is that of the pass before
            break
        if cycle == until:
            return cycle + 1
        assert cycle < 8 * expected.cycles + 2000, "the pass does not end"
        await RisingEdge(dut.clk)
    if exact:
        assert got["served"] == want["served"], mapped.case
        assert got["symbol"] == want["symbol"], mapped.case
        assert got["chosen"] == want["chosen"], mapped.case
        assert cycle == expected.cycles - 1, mapped.case
    elif until is None:
        assert 0 <= cycle - (expected.cycles - 1) <= waited, mapped.case
    if not follows():
        await RisingEdge(dut.clk)
        dut.slot.value = dut.start.value = 0
    return cycle + 1
