"""``hwsim traces``: what traces came with the package."""

from __future__ import annotations

from typing import Any

import typer

from hwsim.cli import console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import Formatted


def traces(format_: Formatted = OutputFormat.table) -> None:
    """List the traces that came with the package, by the names that every command takes."""
    from hwsim.report import text
    from hwsim.report.tables import Column

    rows = _rows()
    columns = [
        Column("name", "name", "", text.label, 9),
        Column("network", "network", "", text.label, 3),
        Column("images", "images", "", str, 5),
        Column("layers", "layers", "", str, 4),
        Column("macs", "MACs", "of an image", text.count, 6),
        Column("accuracy", "accuracy", "of the network in floats", text.percent, 4),
        Column("bytes", "size", "", text.size, 2),
    ]
    if format_ is OutputFormat.json:
        from hwsim.report.contents import to_json

        typer.echo(to_json({"traces": rows}), nl=False)
    elif format_ is not OutputFormat.table:
        console.print_rows(format_, columns, rows)
    elif rows:
        console.show_table(columns, rows)
        console.say("'hwsim run NAME' simulates one, 'hwsim info NAME' says where it comes from.", "dim")
    else:
        console.say("No trace came with this installation: make one with 'hwsim capture' or 'hwsim synth'.")


def _rows() -> list[dict[str, Any]]:
    from hwsim.trace import open_trace
    from hwsim.trace.shipped import shipped_traces

    rows = []
    for name, path in shipped_traces().items():
        with open_trace(path) as trace:
            accuracy = trace.metrics.get("accuracy_float")
            rows.append(
                {
                    "name": name,
                    "network": trace.network,
                    "variant": trace.variant,
                    "images": trace.images,
                    "layers": len(trace.layers),
                    "macs": sum(layer.macs for layer in trace.layers),
                    "accuracy": accuracy if isinstance(accuracy, float) else None,
                    "bytes": path.stat().st_size,
                    "path": str(path),
                }
            )
    return rows
