"""Draw docs/images/rtl_timing.svg: a small pass in the RTL, cycle by cycle, from a simulation of the core.

python docs/pictures/rtl_timing.py
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from amaranth.sim import Simulator
from matplotlib.figure import Figure

from hwsim.arch import LINE_WORDS, WEIGHT_PORT_WORDS, Arch
from hwsim.codec.segments import encode_segments
from hwsim.layer import Layer
from hwsim.machine.descriptors import Code, PassGeometry, column_weights
from hwsim_rtl.core.core import Core

OUT = Path(__file__).resolve().parents[1] / "images" / "rtl_timing.svg"
ARCH = Arch(columns=2, accumulators=64, weight_words=64)
PERIOD = 2  # cycles from slot to slot, as of a core alone
LEAD = 2  # cycles from the start to cycle 0
VALUES = np.array(
    [
        [[3, 0, 0, 5, 1, 0], [0, 0, 0, 0, 0, 0], [7, 2, 0, 0, 0, 4]],
        [[0, 6, 0, 0, 0, 1], [2, 0, 0, 0, 0, 0], [0, 0, 9, 0, 1, 0]],
    ],
    np.uint16,
)  # (C, H, W)
GEOMETRY = PassGeometry(
    layer=Layer("small", "conv", "x", (2, 3, 6), (2, 2, 6), (2, 1)),
    channels=2,
    owned=[0, 1],
    out_channels=2,
    block=2,
    out_block=2,
    source=Code(8, 2),
    target=Code(8, 2),
    shift=1,
    relu=True,
)
# Title of a row of the picture, and the signals of the dump that are all high in a cycle in which it happens.
ROWS = (
    ("line of the map buffer read", ("reader.reads__valid",)),
    ("word enters the window of lane 0", ("decoder.words__0__valid", "decoder.words__0__ready")),
    ("word enters the window of lane 1", ("decoder.words__1__valid", "decoder.words__1__ready")),
    ("symbol out of the decoder, T + 2", ("decoder.symbols__valid",)),
    ("item chosen", ("chooser.chosen__valid", "chooser.chosen__ready")),
    ("tap leaves the scatter unit, S + 1 ..", ("scatter.taps__valid",)),
    ("weight word read", ("addresses.reads",)),
    ("sum read by the drain, DS .. DE", ("drain.reads__valid",)),
    ("value into the encoder", ("encoder.values__valid", "encoder.values__ready")),
    ("word out", ("coded__valid", "coded__ready")),
    ("done", ("done",)),
)
COLOURS = (
    *("#0072B2", "#0072B2", "#0072B2", "#56B4E9", "#56B4E9", "#009E73"),
    *("#009E73", "#D55E00", "#E69F00", "#0072B2", "#333333"),
)


def simulate() -> str:
    """Run the pass; the value change dump."""
    core = Core(ARCH)
    data, index = encode_segments(VALUES, GEOMETRY.block, GEOMETRY.source.order)
    words = index["words"].ravel().astype(int).tolist()  # of the segment of each row
    assert max(words) <= LINE_WORDS, "a segment does not fit a line"
    lines = [0] * len(words)  # a row of the map in each
    for y, (first, count) in enumerate(zip(np.cumsum(words) - words, words, strict=True)):
        of_row = data.view(">u8")[first : first + count].tolist()
        lines[y] = sum(word << 64 * i for i, word in enumerate(of_row))
    place = {"place_words": LINE_WORDS, "index_line": len(words)}
    config = {**GEOMETRY.config(ARCH, GEOMETRY.block), **place}
    weights = column_weights(np.arange(1, 9).reshape(2, 2, 2, 1), ARCH.columns, False)

    async def loads(ctx):  # weights first, then the pass
        for words_of_load in weights.reshape(-1, WEIGHT_PORT_WORDS, ARCH.columns).tolist():
            ctx.set(core.weights.payload, words_of_load)
            ctx.set(core.weights.valid, 1)
            await ctx.tick()
        ctx.set(core.weights.valid, 0)
        for _ in range(ARCH.columns):
            ctx.set(core.scales.payload, {"bias": 0, "multiplier": 1})
            ctx.set(core.scales.valid, 1)
            await ctx.tick()
        ctx.set(core.scales.valid, 0)
        ctx.set(core.config, config)
        for entry, count in enumerate(words):
            ctx.set(core.lengths[entry], {"words": count, "raw": 0})
        ctx.set(core.there, 3)
        ctx.set(core.coded.ready, 1)
        ctx.set(core.index.ready, 1)
        await ctx.tick().until(~core.busy)
        ctx.set(core.start, 1)
        await ctx.tick()
        ctx.set(core.start, 0)
        cycle = 1 - LEAD
        while not ctx.get(core.done):
            ctx.set(core.slot, cycle >= 0 and cycle % PERIOD == 0)
            reads, line = ctx.get(core.reads.valid), ctx.get(core.reads.payload)
            await ctx.tick()
            if reads:
                ctx.set(core.line, lines[line])
            cycle += 1

    async def rows(ctx):
        await ctx.tick().until(core.start)
        for row in GEOMETRY.row_descriptors(ARCH):
            await put(ctx, core.rows, row)

    async def map_rows(ctx):
        for y in range(len(words)):
            await put(ctx, core.map_rows, {"place": y * LINE_WORDS, "entry": y})

    async def wait(ctx):
        await ctx.tick().until(core.done)
        await ctx.tick().until(~core.encoding)  # the last segment's words leave when its form is known
        await ctx.tick().repeat(2)

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    for bench in (loads, rows, map_rows, wait):
        simulator.add_testbench(bench)
    dump = io.StringIO()
    with simulator.write_vcd(vcd_file=dump):
        simulator.run()
    return dump.getvalue()


async def put(ctx, stream, payload) -> None:
    """Send one payload and wait until it is taken."""
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    await ctx.tick().until(stream.ready)
    ctx.set(stream.valid, 0)


def happenings(dump: str) -> list[list[int]]:
    """Of every row, the cycles in which it happens."""
    names: dict[str, str] = {}  # signal -> its mark in the dump
    scope: list[str] = []
    values: dict[str, bool] = {}
    cycles: list[dict[str, bool]] = []  # values of all single bits at the end of each cycle
    for line in dump.splitlines():
        match line.split():
            case ["$scope", _, name, "$end"]:
                scope.append(name.split("$")[0])  # a number behind it tells two of one name apart
            case ["$upscope", "$end"]:
                scope.pop()
            case ["$var", _, "1", mark, name, "$end"]:
                names[".".join([*scope[2:], name])] = mark
            case [change] if change[0] in "01":
                high, mark = change[0] == "1", change[1:]
                if high and mark == names["clk"]:
                    cycles.append(dict(values))
                values[mark] = high
    start = next(n for n, now in enumerate(cycles) if now[names["start"]])
    of_pass = [(n - start - LEAD, now) for n, now in enumerate(cycles) if n > start]
    return [
        [cycle for cycle, now in of_pass if all(now[names[signal]] for signal in signals)]
        for _, signals in ROWS
    ]


def draw(rows: list[list[int]]) -> Figure:
    """One box a cycle."""
    last = max(map(max, rows)) + 1
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots()
    for row, (cycles, colour) in enumerate(zip(rows, COLOURS, strict=True)):
        axes.broken_barh([(cycle + 0.08, 0.84) for cycle in cycles], (-row - 0.35, 0.7), color=colour)
    axes.set_yticks([-row for row in range(len(ROWS))], [title for title, _ in ROWS])
    axes.set_xlim(0, last)
    axes.set_xticks(range(0, last + 1, 5))
    axes.set_xticks(range(last + 1), minor=True)
    axes.grid(axis="x", which="minor", linewidth=0.3, color="#dddddd")
    axes.grid(axis="x", which="major", linewidth=0.6, color="#bbbbbb")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("cycle of the pass")
    axes.set_title(
        "A pass in the RTL: 2 channels of 3 x 6, kernel 2 x 1, two output rows; from a simulation", loc="left"
    )
    return figure


def main() -> None:
    """Simulate and draw."""
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = "hwsim"
    OUT.parent.mkdir(exist_ok=True)
    draw(happenings(simulate())).savefig(OUT, metadata={"Date": None})
    print(OUT)


if __name__ == "__main__":
    main()
