"""``compare.html``: two results side by side."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.machine.result import Result
from hwsim.report import html, text
from hwsim.report.bounds import bound_words, energy_words, speedup_words
from hwsim.report.codecs import ORDERS
from hwsim.report.comparison import Comparison, coder_columns, compare_columns
from hwsim.report.halves import HALVES_COLUMNS
from hwsim.report.plots import Plot
from hwsim.report.report_page import WORDS, accuracy, machine_facts, source_facts
from hwsim.report.tables import machine_words, title
from hwsim.report.traffic import TRAFFIC_COLUMNS, saving_words


def comparison_page(comparison: Comparison, plots: Sequence[Plot]) -> str:
    """The whole document, its plots inlined."""
    a, b = comparison.names
    marks = comparison.marks
    unmatched = comparison.unmatched()
    sides = list(zip(comparison.names, (comparison.a, comparison.b), strict=True))
    network = f"{comparison.a.network}: " if comparison.a.network == comparison.b.network else ""
    heading = f"{network}{b} against {a}"
    return html.page(
        f"{heading} - hwsim",
        [
            "<header>",
            f"<h1>{html.escape(heading)}</h1>",
            html.badges(marks),
            html.paragraph(_lead(comparison), "lead"),
            *(html.paragraph(f"{name}: {saving_words(result.overall())}") for name, result in sides),
            "</header>",
            html.tiles(_headline(comparison)),
            html.heading("In pictures"),
            html.plots(plots),
            html.heading("Layer by layer"),
            html.paragraph("Counts are of an image, averaged over the images. A click on a title sorts."),
            html.paragraph(f"Only in one of the two: {', '.join(unmatched)}.") if unmatched else "",
            html.table(compare_columns((a, b)), comparison.rows(), comparison.total(), marks),
            html.heading("What the code saves"),
            html.table(TRAFFIC_COLUMNS, comparison.traffic(), marks=marks),
            *_halves(comparison),
            *_coders(comparison),
            html.heading("What bounds the speedup, and what it costs"),
            *(
                html.paragraph(f"{name}: {words(result.overall())}")
                for name, result in sides
                for words in (speedup_words, bound_words, energy_words)
            ),
            *_sides(comparison),
            html.heading("What the words mean"),
            html.facts(WORDS.items()),
        ],
    )


def _halves(comparison: Comparison) -> list[str]:
    if not comparison.halves():
        return []
    return [
        html.heading("What skipping wins, and what the code"),
        html.paragraph(
            "The same machine with its two flags on and off: zeros skipped while maps stay raw, and maps in "
            "SEG of which no zero is skipped. A raw zero still takes the decoder a cycle."
        ),
        html.table(HALVES_COLUMNS, comparison.halves(), marks=comparison.marks),
    ]


def _coders(comparison: Comparison) -> list[str]:
    rows = comparison.coders()
    if not rows:
        return []
    return [
        html.heading("How small the maps become"),
        html.paragraph(f"Bytes of an image if every map crosses the channel once. {ORDERS}"),
        html.table(coder_columns(comparison.names), rows, marks=comparison.marks),
    ]


def _sides(comparison: Comparison) -> list[str]:
    sides = []
    for name, result, metrics in (
        (comparison.names[0], comparison.a, comparison.metrics_a),
        (comparison.names[1], comparison.b, comparison.metrics_b),
    ):
        sides += ["<section>", html.heading(name), html.facts(source_facts(result, metrics))]
        sides += [html.facts(machine_facts(result.arch)), "</section>"]
    return ['<div class="pair">', *sides, "</div>"]


def _lead(comparison: Comparison) -> str:
    (a, b), total = comparison.names, comparison.total()
    return (
        f"{b} ({_side(comparison.b)}) takes {text.whole(total['cycles_b'])} cycles an image, "
        f"{a} ({_side(comparison.a)}) {text.whole(total['cycles_a'])}: "
        f"{b} runs at {text.factor(total['speedup_b_over_a'])} the speed of {a}."
    )


def _side(result: Result) -> str:
    return f"{title(result)}, {machine_words(result.arch)}"


def _headline(comparison: Comparison) -> list[html.Headline]:
    (a, b), total = comparison.names, comparison.total()

    shown = (
        ("Speedup over dense", "speedup", text.factor),
        ("Maps over DRAM / image", "dram_maps", text.size),
        ("All DRAM, with weights / image", "dram_bytes", text.size),
        ("Energy / image", "energy_uj", text.energy),
        ("Density", "density", text.percent),
        ("MAC ratio", "mac_ratio", text.factor),
    )
    cycles = f"{text.count(total['cycles_b'])} cycles against {text.count(total['cycles_a'])}"
    tiles = [
        html.Headline(f"{b} over {a}", text.factor(total["speedup_b_over_a"]), cycles),
        *(
            html.Headline(what, show(total[f"{key}_b"]), f"{a}: {show(total[f'{key}_a'])}")
            for what, key, show in shown
        ),
    ]
    one, other = accuracy(comparison.metrics_a), accuracy(comparison.metrics_b)
    if one and other and one[0] == other[0]:
        tiles.append(html.Headline(*other, f"{a}: {one[1]}"))
    return tiles
