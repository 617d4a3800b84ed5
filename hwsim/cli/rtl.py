"""``hwsim rtl``: the machine as Verilog, and on an FPGA."""

from __future__ import annotations

import json as json_format
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import ArchFile, Formatted, Quiet, read_arch
from hwsim.errors import HwsimError, SynthesisError
from hwsim.files import read_text

if TYPE_CHECKING:
    from types import ModuleType

    from hwsim.arch import Arch

rtl = typer.Typer(help="The machine as Verilog (emit), and what it takes on an ECP5 (synth, results).")


@rtl.command()
def emit(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder; made if missing, files replaced.")
    ],
    arch: ArchFile = None,
    system: Annotated[
        bool,
        typer.Option("--system", help="A whole machine instead, with AXI4 and AXI4-Lite, and a C header."),
    ] = False,
    testbench: Annotated[
        str | None,
        typer.Option("--testbench", metavar="TRACE", help="As --system, with benches for this network."),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="L",
            help="The array alone, with a bench of this layer of --testbench's network.",
        ),
    ] = None,
    image: Annotated[int, typer.Option(min=0, help="Number of the bench's picture.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Write the machine as Verilog with AXI4-Stream ports, lint waivers, a FuseSoC core file, a note.

    With --system it is a machine that runs the images of 'hwsim compile' from its memory.
    """
    if layer is not None and (system or not testbench):
        raise typer.BadParameter("--layer is for --testbench TRACE, and for the array: leave --system")
    machine = read_arch(arch)
    emitter = _import("hwsim_rtl.emit")
    if testbench and layer is not None:
        files = _emit_with_layer(testbench, layer, machine, image, output)
    elif testbench:
        files = _emit_with_bench(testbench, machine, image, output)
    else:
        files = emitter.emit_system(machine, output) if system else emitter.emit(machine, output)
    if not quiet:
        for file in files:
            console.say(str(file))


@rtl.command()
def synth(
    arch: ArchFile = None,
    component: Annotated[
        list[str] | None,
        typer.Option("--component", metavar="NAME", help="Only this one; may be repeated. Default: all."),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Add the results to this file; those of the same machine go."
        ),
    ] = None,
    count: Annotated[
        bool, typer.Option("--count", help="Count cells only: do not place, no Fmax. Much faster.")
    ] = False,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            "--seed", metavar="N", min=0, help="Of nextpnr; repeated: the median's timing. Default: 1."
        ),
    ] = None,
    model: Annotated[
        bool, typer.Option("--model", help="Count what the area model is fitted to, and nothing else.")
    ] = False,
    format_: Formatted = OutputFormat.table,
    quiet: Quiet = False,
) -> None:
    """Synthesise the components of a core, and the core, for a Lattice ECP5 with yosys and nextpnr.

    A component takes half a minute or so, the core many minutes. The first use of the tools compiles them,
    a minute or two more.
    """
    if model and (arch or component):
        raise typer.BadParameter(
            "--model has machines and components of its own: leave --arch and --component"
        )
    machine = read_arch(arch)  # before the tools are loaded
    synthesis = _import("hwsim_rtl.synth.run")
    wanted = (
        list(synthesis.model_points())
        if model
        else [(name, machine) for name in component or synthesis.COMPONENTS]
    )
    unknown = {name for name, _ in wanted} - set(synthesis.COMPONENTS)
    if unknown:
        known = ", ".join(synthesis.COMPONENTS)
        raise typer.BadParameter(f"--component {min(unknown)}: there are {known}")
    synthesis.flow.versions()
    rows, failed = [], []
    for number, (name, each) in enumerate(wanted, 1):
        if not quiet:
            print(f"{number}/{len(wanted)} {name} ...", file=sys.stderr, flush=True)
        try:
            run = synthesis.synthesize(name, each, () if count or model else seed or (1,))
        except SynthesisError as error:
            failed.append(f"{name}, {each.columns} columns: {error}")
            continue
        if json:
            synthesis.add_run(json, run)
        rows.append(_row(run))
    if format_ is not OutputFormat.table or not quiet:
        _print(rows, format_)
    if failed:
        raise HwsimError(f"{len(failed)} of {len(wanted)} failed: first {failed[0]}")


@rtl.command()
def results(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Of 'hwsim rtl synth --json'. Default: the shipped one."),
    ] = None,
    format_: Annotated[
        OutputFormat,
        typer.Option("--format", help="md: the tables of the docs; table, csv, json: a row a run."),
    ] = OutputFormat.md,
) -> None:
    """Print results of synthesis, as they stand in the docs or a row a run."""
    from hwsim.machine.area import RESULTS

    markdown = _import("hwsim_rtl.synth.tables").markdown
    path = file or RESULTS
    try:
        runs = json_format.loads(read_text(path))["runs"]
        text = markdown(runs)
        rows = [_row(run) for run in runs]
    except OSError as error:
        raise HwsimError(
            f"{path}: {error.strerror}; give a file that 'hwsim rtl synth --json' wrote"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise HwsimError(
            f"{path}: not a file of synthesis results; make one with 'hwsim rtl synth --json'"
        ) from None
    if format_ is OutputFormat.md:
        typer.echo(text, nl=False)
    else:
        _print(rows, format_)


def _emit_with_bench(trace: str, machine: Arch, image: int, folder: Path) -> list[Path]:
    """A whole machine, and a network's bench beside it; returns the files."""
    from hwsim.machine.schedule import schedule
    from hwsim.machine.workload import Workload
    from hwsim.program import compile_network
    from hwsim.program.expected import expected_memory
    from hwsim.trace import open_trace

    with open_trace(trace) as opened:
        made = compile_network(opened, machine, image)
        expected, mask = expected_memory(opened, made, image)
        cycles = schedule(Workload(opened, image).jobs(machine), machine).layers[-1].end
    emitter, kit = _import("hwsim_rtl.emit"), _import("hwsim_rtl.kit.system_bench")
    bench = kit.system_bench(emitter.SYSTEM_NAME, made.to_bytes(), expected, mask, cycles)
    return emitter.emit_system(machine, folder, bench=bench)


def _emit_with_layer(trace: str, layer: str, machine: Arch, image: int, folder: Path) -> list[Path]:
    """An array, and a bench of a layer's passes beside it; returns the files."""
    from hwsim.trace import open_trace

    emitter, kit = _import("hwsim_rtl.emit"), _import("hwsim_rtl.kit.layer_bench")
    with open_trace(trace) as opened:
        found = _import("hwsim.verify").layer_on_rtl(opened, machine, layer, image)
        passes = [
            kit.BenchPass(run.core, run.round, run.unit, *found.on_chip(run)) for run in found.span.passes
        ]
    title = f"layer {layer!a}" + (", which has random weights," if found.made_up else "")
    return emitter.emit(machine, folder, kit.layer_bench(emitter.NAME, title, machine, passes))


def _import(name: str) -> ModuleType:
    """A module of the RTL, whose packages are an extra.

    Raises:
        HwsimError: they are not installed.
    """
    from importlib import import_module

    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    try:
        return import_module(name)
    except ImportError as error:
        raise HwsimError(f"hwsim rtl needs {error.name}: pip install 'hwsim[rtl]'") from None


def _row(run: dict[str, Any]) -> dict[str, Any]:
    words = _import("hwsim_rtl.synth.reports").path_words
    timing = run["timing"]
    return {
        "component": run["component"],
        **run["machine"],
        **run["cells"],
        "fmax_mhz": timing["fmax_mhz"] if timing else None,
        "path": words(timing["path"]) if timing else None,
    }


def _mhz(value: float | None) -> str:
    return "not placed" if value is None else f"{value:.1f} MHz"


def _print(rows: list[dict[str, Any]], format_: OutputFormat) -> None:
    """Rows of runs; without columns of timing where none was placed."""
    from hwsim.report import text
    from hwsim.report.tables import Column

    columns = [
        Column("component", "component", "", text.label, 9),
        Column("columns", "columns", "", str, 3),
        Column("activation_bits", "bits", "of an activation", str, 3),
        Column("luts", "LUTs", "", text.whole, 8),
        Column("ffs", "flip-flops", "", text.whole, 7),
        Column("dsps", "DSPs", "", text.whole, 6),
        Column("brams", "block RAMs", "", text.whole, 6),
        Column("ram_bits", "distributed RAM", "bits", text.whole, 1),
    ]
    if any(row["fmax_mhz"] for row in rows):
        columns += [
            Column("fmax_mhz", "Fmax", "MHz", _mhz, 8),
            Column("path", "slowest path", "", text.words, 2),
        ]
    if format_ is OutputFormat.json:
        typer.echo(json_format.dumps({"runs": rows}, indent=1))
    elif format_ is not OutputFormat.table:
        console.print_rows(format_, columns, rows)
    elif rows:
        console.show_table(columns, rows)
