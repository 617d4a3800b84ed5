"""``report.html``: one run of one trace on one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwsim.arch import Arch
from hwsim.codec import labels
from hwsim.machine.result import Result
from hwsim.machine.runs import CAUSES
from hwsim.report import codecs, html, integers, text
from hwsim.report.bounds import (
    BEYOND_MEANINGS,
    BOUND_COLUMNS,
    DEFINITIONS,
    beyond_words,
    bound_words,
    speedup_words,
)
from hwsim.report.codec_cost import COST_COLUMNS, NOTE
from hwsim.report.contents import Report
from hwsim.report.in_time import in_time_words
from hwsim.report.limits import HOW, LIMIT_COLUMNS, MACHINE_COLUMNS
from hwsim.report.measured import (
    DEVICES,
    MEANING,
    kernel_columns,
    kernel_rows,
    measured_columns,
    measured_total,
    record_facts,
)
from hwsim.report.plots import Plot
from hwsim.report.tables import (
    CAUSE_MEANINGS,
    LAYER_COLUMNS,
    STALL_SHARE,
    Column,
    between_words,
    machine_words,
    mapping_words,
    title,
)
from hwsim.report.traffic import LAYER_TRAFFIC_COLUMNS, less, saving_words
from hwsim.report.waterfall import WATERFALL_COLUMNS, waterfall_rows
from hwsim.trace.provenance import cautions

WORDS = {
    "activation map": "the tensor that enters a convolution or linear layer",
    "density": "part of a map's elements that are not zero, each counted once; weighted by the MACs that "
    "read them it is 1 / MAC ratio",
    "dense baseline": "the same machine with zero-skipping off and maps uncompressed; speedups are over it",
    **DEFINITIONS,
    "efficiency": "speedup / MAC ratio: how busy the multipliers are / how busy the baseline's are",
    "in registers": "an estimate: the energy of a dense machine that keeps each sum in a register until it "
    "is done, 0.2 pJ for each product added (assumed; register_sum of the machine's [energy]); its cycles "
    "are not simulated",
    "SEG": "sparse exponential-Golomb code: a zero is one bit, so that decoding a run of zeros skips it",
    "core-cycle": "a cycle of one core; each has one cause, and a layer has cycles times cores of them",
    "DRAM bytes": "everything over the channel: weights, maps in, maps out, index included",
}


def report_page(report: Report, plots: Sequence[Plot]) -> str:
    """The whole document, its plots inlined."""
    result = report.result
    marks = result.marks
    rows, total = result.per_layer(), result.overall()
    total_waterfall, layers_waterfall = waterfall_rows(result)
    coders = codecs.total_bits(report.maps)
    return html.page(
        f"{title(result)} - hwsim",
        [
            "<header>",
            f"<h1>{html.escape(title(result))}</h1>",
            html.badges(marks),
            *(html.paragraph(words, "caution") for words in cautions(result.provenance)),
            html.paragraph(_lead(result, total), "lead"),
            html.paragraph(saving_words(total), "lead"),
            "</header>",
            html.tiles(_headline(report, total)),
            html.heading("In pictures"),
            html.plots(plots),
            html.heading("Layer by layer"),
            html.paragraph(
                "Counts are of an image, averaged over the images; ratios are of the sums. "
                "Fetching runs ahead of the layers: one that waits for its weights can take longer than "
                "when dense, because the layers before it left less time to fetch. A click on a title sorts."
            ),
            html.layer_filter(),
            html.table(LAYER_COLUMNS, rows, total, marks),
            *_measured(report, total),
            html.heading("What the code saves"),
            html.paragraph(
                "Bytes over the DRAM channel, an image: raw maps of the dense baseline, and maps in SEG."
            ),
            html.table(LAYER_TRAFFIC_COLUMNS, rows, total, marks),
            html.heading("What bounds the speedup"),
            html.paragraph(speedup_words(total)),
            html.paragraph(bound_words(total)),
            *map(html.paragraph, filter(None, [beyond_words(rows)])),
            html.table(BOUND_COLUMNS, rows, total, marks),
            *_in_time(report),
            *_answers(report),
            html.heading("What stalls each layer"),
            html.paragraph(
                "Shares of the layer's core-cycles, which are "
                f"cycles {text.TIMES} {result.arch.cores} cores in all."
            ),
            html.table(_STALL_COLUMNS, [_stalls(row) for row in rows], _stalls(total), marks),
            html.heading("From dense to skipping"),
            html.paragraph(
                f"Core-cycles of an image / {result.arch.cores} cores: the dense baseline, less its own "
                "stalls, less the zeros, is the work that is left; with what is lost beside it, the machine."
            ),
            html.table(WATERFALL_COLUMNS, layers_waterfall, total_waterfall, marks),
            html.heading("How small each map becomes"),
            html.paragraph(f"Times smaller than {codecs.base(report.maps)}; {codecs.ORDERS}"),
            html.table(_map_columns(report), _map_rows(report), _map_total(report), marks),
            *_integers(report),
            '<div class="pair"><section>',
            html.heading("Machine"),
            html.facts(machine_facts(result.arch)),
            "</section><section>",
            html.heading("Where the data is from"),
            html.facts(source_facts(result, report.metrics)),
            "</section></div>",
            html.heading("What the words mean"),
            html.facts([*WORDS.items(), *((f"stall: {c}", words) for c, words in CAUSE_MEANINGS.items())]),
            html.heading("The coders"),
            html.facts((labels.label(c), labels.meaning(c)) for c in coders),
        ],
    )


def _measured(report: Report, total: Mapping[str, Any]) -> list[str]:
    """Speedups beside those of real processors, what every kernel took, and on what; nothing without them."""
    if not report.measured:
        return []
    rows, marks = report.measured_rows, report.result.marks
    columns = measured_columns([record.machine.device for record in report.measured])
    parts = [
        html.heading("Beside real processors"),
        html.paragraph(MEANING),
        html.table(columns, rows, measured_total(rows, total), marks),
    ]
    for record in report.measured:
        parts += [
            html.heading(f"What each kernel takes on the {DEVICES[record.machine.device]}"),
            html.paragraph("Medians, an image. A column's title tells how the kernel computes a layer."),
            html.table(kernel_columns(record), kernel_rows(record), marks=marks),
            html.facts(record_facts(record)),
        ]
    return parts


def _answers(report: Report) -> list[str]:
    """What limits each layer and what would help, what the code costs; nothing if it was not asked for."""
    if report.answers is None:
        return []
    limits, codec, marks = report.answers.limits, report.answers.codec, report.result.marks
    return [
        html.heading("What limits it, and what to change"),
        html.paragraph(limits.words()),
        html.paragraph(HOW),
        html.table(LIMIT_COLUMNS, limits.rows(), marks=marks),
        html.heading("What one change does to all layers"),
        html.table(MACHINE_COLUMNS, limits.machine_rows(), marks=marks),
        html.heading("What the code costs, and what it saves"),
        html.paragraph(codec.words()),
        html.paragraph(NOTE),
        html.table(COST_COLUMNS, codec.rows(), marks=marks),
    ]


def _in_time(report: Report) -> list[str]:
    """The clock that a core can have on an ECP5, and what an image takes at it."""
    return [html.heading("At the clock of its core"), html.paragraph(in_time_words(report.result))]


def _integers(report: Report) -> list[str]:
    """How far the network in integers is from its captured maps; nothing if it was not computed."""
    if not report.differences:
        return []
    return [
        html.heading("The network in integers"),
        html.paragraph(integers.MEANING),
        html.table(
            integers.DIFFERENCE_COLUMNS,
            integers.difference_rows(report.differences),
            marks=report.result.marks,
        ),
    ]


def machine_facts(arch: Arch) -> list[tuple[str, Any]]:
    """Parameters of the machine, peak first."""
    fields = arch.model_dump()
    energy = fields.pop("energy")
    replaced = [("energy, pJ", energy)] if energy else []
    return [("peak", f"{arch.peak_macs} MACs/cycle"), *fields.items(), *replaced]


def source_facts(result: Result, metrics: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Trace, images, metrics and provenance, the trace's own words last."""
    return [
        ("trace", result.title),
        ("values", "synthetic: generated, not measured" if result.synthetic else "captured from the network"),
        ("images run", f"{len(result.images)}: {text.value(result.images)}"),
        ("rows go to the cores", mapping_words(result)),
        ("between layers", between_words(result)),
        *metrics.items(),
        *result.provenance.items(),
    ]


