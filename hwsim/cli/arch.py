"""``hwsim arch``: the machine as TOML."""

from __future__ import annotations

import typer

from hwsim.cli.options import ArchFile, read_arch


def arch(arch: ArchFile = None) -> None:
    """Print the machine as TOML: the default one, or that of a file with its defaults filled in."""
    typer.echo(read_arch(arch).to_toml(), nl=False)
