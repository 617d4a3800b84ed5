"""``hwsim run``: a trace through the machine and its dense baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import between, console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import (
    ArchFile,
    Formatted,
    Images,
    Json,
    OutFolder,
    Quiet,
    TraceName,
    choose_images,
    chosen_format,
    default_trace,
    read_arch,
)
from hwsim.cli.start import load_numba

if TYPE_CHECKING:
    from hwsim.arch import Arch
    from hwsim.machine.result import Result
    from hwsim.measure.record import Measured
    from hwsim.report.diagnosis import Diagnosis
    from hwsim.trace import Trace


def run(
    trace: Annotated[
        str | None,
        typer.Argument(metavar="TRACE", help=f"{TraceName} Default: the shipped LeNet-5, sparse."),
    ] = None,
    arch: ArchFile = None,
    out: OutFolder = None,
    images: Images = None,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit", help="Grow the machine until it holds the network; leave out layers that none holds."
        ),
    ] = False,
    measured: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A record of 'hwsim measure' to put beside; once for each device."),
    ] = None,
    integers: Annotated[
        bool,
        typer.Option(
            "--integers", help="With --out or --json: how far the network in integers is from its maps."
        ),
    ] = False,
    why: Annotated[
        bool,
        typer.Option(
            "--why",
            help="What limits each layer, the least change that lifts it, and what the code costs: runs "
            "dozens of machines more.",
        ),
    ] = False,
    timeline: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="With --out: draw this layer of the first image in time."),
    ] = None,
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Cycles, DRAM bytes and energy of a trace, layer by layer, beside the dense baseline."""
    format_ = chosen_format(format_, json)
    machine = read_arch(arch)  # before the simulator is loaded
    load_numba()
    from hwsim.machine.simulation import simulate
    from hwsim.report.measured import measured_rows
    from hwsim.trace import open_trace

    if timeline is not None and out is None:
        raise typer.BadParameter("--timeline LAYER draws into a folder: add --out DIR")
    if integers and out is None and format_ is not OutputFormat.json:
        raise typer.BadParameter("--integers adds to the report: add --out DIR or --json")
    records = _read_records(measured or [])
    with open_trace(trace or default_trace()) as stored:
        numbers = choose_images(images, stored)
        opened, machine, grown = _fitted(stored, machine, fit)
        with console.progress("simulating", quiet) as advance:
            result = simulate(opened, machine, numbers, advance)
        rows = measured_rows(result, records)
        answers = _answers(opened, result, quiet) if why else None
        if out or format_ is OutputFormat.json:
            from hwsim.report.contents import Report
            from hwsim.report.timeline import timeline as layer_in_time

            drawn = None if timeline is None else layer_in_time(opened, machine, numbers[0], timeline)
            apart = between.found_differences(stored, numbers, quiet) if integers else ()
            with console.progress("coding maps", quiet) as advance:
                report = Report.of(opened, result, advance, records, drawn, apart, answers)
    written = None
    if out:
        from hwsim.report.write import write_report

        written = write_report(report, out)
    if format_ is OutputFormat.json:
        from hwsim.report.contents import to_json

        typer.echo(to_json(report.to_dict()), nl=False)
    elif format_ is not OutputFormat.table:
        from hwsim.report.tables import LAYER_COLUMNS

        marks, flags = result.marks, result.flags
        console.print_rows(format_, LAYER_COLUMNS, result.per_layer(), result.overall(), marks, flags)
    elif not quiet:
        _show(result, grown)
        if records:
            show_measured(rows, result.overall(), records)
        if answers:
            _show_answers(answers)
        if written:
            console.say(f"The report: {written[-1]}")
        else:
            console.say("Add --out DIR for plots and a report.", "dim")


