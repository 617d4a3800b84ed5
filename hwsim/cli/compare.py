"""``hwsim compare``: two traces, two machines, or a machine and published ones, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import console
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
    from hwsim.report.codecs import CodedMap
    from hwsim.report.comparison import Comparison
    from hwsim.trace import StoredTrace


def compare(
    a: Annotated[
        str | None, typer.Argument(metavar="A", help=f"{TraceName} Default: the shipped LeNet-5, baseline.")
    ] = None,
    b: Annotated[
        str | None,
        typer.Argument(
            metavar="B", help="Trace to hold against A. Default: A with --arch-b, else the sparse."
        ),
    ] = None,
    arch: ArchFile = None,
    arch_b: Annotated[
        Path | None, typer.Option("--arch-b", metavar="FILE", help="Machine of B. Default: that of A.")
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Published machine in the place of B: cnvlutin, scnn or systolic; may be repeated.",
        ),
    ] = None,
    real_weights: Annotated[
        bool,
        typer.Option(
            "--real-weights", help="With --peer: a zero weight of the trace is one. Default: none is."
        ),
    ] = False,
    out: OutFolder = None,
    images: Images = None,
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Two traces or two machines: cycles, speedups, DRAM bytes, density, energy, layer by layer.

    With --peer, a trace on this machine and on published ones of as many multipliers.
    """
    format_ = chosen_format(format_, json)
    machine = read_arch(arch)  # before the simulator is loaded
    load_numba()
    if peer:
        if b is not None or arch_b is not None:
            raise typer.BadParameter("--peer stands in the place of B and --arch-b: leave those out")
        from hwsim.cli.peers import compare_with_peers

        place = a or default_trace()
        compare_with_peers(place, machine, peer, images, real_weights, out, format_, quiet)
        return
    if real_weights:
        raise typer.BadParameter("--real-weights is of published machines: add --peer NAME")
    machine_b = machine if arch_b is None else read_arch(arch_b)
    from hwsim.report.comparison import Comparison
    from hwsim.trace import open_trace

    first, second = _traces(a, b, arch_b is not None)
    whole = bool(out) or format_ is OutputFormat.json  # the terminal has no table of coders
    with open_trace(first) as trace_a, open_trace(second) as trace_b:  # both, before either is simulated
        result_a, halves_a, metrics_a, maps_a = _simulate(trace_a, machine, images, quiet, whole)
        result_b, halves_b, metrics_b, maps_b = _simulate(trace_b, machine_b, images, quiet, whole)
    names = (arch.stem if arch else "default", (arch_b or arch or Path("default")).stem)
    comparison = Comparison(
        result_a, result_b, metrics_a, metrics_b, *names, halves_a, halves_b, maps_a, maps_b
    )
    written = None
    if out:
        from hwsim.report.write import write_comparison

        written = write_comparison(comparison, out)
    if format_ is OutputFormat.json:
        from hwsim.report.contents import to_json

        typer.echo(to_json(comparison.to_dict()), nl=False)
    elif format_ is not OutputFormat.table:
        from hwsim.report.comparison import compare_columns

        columns, marks, flags = compare_columns(comparison.names), comparison.marks, comparison.flags
        console.print_rows(format_, columns, comparison.rows(), comparison.total(), marks, flags)
    elif not quiet:
        _show(comparison)
        if written:
            console.say(f"The comparison: {written[-1]}")


def _traces(a: str | None, b: str | None, two_machines: bool) -> tuple[str, str]:
    from hwsim.trace.shipped import BASELINE, DEFAULT, shipped_trace

    if a is None:
        first = str(shipped_trace(DEFAULT if two_machines else BASELINE))
        return first, first if two_machines else str(shipped_trace(DEFAULT))
    if b is None and not two_machines:
        raise typer.BadParameter("give a second trace B, or a second machine with --arch-b")
    return a, b or a


def _simulate(
    trace: StoredTrace, machine: Arch, images: str | None, quiet: bool, code: bool
) -> tuple[Result, tuple[Result, ...], dict[str, Any], tuple[CodedMap, ...]]:
    """The machine, the same with its flags on and off, the trace's metrics, its maps coded if asked."""
    from hwsim.machine.simulation import halves, simulate_machines

    numbers = choose_images(images, trace)
    with console.progress("simulating", quiet) as advance:
        results = simulate_machines(trace, halves(machine), numbers, advance)
    asked = next(result for result in results if result.arch == machine)
    maps: tuple[CodedMap, ...] = ()
    if code:
        from hwsim.report.codecs import measure

        with console.progress("coding maps", quiet) as advance:
            maps = measure(trace, asked, advance)
    return asked, tuple(results), dict(trace.metrics), maps


def _show(comparison: Comparison) -> None:
    from hwsim.report import text
    from hwsim.report.bounds import energy_words, speedup_words
    from hwsim.report.comparison import compare_columns
    from hwsim.report.halves import HALVES_COLUMNS
    from hwsim.report.tables import machine_words, title
    from hwsim.report.traffic import TRAFFIC_COLUMNS, saving_words

    names, total = comparison.names, comparison.total()
    sides = list(zip(names, (comparison.a, comparison.b), strict=True))
    for name, result in sides:
        console.say(f"{name}: {title(result)} on {machine_words(result.arch)}", "bold")
    console.say_marks(comparison.marks)
    for name, result in sides:
        console.say(f"{name}: {saving_words(result.overall())}")
    console.show_table(compare_columns(names), comparison.rows(), total)
    if comparison.unmatched():
        console.say(f"Only in one of the two: {', '.join(map(text.label, comparison.unmatched()))}.")
    console.show_table(TRAFFIC_COLUMNS, comparison.traffic())
    console.show_table(HALVES_COLUMNS, comparison.halves())
    for name, result in sides:
        console.say(f"{name}: {speedup_words(result.overall())}")
        console.say(f"{name}: {energy_words(result.overall())}")
    faster = text.factor(total["speedup_b_over_a"])
    dram, energy = text.factor(total["dram_a_over_b"]), text.factor(total["energy_a_over_b"])
    console.say(
        f"{names[1]} runs at {faster} the speed of {names[0]}; "
        f"{names[0]} moves {dram} the DRAM bytes and takes {energy} the energy of {names[1]}."
    )
