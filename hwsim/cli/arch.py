"""``hwsim arch``: the machine as TOML, or what its numbers mean and what it takes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import console
from hwsim.cli.options import ArchFile, read_arch

if TYPE_CHECKING:
    from hwsim.arch import Arch

# What follows from the fields, by its name in the rows of a sweep (hwsim.sweep.evaluate.machine_row).
DERIVED = {
    "peak_macs": "MACs a cycle: cores x columns",
    "bandwidth_gb_s": "10^9 bytes/s of DRAM at the clock of the file",
    "sram_bytes": "accumulators, weight memory and map buffer",
    "luts": "estimated on a Lattice ECP5, of all cores",
    "ffs": "flip-flops, estimated likewise",
    "dsps": "multipliers of 18 x 18 bits, estimated likewise",
    "brams": "block RAMs of 18 Kbit, those of the map buffer among them",
}


class ArchFormat(StrEnum):
    """What is printed."""

    toml = "toml"
    table = "table"
    csv = "csv"
    md = "md"
    json = "json"


def arch(
    arch: ArchFile = None,
    fpga: Annotated[
        bool, typer.Option("--fpga", help="The one that fits a Lattice LFE5U-85F (docs/synthesis.md).")
    ] = False,
    format_: Annotated[
        ArchFormat,
        typer.Option(
            "--format",
            help="toml: a file for --arch. table, csv, md, json: every field with what it means, and what "
            "the machine takes.",
        ),
    ] = ArchFormat.toml,
) -> None:
    """Print the machine: the default one, or that of a file with its defaults filled in."""
    if fpga and arch is not None:
        raise typer.BadParameter("--fpga is a machine, as --arch is: leave one out")
    if fpga:
        from hwsim.machine.area import fpga_machine

        machine = fpga_machine()
    else:
        machine = read_arch(arch)
    if format_ is ArchFormat.toml:
        typer.echo(machine.to_toml(), nl=False)
        return
    rows = _rows(machine)
    if format_ is ArchFormat.json:
        from hwsim.report.contents import to_json

        typer.echo(to_json({"machine": rows}), nl=False)
        return
    from hwsim.report import text
    from hwsim.report.tables import Column

    columns = [
        Column("name", "name", "of the field, or of what follows from the fields", text.label, 9),
        Column("value", "value", "", text.value, 9),
        Column("meaning", "meaning", "", text.words, 5),
    ]
    if format_ is ArchFormat.table:
        console.show_table(columns, rows)
    else:
        console.print_rows(console.OutputFormat(format_.value), columns, rows)


def _rows(machine: Arch) -> list[dict[str, Any]]:
    """A row a field, and one for each number that follows from them."""
    from hwsim.sweep.evaluate import machine_row

    derived = machine_row(machine)
    fields = machine.model_dump(exclude={"energy"})
    energies = {f"energy.{event}": pj for event, pj in machine.energy.items()}
    known = type(machine).model_fields
    return [
        *(_row(name, value, known[name].description or "") for name, value in fields.items()),
        *(_row(name, pj, "pJ an event, instead of the built-in one") for name, pj in energies.items()),
        *(_row(name, derived[name], meaning) for name, meaning in DERIVED.items()),
    ]


def _row(name: str, value: Any, meaning: str) -> dict[str, Any]:
    return {"name": name, "value": value, "meaning": meaning}