def _fitted(trace: Trace, arch: Arch, grow: bool) -> tuple[Trace, Arch, tuple[str, ...]]:
    """The trace and a machine that holds it, and what had to change for that, in sentences.

    Raises:
        ArchError: the machine does not hold the trace and may not grow, or no machine does.
    """
    from hwsim.errors import ArchError
    from hwsim.machine.fit import fit, misfits, said

    if grow:
        found = fit(trace, arch)
        changes = [f"Left out: layer {entry.layer}: {entry.why}." for entry in found.left_out]
        if found.changes:
            changes.append(f"The machine is grown to hold the network: {', '.join(found.changes)}.")
        return found.trace, found.arch, tuple(changes)
    if lost := misfits(trace.layers, arch):
        raise ArchError(f"{said(lost)}; --fit grows the machine and leaves out what none holds")
    return trace, arch, ()


def show_measured(rows: Sequence[dict[str, Any]], total: dict[str, Any], records: Sequence[Measured]) -> None:
    """MAC ratio, simulated and measured speedups, and where they were measured."""
    from hwsim.report.measured import DEVICES, MEANING, measured_columns, measured_total

    console.say("Beside real processors", "bold")
    devices = [record.machine.device for record in records]
    console.show_table(measured_columns(devices), rows, measured_total(rows, total))
    console.say(MEANING)
    for record in records:
        machine = record.machine
        threads = f", threads: {machine.threads}" if machine.device == "cpu" else ""
        console.say(f"{DEVICES[machine.device]}: {machine.name}{threads}; {record.date}", "dim")
        for note in record.notes:
            console.say(note, "dim")


def _answers(trace: Trace, result: Result, quiet: bool) -> Diagnosis:
    """What limits the machine and what its code costs, found beside a progress bar."""
    from hwsim.report.diagnosis import Diagnosis

    with console.progress("changed machines", quiet) as advance:
        return Diagnosis.of(trace, result, advance)


def _show_answers(answers: Diagnosis) -> None:
    from hwsim.report.codec_cost import COST_COLUMNS, NOTE
    from hwsim.report.limits import HOW, LIMIT_COLUMNS, MACHINE_COLUMNS

    console.say("What limits it, and what to change", "bold")
    console.say(answers.limits.words())
    if rows := answers.limits.rows():
        console.show_table(LIMIT_COLUMNS, rows)
    console.show_table(MACHINE_COLUMNS, answers.limits.machine_rows())
    console.say(HOW, "dim")
    console.say("What the code costs, and what it saves", "bold")
    console.say(answers.codec.words())
    console.show_table(COST_COLUMNS, answers.codec.rows())
    console.say(NOTE, "dim")


def _read_records(paths: Sequence[Path]) -> list[Measured]:
    from hwsim.measure.record import read_measured

    return [read_measured(path) for path in paths]


def _show(result: Result, grown: Sequence[str]) -> None:
    from hwsim.report.bounds import beyond_words, bound_words, energy_words, speedup_words
    from hwsim.report.in_time import in_time_words
    from hwsim.report.tables import LAYER_COLUMNS, between_words, machine_words, mapping_words, title
    from hwsim.report.traffic import TRAFFIC_COLUMNS, saving_words, traffic_rows
    from hwsim.trace.provenance import cautions

    rows = result.per_layer()
    total, count = result.overall(), len(result.images)
    average = f"averages over {count} images" if count > 1 else f"image {result.images[0]}"
    console.say(f"{title(result)} on {machine_words(result.arch)}; {average}", "bold")
    console.say_marks(result.marks)
    console.say_marks(cautions(result.provenance))
    console.say_marks(grown)
    console.say(saving_words(total))
    console.show_table(LAYER_COLUMNS, rows, total)
    console.show_table(TRAFFIC_COLUMNS, traffic_rows(total))
    for words in (
        speedup_words(total),
        beyond_words(rows),
        bound_words(total),
        energy_words(total),
        in_time_words(result),
    ):
        if words:
            console.say(words)
    console.say(f"Rows go to the cores {mapping_words(result)}.")
    console.say(f"Between layers {between_words(result)}.")
