"""``hwsim info``: what a trace holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import between, console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import Formatted, Images, Json, TraceName, choose_images, chosen_format

if TYPE_CHECKING:
    from hwsim.report.tables import Column
    from hwsim.trace import StoredTrace


def info(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help=TraceName)],
    check: Annotated[
        bool, typer.Option("--check", help="Read everything and compare the checksums.")
    ] = False,
    integers: Annotated[
        bool,
        typer.Option(
            "--integers", help="Compute the network in integers and compare every map with the captured one."
        ),
    ] = False,
    images: Images = None,
    format_: Formatted = OutputFormat.table,
    json: Json = False,
) -> None:
    """Network, layers, maps, what lies between them, accuracy and provenance of a trace."""
    format_ = chosen_format(format_, json)
    from hwsim.trace import open_trace

    with open_trace(trace) as opened:
        document = _document(opened)
        quiet = format_ is not OutputFormat.table
        numbers = choose_images(images, opened)
        rows = between.found_differences(opened, numbers, quiet) if integers else []
        document["differences"] = [asdict(row) for row in rows]
        if check:
            with console.progress("checking"):
                opened.check()
            document["checked"] = True
    if format_ is OutputFormat.json:
        from hwsim.report.contents import to_json

        typer.echo(to_json(document), nl=False)
    elif format_ is not OutputFormat.table:
        console.print_rows(format_, _layer_columns(), _layer_rows(document, flat=format_ is OutputFormat.csv))
    else:
        _show(document)
        between.show(opened.flow)
        if rows:
            between.show_differences(rows, len(numbers))
        if document["checked"]:
            console.say("Everything was read; all checksums agree.")


def _document(trace: StoredTrace) -> dict[str, Any]:
    import hwsim
    from hwsim.machine.marks import trace_marks
    from hwsim.trace.provenance import left_out

    return {
        "tool": {"name": "hwsim", "version": hwsim.__version__},
        "title": trace.title,
        "network": trace.network,
        "variant": trace.variant,
        "synthetic": trace.synthetic,
        "left_out": [asdict(entry) for entry in left_out(trace.provenance)],
        "marks": list(trace_marks(trace)),
        "images": trace.images,
        "weight_bits": trace.weight_bits,
        "metrics": trace.metrics,
        "provenance": trace.provenance,
        "layers": [
            {**asdict(layer), "macs": layer.macs, "published_macs": layer.published_macs}
            for layer in trace.layers
        ],
        "maps": [asdict(map_) for map_ in trace.maps.values()],
        "flow": between.document(trace.flow),
        "calibration_pictures": trace.calibration_pictures,
        "checked": False,
    }


def _show(document: dict[str, Any]) -> None:
    from hwsim.report import text
    from hwsim.trace.provenance import cautions

    console.say(f"{text.label(document['network'])}, {text.label(document['variant'])}", "bold")
    console.say_marks(document["marks"])
    console.say_marks(cautions(document["provenance"]))
    facts = [
        ("trace", document["title"]),
        ("images", document["images"]),
        ("weights", f"{document['weight_bits']} bits"),
        *document["metrics"].items(),
        *document["provenance"].items(),
    ]
    for name, value in facts:
        console.say(f"{text.label(name)}: {text.label(text.value(value), 400)}")
    console.say("")
    console.show_table(_layer_columns(), _layer_rows(document))


def _layer_columns() -> list[Column]:
    from hwsim.report import text
    from hwsim.report.tables import Column

    def shape(sizes: tuple[int, ...]) -> str:
        return text.TIMES.join(map(str, sizes))

    return [
        Column("layer", "layer", "", text.label, 9),
        Column("kind", "kind", "", text.label, 2),
        Column("in_shape", "input map", "", shape, 8),
        Column("out_shape", "output", "", shape, 6),
        Column("kernel", "kernel", "", shape, 7),
        Column("stride", "stride", "", shape, 4),
        Column("macs", "MACs", "", text.count, 5),
        Column("published_macs", "as published", "", text.count, 4),
        Column("bits", "bits", "", str, 3),
        Column("order", "k", "", str, 3),
    ]


def _layer_rows(document: dict[str, Any], flat: bool = False) -> list[dict[str, Any]]:
    """The layers with bits and order of their maps; ``flat``: sizes are texts, such as ``6x28x28``."""
    maps = {map_["name"]: map_ for map_ in document["maps"]}
    rows = [
        {"layer": layer["name"], **layer, **{key: maps[layer["input"]][key] for key in ("bits", "order")}}
        for layer in document["layers"]
    ]
    for row in rows:
        del row["name"]
        if flat:
            row |= {key: "x".join(map(str, sizes)) for key, sizes in row.items() if isinstance(sizes, tuple)}
    return rows