def _lead(result: Result, total: Mapping[str, Any]) -> str:
    speedup, macs = text.factor(total["speedup"]), text.factor(total["mac_ratio"])
    compute, stall = text.percent(total["cause_compute"]), total["largest_stall"]
    stalled = f"; the largest stall is {stall} ({text.percent(total[f'cause_{stall}'])})" if stall else ""
    cause = total["beyond"]
    beyond = f" (more is gained by {BEYOND_MEANINGS[cause]})" if cause else ""
    return (
        f"On a machine of {machine_words(result.arch)} an image takes {text.whole(total['cycles'])} cycles: "
        f"a speedup of {speedup} over the dense baseline, which performs {macs} the multiplications{beyond}. "
        f"Multiplying takes {compute} of the core-cycles{stalled}."
    )


def _headline(report: Report, total: Mapping[str, Any]) -> list[html.Headline]:
    bits = codecs.total_bits(report.maps)
    cycles, dense_cycles = text.count(total["cycles"]), text.count(total["dense_cycles"])
    tiles = [
        html.Headline(
            "Speedup",
            text.factor(total["speedup"]),
            f"over dense; MAC ratio {text.factor(total['mac_ratio'])}; "
            f"busy {text.percent(total['utilization'])}",
        ),
        html.Headline(
            "Time / image", text.seconds(total["seconds"]), f"{cycles} cycles; dense: {dense_cycles}"
        ),
        *(
            html.Headline(
                what,
                text.size(total[key]),
                f"dense: {text.size(total[f'dense_{key}'])}; {less(total[part])}",
            )
            for what, key, part in (
                ("Maps over DRAM / image", "dram_maps", "maps_saved"),
                ("All DRAM, with weights / image", "dram_bytes", "dram_saved"),
            )
        ),
        html.Headline(
            "Energy / image",
            text.energy(total["energy_uj"]),
            f"dense: {text.energy(total['dense_energy_uj'])} ({text.factor(total['energy_ratio'])}); "
            f"estimate in registers: {text.energy(total['register_energy_uj'])} "
            f"({text.factor(total['register_energy_ratio'])})",
        ),
        html.Headline(
            "Density", text.percent(total["density"]), "of the maps' elements, each once, are not zero"
        ),
        html.Headline(
            "Compression",
            text.factor(codecs.ratio(bits, labels.STORED)),
            f"of the maps as stored, against {codecs.base(report.maps)}",
        ),
    ]
    stated = accuracy(report.metrics)
    if stated:
        tiles.append(html.Headline(*stated, "of the network, as its trace states"))
    return tiles


