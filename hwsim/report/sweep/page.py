"""``sweep.html``: the machines of a sweep to look at, filter, sort and hold against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwsim.report import html, text
from hwsim.report.plots import Plot
from hwsim.report.plots.style import ramp
from hwsim.report.sweep.plots import SHOW
from hwsim.report.sweep.summary import Summary
from hwsim.sweep.space import Range

_BEST = {
    "cycles": "Fewest cycles",
    "seconds": "Least time",
    "energy_uj": "Least energy",
    "luts": "Fewest LUTs",
    "sram_bytes": "Least on-chip memory",
    "dram_bytes": "Least DRAM traffic",
}
_WORDS = {
    "machine": "a point of the space; its number is its point in points.parquet",
    "feasible": "runs all traces, and keeps the constraints on each",
    "Pareto front": "the feasible machines that no other one beats in one of two measures without being "
    "worse in the other; of machines equal in both, the first",
    "cycles, time, energy, DRAM bytes": "of one image, averaged over the images; over all traces, their sum",
    "time on an ECP5": "of one image at the clock that the slowest part of a core has there, placed alone; "
    "it tells how fast a machine is where the number of lanes differs",
    "LUTs, DSPs, block RAMs": "of all cores on a Lattice ECP5, estimated from synthesis of the components, "
    "with the block RAMs of the map buffer and without what joins the cores",
    "on-chip memory": "accumulators, weight memory and map buffer, bytes",
    "speedup over dense": "cycles of the same machine as dense baseline / cycles",
    "sensitivity": "epsilon squared: the part of the variance of the logarithm, over the feasible machines, "
    "that the means by a field's values (or ranges of them) explain, less what chance would explain; parts "
    "need not sum to 100 %, since fields interact and constraints tie them together",
    "tied": "two fields of which, over the feasible machines, one tells the other: what either explains, "
    "both do",
}


def sweep_page(summary: Summary, plots: Sequence[Plot]) -> str:
    """The whole document. It holds ``summary.json`` and shows nothing else.

    Args:
        summary: of the sweep.
        plots: of :func:`hwsim.report.sweep.plots.draw_sweep`; that of the sensitivity is inlined.
    """
    machines = summary.machines
    return html.page(
        f"{machines.title} - hwsim sweep",
        [
            "<header>",
            f"<h1>{html.escape(machines.title)}</h1>",
            html.badges(machines.marks),
            html.paragraph(_lead(summary), "lead"),
            "</header>",
            *(_explore(summary, plots) if machines.feasible.any() else ()),
            *_refused(machines.refused),
            '<div class="pair"><section>',
            html.heading("Space"),
            html.facts(_space_facts(summary)),
            "</section><section>",
            html.heading("Traces"),
            html.facts((trace.label, _trace_words(trace.images, trace.path)) for trace in machines.traces),
            "</section></div>",
            html.heading("What the words mean"),
            html.facts(_WORDS.items()),
            html.data("summary", summary.to_json()),
        ],
        styles=("style.css", "sweep.css"),
        scripts=("sort.js", "sweep.js"),
    )


def _explore(summary: Summary, plots: Sequence[Plot]) -> list[str]:
    """The parts that the script fills, with the plot that needs none."""
    colours = " ".join(ramp(101))
    return [
        html.tiles(_headline(summary)),
        html.heading("Trade-offs"),
        html.paragraph(
            "Each dot is a machine; the line is the front of those shown. "
            "The filters below hold for everything on this page but the sensitivity."
        ),
        f'<div class="panel" id="explorer" data-ramp="{colours}">',
        '<div class="controls" id="controls"></div>',
        '<div id="scatter"></div><div class="levels" id="levels"></div>',
        '<p class="muted" id="pointed">Point at a machine, or tap it, to see what it is.</p>',
        "</div>",
        html.heading("Filters"),
        '<div class="panel filters" id="filters"></div>',
        html.heading("Two parameters"),
        html.paragraph("The best machine for each pair of values, whatever its other fields are."),
        '<div class="panel"><div class="controls" id="heat-controls"></div>'
        '<div class="scroll plain"><table class="heat" id="heat"></table></div></div>',
        html.heading("Which parameter matters"),
        html.plots(plot for plot in plots if plot.name == "sensitivity"),
        html.heading("Machines"),
        '<p id="count"></p><div class="scroll tall" tabindex="0"><table id="machines"></table></div>',
        '<p><button type="button" class="more" id="more">Show more</button></p>',
        "<noscript><p>Without JavaScript: the pictures and summary.json beside this page.</p></noscript>",
    ]


def _lead(summary: Summary) -> str:
    machines = summary.machines
    count, fits = len(machines.numbers), int(machines.feasible.sum())
    traces = " and ".join(trace.label for trace in machines.traces)
    words = f"{text.whole(count)} machine{'s' * (count != 1)} over {traces}: "
    if not fits:
        return words + "none is feasible. Below is why."
    best = summary.best[machines.speed]
    fastest = machines.total[machines.speed][best]
    first = summary.ranking[0]
    share = summary.sensitivity[first][machines.speed]
    matters = f" What matters most for speed is {first} ({text.percent(share)})." if share else ""
    unit = " cycles" if machines.speed == "cycles" else ""
    each = "an image" if len(machines.traces) == 1 else "an image of every trace, one after the other"
    return (
        f"{words}{text.whole(fits)} feasible. The fastest takes {SHOW[machines.speed](fastest)}{unit} "
        f"for {each} ({_fields(summary, best)}).{matters}"
    )


def _headline(summary: Summary) -> list[html.Headline]:
    total = summary.machines.total
    return [
        html.Headline(
            _BEST[metric],
            SHOW[metric](float(total[metric][at])),
            f"machine {summary.machines.numbers[at]}: {_fields(summary, at)}",
        )
        for metric, at in summary.best.items()
    ]


def _fields(summary: Summary, position: int) -> str:
    return ", ".join(
        f"{name} {text.value(values[position])}" for name, values in summary.machines.fields.items()
    )


def _refused(reasons: Mapping[str, int]) -> list[str]:
    if not reasons:
        return []
    return [
        html.heading("What is not feasible"),
        html.facts((f"{text.whole(n)} machine{'s' * (n != 1)}", reason) for reason, n in reasons.items()),
    ]


def _space_facts(summary: Summary) -> list[tuple[str, Any]]:
    space = summary.machines.space
    swept = [
        (name, _range_words(values) if isinstance(values, Range) else values)
        for name, values in space.space.items()
    ]
    bounds = [
        (f"constraint: {name}", ", ".join(f"{side} {value:g}" for side, value in bound if value is not None))
        for name, bound in space.constraints.items()
    ]
    search = space.search
    count = f", {search.points} points, seed {search.seed}" if search.points else ""
    fixed = [(f"fixed: {name}", value) for name, value in space.machine.items()]
    return [*swept, ("search", f"{search.method}{count}"), *bounds, *fixed]


def _range_words(values: Range) -> str:
    steps = f", {values.steps} steps" if values.steps else ""
    return f"{values.low:g} to {values.high:g}, {values.scale}{steps}"


def _trace_words(images: int | None, path: str) -> str:
    return path if images is None else f"{images} image{'s' * (images != 1)}, {path}"
