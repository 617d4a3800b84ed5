"""What ``hwsim compare TRACE --peer NAME`` shows: published machines on the trace's maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import typer

from hwsim.cli import console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import choose_images

if TYPE_CHECKING:
    from hwsim.arch import Arch
    from hwsim.report.peers import Beside
    from hwsim.report.tables import Column


def compare_with_peers(
    place: str,
    machine: Arch,
    names: Sequence[str],
    images: str | None,
    real_weights: bool,
    out: Path | None,
    format_: OutputFormat,
    quiet: bool,
) -> None:
    """Run, write and print it all.

    Raises:
        PeerError: a name is unknown, or a published machine cannot have as many multipliers.
        TraceError: the trace has nothing that the published machines run.
    """
    from hwsim.machine.simulation import simulate
    from hwsim.peers import peers_named
    from hwsim.report.peers import SLOT_COLUMNS, Beside
    from hwsim.trace import open_trace

    machines = peers_named(list(dict.fromkeys(names)), machine.peak_macs)
    with open_trace(place) as trace:
        numbers = choose_images(images, trace)
        with console.progress("simulating", quiet) as advance:
            result = simulate(trace, machine, numbers, advance)
        with console.progress("published machines", quiet) as advance:
            beside = Beside.of(trace, result, machines, real_weights, advance)
    written = None
    if out:
        from hwsim.report.peers_page import write_peers

        written = write_peers(beside, out)
    if format_ is OutputFormat.json:
        from hwsim.report.contents import to_json

        typer.echo(to_json(beside.to_dict()), nl=False)
    elif format_ is not OutputFormat.table:
        marks, flags = beside.result.marks, beside.result.flags
        console.print_rows(format_, SLOT_COLUMNS, beside.rows(), None, marks, flags)
    elif not quiet:
        _show(beside)
        if written:
            console.say(f"The comparison: {written[-1]}")


def _show(beside: Beside) -> None:
    from hwsim.report.peers import SLOT_COLUMNS
    from hwsim.report.tables import machine_words, title

    result = beside.result
    console.say(
        f"{title(result)}: {machine_words(result.arch)}, beside published machines of as many", "bold"
    )
    console.say(beside.words)
    console.say_marks(result.marks)
    console.show_table(
        _narrow_columns(beside.titles), [_narrow(row, beside.titles) for row in beside.wide_rows()]
    )
    console.show_table(SLOT_COLUMNS, beside.sum_rows())
    if beside.left_out_words:
        console.say(beside.left_out_words)


def _narrow_columns(titles: Sequence[str]) -> list[Column]:
    """Of the wide table: a column a machine, its title in several lines."""
    from hwsim.report import text
    from hwsim.report.peers import OWN
    from hwsim.report.tables import Column

    return [
        Column("layer", "layer", "", text.label, 9),
        Column("kind", "kind", "", text.label, 1),
        Column("ideal_cycles", "ideal", "", text.whole, 3),
        *(Column(name, "\n".join(wrap(name, 16)), "", str, 4 + 2 * (name == OWN)) for name in titles),
    ]


def _narrow(row: Mapping[str, Any], titles: Sequence[str]) -> dict[str, Any]:
    """Cycles and the part of the ideal in one cell."""
    from hwsim.report import text

    cells = {
        name: f"{text.whole(row[f'{name} cycles'])} ({text.percent(row[f'{name} of_ideal'])})"
        for name in titles
    }
    return {**row, **cells}