def accuracy(metrics: Mapping[str, Any]) -> tuple[str, str] | None:
    """What a trace states of its network's accuracy, of quantized maps or else in floats: title and value."""
    for key, words in (("accuracy", "Accuracy"), ("accuracy_float", "Accuracy, floats")):
        value = metrics.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            return words, f"{value * 100:.4g} %"
    return None


_STALL_COLUMNS = (
    LAYER_COLUMNS[0],
    *(Column(f"cause_{cause}", cause, CAUSE_MEANINGS[cause], text.percent) for cause in CAUSES),
    Column("largest_stall", "largest stall", "besides compute", text.label),
    STALL_SHARE,
    Column("meaning", "which is", "what the core does in those cycles", text.words),
)


def _stalls(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "meaning": CAUSE_MEANINGS.get(row["largest_stall"], "")}


def _map_columns(report: Report) -> list[Column]:
    coders = [coder for coder in codecs.total_bits(report.maps) if coder != "raw"]
    return [
        Column("map", "map", "that enters a layer", text.label),
        Column("shape", "shape", "channels, height, width", text.label),
        Column("bits", "bits", "of a raw word", str),
        Column("order", "k", "order of SEG, chosen on calibration images", str),
        *(Column(c, labels.label(c), labels.meaning(c), text.factor) for c in coders),
    ]


def _map_rows(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "map": m.name,
            "shape": f" {text.TIMES} ".join(map(str, m.shape)),
            "bits": m.bits,
            "order": m.order,
            **{coder: m.ratio(coder) for coder in m.coded_bits},
        }
        for m in report.maps
    ]


def _map_total(report: Report) -> dict[str, Any]:
    bits = codecs.total_bits(report.maps)
    ratios = {coder: codecs.ratio(bits, coder) for coder in bits}
    return {"map": "all maps", "shape": "", "bits": "", "order": "", **ratios}
