"""``hwsim arch``: the machine as TOML."""

from __future__ import annotations

from typing import Annotated

import typer

from hwsim.cli.options import ArchFile, read_arch


def arch(
    arch: ArchFile = None,
    fpga: Annotated[
        bool, typer.Option("--fpga", help="The one that fits a Lattice LFE5U-85F (docs/synthesis.md).")
    ] = False,
) -> None:
    """Print the machine as TOML: the default one, or that of a file with its defaults filled in."""
    if fpga and arch is not None:
        raise typer.BadParameter("--fpga is a machine, as --arch is: leave one out")
    if fpga:
        from hwsim.machine.area import fpga_machine

        machine = fpga_machine()
    else:
        machine = read_arch(arch)
    typer.echo(machine.to_toml(), nl=False)
